//! The samples of docs/notifications.md: a rollback of the core's small world, as each kind of sink is told of it.

use model_release_core::api::status::{Act, Phase};
use model_release_core::testing::World;
use model_release_operator::notify::{Format, Notification, payload};
use model_release_operator::watch::ReleaseKey;
use serde_json::{Value, json};

use super::{Generated, root};

const PAGE: &str = "docs/notifications.md";

/// A canary that is worse is found out after some minutes.
fn rolled_back() -> Notification {
    let mut world = World::analyzing("2026.07", "2026.08");
    world.accuracy.insert("2026.08".to_owned(), 0.85);
    let world = world.until("its canary is found out", |world| world.phase() == Phase::RollingBack);
    let history = world.status().history;
    let decision = history.into_iter().find(|entry| entry.verdict == Act::Rollback && entry.decides());
    let meta = world.object.metadata;
    Notification {
        release: ReleaseKey { namespace: meta.namespace.unwrap(), name: meta.name.unwrap() },
        uid: "0b0cf5a1-8c0e-4c53-8b5e-1f6a3d0e2c11".to_owned(),
        stable: "2026.07".to_owned(),
        decision: decision.expect("it was rolled back"),
    }
}

/// The page with its samples as they are sent today.
pub(super) fn files() -> Vec<Generated> {
    let decided = rolled_back();
    let sent = |format| payload(format, &decided);
    let (_, slack) = sent(Format::Slack);
    let (plain_type, plain) = sent(Format::Webhook);
    let (event_type, mut event) = sent(Format::CloudEvents);
    // The page has shown the entry of the history just before.
    event["data"] = json!({"seq": event["data"]["seq"], "verdict": event["data"]["verdict"], "…": "…"});
    let pretty = |body: &Value| serde_json::to_string_pretty(body).unwrap();
    let mut page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    for (heading, language, content, sample) in [
        ("Slack", "", "", slack["text"].as_str().unwrap().to_owned()),
        ("Webhook", "json", plain_type, pretty(&plain)),
        ("CloudEvents", "json", event_type, pretty(&event)),
    ] {
        page = with_sample(&page, heading, language, &sample);
        let part = page.split(&format!("\n### {heading}\n")).nth(1).unwrap();
        assert!(
            part.contains(content),
            "{PAGE}: {heading} is sent as {content}, which its part does not say"
        );
    }
    vec![Generated { path: PAGE, text: page }]
}

/// The page with another first block of a language after a heading.
fn with_sample(page: &str, heading: &str, language: &str, sample: &str) -> String {
    let (heading, fence) = (format!("\n### {heading}\n"), format!("\n```{language}\n"));
    let after = |from: usize, text: &str| {
        let found =
            page[from..].find(text).unwrap_or_else(|| panic!("{PAGE} has no {text:?} where it should"));
        from + found + text.len()
    };
    let begin = after(after(0, &heading) - 1, &fence);
    let end = begin + page[begin..].find("\n```\n").expect("the block ends");
    format!("{}{sample}{}", &page[..begin], &page[end..])
}

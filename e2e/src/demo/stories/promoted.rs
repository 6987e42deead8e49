//! Story A: stable was trained for 2 epochs, the canary for 5. It is promoted, in two steps.

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{Act, Phase};

use crate::demo::limit;
use crate::demo::outcome::Outcome;
use crate::demo::releases::decided;
use crate::demo::story::{Story, seconds};
use crate::error::Result;

/// Envoy's share that counts as all, of the requests of the last seconds.
const ALL: f64 = 99.9;

/// Tells it.
pub(super) async fn tell(mut story: Story) -> Result<Outcome> {
    let (old, new) = (story.manifest.stable.name.clone(), story.stage.made.better.name.clone());
    story.manifest = story.manifest.clone().with_canary(&story.stage.made.better.clone());
    story.try_canary().await?;
    story.until_canary_answers().await?;

    story.note("one client asks more than it may");
    let limit = limit::check(&story.stage, &story.manifest.host()).await?;
    story.outcome.must(limit.holds(), || format!("the limit of one client does not hold: {limit}"));

    let promoted = story
        .until_while_good("5 epochs are proven and promoted", |seen| {
            let passed =
                decided(&seen.status, |entry| entry.verdict == Act::Promote && entry.version == new)?.clone();
            (seen.phase() == Phase::Baking).then_some(passed)
        })
        .await?;
    let passed = story.observer.looks().borrow().clone();
    let reason =
        decided(&passed.status, |entry| entry.reason == Reason::QualityPassed && entry.version == new);
    story.outcome.decided(reason.unwrap_or(&promoted));
    story
        .outcome
        .must(reason.is_some(), || format!("promoted for {} instead of QualityPassed", promoted.reason));

    let everything = story
        .until_while_good("Envoy sends it everything", |seen| {
            let wanted = seen.wanted_percent() == Some(100);
            seen.envoy_percent.filter(|percent| wanted && *percent >= ALL)
        })
        .await;
    story
        .outcome
        .must(everything.is_ok(), || "Envoy was not seen to send everything to the new version".into());

    story
        .until_while_good("its bake is over", |seen| {
            (seen.phase() == Phase::Stable && seen.status.stable_version == new).then_some(())
        })
        .await?;
    let weight =
        decided(&passed.status, |entry| entry.from_percent < 100 && entry.to_percent == 100).cloned();
    if let Some(weight) = weight {
        let took = story.last_answer_of(&old, "weights 0/100 decided", weight.at);
        story.outcome.must(took <= 5.0, || format!("{old} still answered {took:.1} s after it had weight 0"));
        story.outcome.effects.push(crate::demo::outcome::Effect {
            from: "proven".into(),
            to: "weights 0/100 decided".into(),
            seconds: seconds(promoted.at, weight.at),
        });
    } else {
        story.outcome.problems.push("no decision on record gives the new version all traffic".into());
    }
    Ok(story.end().await)
}

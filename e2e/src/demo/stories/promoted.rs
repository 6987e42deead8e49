//! Story A: stable was trained for 2 epochs, the canary for 5. It is promoted, in two steps.

use model_release_core::api::reasons::Reason;
use model_release_core::api::status::{HistoryEntry, Phase};

use crate::demo::limit;
use crate::demo::outcome::{Effect, Outcome};
use crate::demo::releases::{decided, promotion};
use crate::demo::story::{Story, seconds};
use crate::error::{Error, Result};

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
    story.outcome.tried.push(limit.to_string());
    story.outcome.must(limit.holds(), || format!("the limit of one client does not hold: {limit}"));

    let promoted = story
        .until_while_good("5 epochs are proven and promoted", |seen| {
            (seen.phase() == Phase::Baking).then(|| seen.status.clone())
        })
        .await?;
    let all = |entry: &HistoryEntry| entry.from_percent < 100 && entry.to_percent == 100;
    let weight = decided(&promoted, |entry| entry.version == new && all(entry)).cloned();
    let (Some(proven), Some(weight)) = (promotion(&promoted, &new).cloned(), weight) else {
        return Err(Error::other(
            "the history lacks the decision to promote, or the one that gives all traffic",
        ));
    };
    story.outcome.decided(&proven);
    story.outcome.must(proven.reason == Reason::QualityPassed, || {
        format!("promoted for {} instead of QualityPassed: {}", proven.reason, proven.message)
    });

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
    let took = story.last_answer_of(&old, "weights 0/100 decided", weight.at);
    story.outcome.must(took <= 5.0, || format!("{old} still answered {took:.1} s after it had weight 0"));
    let to = "weights 0/100 decided".to_owned();
    let took = seconds(proven.at, weight.at);
    story.outcome.effects.push(Effect { from: "proven".to_owned(), to, seconds: took });
    Ok(story.end().await)
}

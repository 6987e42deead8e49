//! Annotations: a canary that is held, let go, and tried again.

use std::sync::Arc;

use jiff::Timestamp;
use model_release_core::api::reasons::Reason;
use model_release_core::api::status::Phase::{Analyzing, RolledBack, RollingBack};
use testbed::Result;
use testbed::demo::outcome::Outcome;
use testbed::demo::releases::condition;
use testbed::demo::story::Stage;

use super::way::{Way, manifest};

/// `rollback=true` in Analyzing: while it stays nothing new starts, also another version; gone, that version starts.
pub async fn a_canary_held_by_a_word(stage: Arc<Stage>, name: &'static str) -> Result<Outcome> {
    let mut way = Way::begin(&stage, manifest(&stage, name)).await?;
    way.try_version("one").await?;
    way.share("one", 50).await?;
    let cause = Timestamp::now();
    way.annotate("rollback", Some("true")).await?;
    way.decided_for(Analyzing, RollingBack, "one", Reason::ManualRollback).await?;
    way.left("one", RolledBack, cause).await?;
    way.try_version("two").await?;
    way.until("it says that it is held", |seen| {
        let (is, reason, _) = condition(&seen.status, "Held")?;
        (is == "True" && reason == "ManualRollback").then_some(())
    })
    .await?;
    let stable = stage.made.worse.name.clone();
    way.alone(&stable).await?;
    way.never_answered("two");
    way.annotate("rollback", None).await?;
    way.share("two", 50).await?;
    way.end().await
}

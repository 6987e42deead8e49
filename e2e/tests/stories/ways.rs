//! The ways out of every phase that a user can cause, each with clients all the time: none of them sees a failure, each
//! version gets the share that was decided, and what follows is what the lifecycle says.

mod after;
mod before;
pub mod foreign;
pub mod gone;
mod made;
mod trial;
pub mod way;
mod words;

use std::sync::Arc;

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream;
use testbed::Result;
use testbed::demo::outcome::Outcome;
use testbed::demo::story::Stage;

use crate::common::judged;

/// A story, and the name of its release.
type Told = (&'static str, fn(Arc<Stage>, &'static str) -> BoxFuture<'static, Result<Outcome>>);

/// Names a story by its function; the release is named alike.
macro_rules! told {
    ($($module:ident::$story:ident as $name:literal),* $(,)?) => {
        [$(($name, (|stage, name| $module::$story(stage, name).boxed()) as fn(_, _) -> _)),*]
    };
}

/// How many are told side by side where times are judged strictly, and else: on two cores the API server alone takes more
/// than a second to store a word while twenty sets of pods start.
const AT_ONCE: (usize, usize) = (6, usize::MAX);

/// All of them, side by side; or those alone that `WAYS` lists, as in `WAYS=held,paused`.
pub async fn out_of_every_phase(stage: &Arc<Stage>) -> Vec<String> {
    let stories: Vec<Told> = told![
        trial::a_first_version_that_is_mended as "mended",
        trial::a_canary_that_never_gets_ready as "unready",
        trial::a_canary_removed_while_it_warms_up as "warm",
        before::a_canary_that_is_warmed_up as "warmed",
        before::a_canary_that_gets_copies_first as "copies",
        before::a_canary_whose_copies_fail as "copied",
        trial::a_third_version_while_one_is_analysed as "third",
        trial::a_canary_that_fails as "failing",
        trial::a_canary_that_loses_its_endpoints as "lost",
        after::a_promoted_version_rolled_back_by_hand as "baking",
        after::a_promotion_that_is_reverted_in_the_spec as "reverted",
        after::stable_changed_in_the_spec as "replaced",
        after::a_rollback_while_a_version_is_promoted as "promoting",
        made::versions_that_an_autoscaler_sizes as "scaled",
        made::an_app_and_its_model_released_as_one as "pair",
        foreign::somebody_elses_object_with_our_name as "foreign",
        gone::a_release_whose_time_is_over as "expired",
        words::a_canary_held_by_a_word as "held",
        words::a_pause_holds_what_the_evidence_would_move as "paused",
        words::a_version_promoted_by_a_word_and_tried_again as "ordered",
        words::a_suspended_release_is_left_alone as "suspended",
    ]
    .into();
    let only = std::env::var("WAYS").unwrap_or_default();
    let asked = |name: &str| only.is_empty() || only.split(',').any(|other| other == name);
    let told = stories.into_iter().filter(|(name, _)| asked(name)).map(|(name, story)| {
        let told = story(Arc::clone(stage), name);
        async move { (name, told.await) }
    });
    let mut problems = Vec::new();
    let mut told = stream::iter(told).buffered(judged(AT_ONCE));
    while let Some((name, told)) = told.next().await {
        match told {
            Ok(outcome) => {
                println!(
                    "{name:<10} {:>5.0} s, {:>6} requests, {} 5xx: {}",
                    outcome.seconds, outcome.clients.requests, outcome.clients.server_errors, outcome.message
                );
                problems.extend(outcome.problems.iter().map(|problem| format!("{name}: {problem}")));
            }
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    problems
}

//! What clients see of the traffic: transitions that lose nothing, shares as decided, the same user on the same version,
//! limits that know no version, releases below a path, other routes, gateways that come and go, and filters that they refuse.

mod ask;
mod by;
mod gateways;
mod istiod;
mod limits;
mod mesh;
mod paths;
mod refused;
mod shares;
mod skewed;
mod transitions;
mod unknown;
mod valid;

use std::sync::Arc;

use testbed::Result;
use testbed::demo::story::Stage;

use ask::Line;
use by::By;
use valid::Written;

/// What `PARTS` may list.
pub const PARTS: [&str; 12] = [
    "control",
    "transitions",
    "shares",
    "limits",
    "mesh",
    "valid",
    "unknown",
    "skewed",
    "istiod",
    "gateways",
    "paths",
    "refused",
];

/// Whether all of it is to be asked: `TRAFFIC=full`, which `make traffic` sets.
pub fn full() -> bool {
    std::env::var("TRAFFIC").is_ok_and(|how| how == "full")
}

/// Whether a part is to be told: those that always are, unless `PARTS` lists some, as in `PARTS=mesh,gateways`.
fn wanted(part: &str, always: bool) -> bool {
    std::env::var("PARTS").map_or(always, |parts| parts.split(',').any(|other| other == part))
}

/// All parts, one after another, for each has the gateway to itself; the table of what was measured, and what was not
/// as it must be.
pub async fn as_clients_see_it(stage: &Arc<Stage>) -> Vec<String> {
    let mut lines: Vec<Line> = Vec::new();
    let mut problems = Vec::new();
    let mut note = |part: &str, told: Result<Vec<Line>>| match told {
        Ok(told) => lines.extend(told),
        Err(error) => problems.push(format!("{part}: {error}")),
    };
    let mut written = Written::default();
    if wanted("control", full()) {
        note("control", transitions::would_be_seen(stage).await);
    }
    for by in By::ALL {
        // The longer stories are told of both providers where there is time.
        let always = full() || by == By::Istio;
        if wanted("transitions", always) {
            note("transitions", Box::pin(transitions::lose_nothing(stage, by, &mut written)).await);
        }
        if wanted("shares", true) {
            note("shares", shares::and_who_gets_which(stage, by, &mut written).await);
        }
        if wanted("limits", true) {
            note("limits", limits::know_no_version(stage, by).await);
        }
        if wanted("mesh", always) {
            note("mesh", mesh::callers(stage, by, &mut written).await);
        }
    }
    if wanted("valid", true) {
        note("valid", written.judge(&stage.testbed));
    }
    if wanted("unknown", true) {
        note("unknown", unknown::gateways_are_told(stage).await);
    }
    if wanted("skewed", full()) {
        note("skewed", Box::pin(skewed::steps_wait(stage)).await);
    }
    if wanted("istiod", full()) {
        note("istiod", istiod::goes_away(stage).await);
    }
    if wanted("gateways", full()) {
        note("gateways", gateways::come_and_go(stage).await);
    }
    if wanted("paths", true) {
        note("paths", paths::share_a_host(stage).await);
    }
    if wanted("refused", true) {
        note("refused", refused::filters_are_told(stage).await);
    }
    println!("| what | must | was | |\n|---|---|---|---|");
    for line in &lines {
        println!("{line}");
        if !line.holds {
            problems.push(format!("{}: {}, and it must be {}", line.what, line.was, line.must));
        }
    }
    problems
}

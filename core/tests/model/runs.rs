//! The runs: those of each change, and those of each night.

use serde_json::{Value, json};

use super::bounds::{Begin, NOTHING, Run, gateway, spec};
use super::state::{Budget, Metric};

const CANARY: [(&str, Option<&str>); 2] = [("v1", None), ("v1", Some("v2"))];

fn stepped(canary: Option<&str>, steps: &[i32]) -> Value {
    spec("v1", canary, steps, &json!({}))
}

/// A spec with something in `runtime`, which both versions share.
pub fn shared(value: &str, canary: Option<&str>) -> Value {
    spec("v1", canary, &[10], &json!({"runtime": {"env": [{"name": "MODE", "value": value}]}}))
}

/// The runs of each change, or of each night.
pub fn all(nightly: bool) -> Vec<Run> {
    if !nightly {
        return changes();
    }
    let large = nights();
    // What none of the large ones reaches, a small one does.
    let small: Vec<Run> =
        changes().into_iter().filter(|run| large.iter().all(|other| other.name != run.name)).collect();
    [large, small].concat()
}

fn changes() -> Vec<Run> {
    [lives(), wishes(), harms()].concat()
}

/// What becomes of versions, and how they do.
fn lives() -> Vec<Run> {
    let of = Run::of;
    let one = Budget { edits: 1, ..NOTHING };
    vec![
        // A release comes to be, and the spec changes under way.
        Run { begin: Begin::Nothing, ..of("birth", one, &[("v1", None), ("v2", None), ("v1", Some("v2"))]) },
        // Replacements that are taken back.
        of("replacements", Budget { edits: 2, ..NOTHING }, &[("v1", None), ("v2", None)]),
        // While the second version is on trial a third comes, or it is named as stable.
        Run {
            begin: Begin::Trial,
            ..of("third", one, &[("v1", None), ("v1", Some("v2")), ("v1", Some("v3")), ("v2", None)])
        },
        // What was rolled back is taken out of the spec, and put back in.
        Run {
            begin: Begin::Trial,
            metrics: vec![Metric::Bad],
            ..of("back", Budget { edits: 2, ..NOTHING }, &CANARY)
        },
        // Metrics turn good, bad and absent, and requests begin to fail.
        Run {
            metrics: vec![Metric::Good, Metric::Bad, Metric::Errors, Metric::None],
            ..of("metrics", Budget { metrics: 1, ..one }, &CANARY)
        },
        // Pods that come and go, crash, or can never start.
        Run { troubles: true, ..of("pods", Budget { flips: 1, ..one }, &CANARY) },
        // One that loses its endpoints over and over.
        Run {
            begin: Begin::Trial,
            frail: Some(1),
            // Nothing is proven of it meanwhile.
            metrics: vec![Metric::None],
            ..of("flapping", Budget { flips: 5, ..NOTHING }, &CANARY)
        },
    ]
}

/// What humans ask for.
fn wishes() -> Vec<Run> {
    let of = Run::of;
    let one = Budget { edits: 1, ..NOTHING };
    vec![
        // More than one step, and steps that are edited.
        Run {
            begin: Begin::Trial,
            ..Run::with(
                "steps",
                one,
                vec![stepped(None, &[10]), stepped(Some("v2"), &[10, 60]), stepped(Some("v2"), &[5, 20])],
            )
        },
        // Copies and warm-up requests before the first weight, and no patience afterwards.
        Run {
            specs: [None, Some("v2")]
                .map(|canary| {
                    let more = json!({
                        "runtime": {"warmup": {"path": "/v1/warm", "requests": 3, "timeoutSeconds": 20}},
                        "rollout": {"shadow": {"minDuration": "10s"}, "onInconclusive": "Rollback"},
                    });
                    spec("v1", canary, &[10], &more)
                })
                .to_vec(),
            metrics: vec![Metric::Good, Metric::Errors, Metric::None],
            ..of("shadow", Budget { metrics: 1, ..one }, &[])
        },
        // A human says promote and retry, suspends and goes on.
        Run {
            begin: Begin::Trial,
            specs: vec![
                stepped(None, &[10]),
                stepped(Some("v2"), &[10]),
                spec("v1", Some("v2"), &[10], &json!({"suspend": true})),
            ],
            notes: vec![("promote", vec!["v2"]), ("retry", vec!["again"])],
            metrics: vec![Metric::Bad],
            ..of("words", Budget { notes: 1, ..one }, &[])
        },
        // A human pauses and goes on, or writes what cannot be read.
        Run {
            begin: Begin::Trial,
            notes: vec![("pause", vec!["true", "soon"]), ("rollback", vec!["no!"])],
            ..of("pauses", Budget { notes: 2, ..NOTHING }, &CANARY)
        },
        // A spec that is refused while a canary is on trial, and a life that is over then.
        Run {
            begin: Begin::Trial,
            ..Run::with(
                "ends",
                one,
                vec![
                    stepped(None, &[10]),
                    stepped(Some("v2"), &[10]),
                    spec("v1", Some("v2"), &[10], &json!({"ttl": "30m"})),
                    spec("v1", Some("v2"), &[10], &json!({"analysis": {"provider": "nobody"}})),
                ],
            )
        },
        // One that is over, and begins anew.
        Run::with(
            "over",
            Budget { edits: 2, ..NOTHING },
            vec![stepped(None, &[10]), spec("v1", None, &[10], &json!({"ttl": "30m"}))],
        ),
        // One that was rolled back, is named as stable, and is all that there is when the life that is over begins anew.
        Run {
            begin: Begin::Trial,
            metrics: vec![Metric::Bad],
            ..Run::with(
                "anew",
                Budget { edits: 2, ..NOTHING },
                vec![
                    stepped(None, &[10]),
                    stepped(Some("v2"), &[10]),
                    spec("v2", None, &[10], &json!({})),
                    spec("v2", None, &[10], &json!({"ttl": "30m"})),
                ],
            )
        },
        // What both versions share is edited after a promotion.
        Run {
            specs: vec![shared("1", Some("v2")), shared("2", Some("v2")), shared("1", None)],
            notes: vec![("rollback", vec!["v2"])],
            ..of("shared", Budget { notes: 1, ..one }, &[])
        },
    ]
}

/// What goes wrong with operators, and what others do.
fn harms() -> Vec<Run> {
    let of = Run::of;
    let one = Budget { edits: 1, ..NOTHING };
    vec![
        // One operator that crashes, is refused and hears no answer, while a human says what he wants.
        of("faults", Budget { notes: 1, faults: 1, ..one }, &CANARY),
        // One that sees the past.
        of("stale", Budget { lags: 1, faults: 1, ..one }, &CANARY),
        // Two operators that both believe to lead: plans of the one are followed long after those of the other.
        Run { two: true, ..of("two", one, &CANARY) },
        // The same while what retired is taken down, and a human wants it back.
        Run { two: true, begin: Begin::Alone, ..of("again", Budget { notes: 1, ..NOTHING }, &CANARY) },
        // Gateways that are asked, limits beside them, and a deletion at any time.
        Run {
            specs: CANARY.map(|(stable, canary)| spec(stable, canary, &[10], &gateway())).to_vec(),
            begin: Begin::Nothing,
            ..of("deletion", Budget { deletes: 1, ..one }, &[])
        },
        // The same while an operator crashes and hears no answer.
        Run {
            specs: vec![spec("v1", None, &[10], &gateway())],
            begin: Begin::Nothing,
            ..of("parting", Budget { deletes: 1, faults: 1, ..NOTHING }, &[])
        },
        // A deletion while a replacement is under way, and while a canary gets copies.
        Run {
            specs: [("v1", None), ("v2", None), ("v1", Some("v2"))]
                .map(|(stable, canary)| {
                    let mut all = gateway();
                    all["rollout"] = json!({"shadow": {"minDuration": "10s"}});
                    spec(stable, canary, &[10], &all)
                })
                .to_vec(),
            ..of("leaving", Budget { deletes: 1, ..one }, &[])
        },
        // Others who change, delete and replace what is ours.
        of("foreign", Budget { foreign: 2, lags: 1, faults: 1, ..NOTHING }, &CANARY),
        // The same while a canary is on trial.
        Run { begin: Begin::Trial, ..of("hands", Budget { foreign: 1, ..NOTHING }, &CANARY) },
        // All weights in an HTTPRoute, which others change and an operator that crashes follows.
        Run {
            specs: CANARY.map(|(stable, canary)| spec(stable, canary, &[10], &http_route())).to_vec(),
            begin: Begin::Trial,
            ..of("routes", Budget { foreign: 1, faults: 1, ..NOTHING }, &[])
        },
    ]
}

/// By the Gateway API.
fn http_route() -> Value {
    json!({"traffic": {"provider": "GatewayAPI"}})
}

/// Fewer worlds, and much more that happens in each.
fn nights() -> Vec<Run> {
    let changes = changes();
    let again = |name: &str, budget: Budget| {
        let run = changes.iter().find(|run| run.name == name).expect("a run of each change");
        Run { budget, ..run.clone() }
    };
    let one = Budget { edits: 1, ..NOTHING };
    vec![
        again("two", Budget { notes: 1, ..one }),
        Run { name: "two stale", begin: Begin::Trial, ..again("two", Budget { lags: 1, ..NOTHING }) },
        Run { name: "again stale", ..again("again", Budget { notes: 1, lags: 1, ..NOTHING }) },
        Run { name: "two faults", ..again("two", Budget { faults: 2, ..one }) },
        Run { name: "two edits", ..again("two", Budget { edits: 2, ..NOTHING }) },
        Run { name: "again faults", ..again("again", Budget { notes: 2, faults: 1, ..NOTHING }) },
        Run {
            name: "two on trial",
            begin: Begin::Trial,
            ..again("two", Budget { notes: 1, faults: 1, ..NOTHING })
        },
        again("faults", Budget { notes: 1, faults: 2, lags: 1, ..one }),
        again("stale", Budget { lags: 2, faults: 2, ..one }),
        again("birth", Budget { edits: 2, ..NOTHING }),
        again("metrics", Budget { metrics: 2, ..one }),
        again("pods", Budget { flips: 2, ..one }),
        again("steps", Budget { flips: 1, faults: 1, ..one }),
        again("deletion", Budget { deletes: 1, faults: 1, lags: 1, ..one }),
        again("leaving", Budget { deletes: 1, faults: 1, ..one }),
        again("foreign", Budget { foreign: 1, lags: 1, ..one }),
    ]
}

//! The end of the demo: a table of what became of each story, and the same as JSON.

use std::fmt::Write as _;

use jiff::Timestamp;
use model_release_core::api::status::Numbers;
use serde::Serialize;

use super::outcome::Outcome;
use super::plugin::Asked;
use crate::audit::witness::Testimony;
use crate::error::Result;

/// What the demo found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it ended.
    pub at: String,
    /// Whether all stories ended as they must, the auditor saw no violation, and the plugin answered.
    pub ended_well: bool,
    /// Seconds of each stage: cluster, images, install, stories.
    pub stages: Vec<(String, f64)>,
    /// The stories.
    pub stories: Vec<Outcome>,
    /// What the auditor saw, in a line; or the violation that it found.
    pub auditor: String,
    /// What the plugin answered at the end.
    pub asked: Vec<Asked>,
}

impl Report {
    /// Of what each part found. Whichever of them failed, the others are told.
    pub fn of(
        at: Timestamp,
        stages: Vec<(String, f64)>,
        stories: Vec<Outcome>,
        testimony: Result<Testimony>,
        asked: Vec<Asked>,
    ) -> Self {
        let answered = asked.iter().all(|asked| asked.problem.is_none());
        let ended_well = testimony.is_ok() && answered && stories.iter().all(Outcome::ended_well);
        let auditor = testimony.map_or_else(|error| error.to_string(), |testimony| testimony.line);
        Self { at: at.to_string(), ended_well, stages, stories, auditor, asked }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for story in &self.stories {
            let end = if story.ended_well() { "as it must" } else { "NOT AS IT MUST" };
            let _ = writeln!(text, "{} {}: {} ({:.0} s)", story.story, story.title, end, story.seconds);
            let mut row = |name: &str, value: &str| {
                if !value.is_empty() {
                    let _ = writeln!(text, "    {name:<9} {value}");
                }
            };
            row("decision", &story.decision);
            row("reason", &story.reason);
            row("because", &story.message);
            story.numbers.iter().for_each(|numbers| row("numbers", &shown(numbers)));
            story.tried.iter().for_each(|tried| row("tried", tried));
            for effect in &story.effects {
                row("in effect", &format!("{:.2} s from {} to {}", effect.seconds, effect.from, effect.to));
            }
            let clients = &story.clients;
            row(
                "clients",
                &format!(
                    "{} requests, {} answered 5xx, {} not answered, {} limited",
                    clients.requests, clients.server_errors, clients.broken, clients.limited
                ),
            );
            let ways: Vec<String> =
                clients.ways.iter().map(|(way, counts)| format!("{way} {}", counts.sent)).collect();
            row("asked", &ways.join(", "));
            story.problems.iter().for_each(|problem| row("PROBLEM", problem));
        }
        let stages: Vec<String> =
            self.stages.iter().map(|(name, seconds)| format!("{name} {seconds:.0} s")).collect();
        let well = self.stories.iter().filter(|story| story.ended_well()).count();
        let _ = writeln!(
            text,
            "{well} of {} stories ended as they must; {}",
            self.stories.len(),
            stages.join(", ")
        );
        if !self.auditor.is_empty() {
            let _ = writeln!(text, "{}", self.auditor);
        }
        for Asked { command, answer, problem } in &self.asked {
            let _ = writeln!(text, "\n$ {command}\n{}", answer.trim_end());
            if let Some(problem) = problem {
                let _ = writeln!(text, "PROBLEM {problem}");
            }
        }
        text
    }

    /// The same for programs.
    ///
    /// # Errors
    /// None in practice: every part of it can be written as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

fn shown(numbers: &Numbers) -> String {
    let mut text = format!(
        "{}: stable {} of {}, canary {} of {}",
        numbers.metric, numbers.stable, numbers.stable_events, numbers.canary, numbers.canary_events
    );
    if let Some(difference) = &numbers.difference {
        let _ = write!(
            text,
            "; difference {}, surely from {} to {}",
            difference.estimate, difference.lower, difference.upper
        );
    }
    if !numbers.evidence.is_empty() {
        let _ = write!(text, "; evidence {} of {}", numbers.evidence, numbers.needed);
    }
    if !numbers.bound.is_empty() {
        let _ = write!(text, "; bound {}", numbers.bound);
    }
    text
}

#[cfg(test)]
mod tests {
    use load::{Counts, Way};

    use super::*;
    use crate::demo::outcome::{Clients, Effect};

    fn report() -> Report {
        let mut bad = Outcome { story: "B".into(), title: "worse".into(), ..Outcome::default() };
        bad.must(false, || "it was promoted".into());
        let numbers = Numbers {
            metric: "model_accuracy".into(),
            stable: "0.7980".into(),
            canary: "0.8480".into(),
            stable_events: 900,
            canary_events: 300,
            difference: None,
            bound: "loss <= 0.0200".into(),
            evidence: "21.4".into(),
            needed: "20.0".into(),
        };
        let good = Outcome {
            story: "A".into(),
            title: "better".into(),
            decision: "Promote epochs-5".into(),
            numbers: vec![numbers],
            tried: vec!["12 clients came".into()],
            effects: vec![Effect { from: "decided".into(), to: "last answer".into(), seconds: 0.214 }],
            clients: Clients {
                requests: 4000,
                ways: [(Way::Http2, Counts { sent: 1600, ..Counts::default() })].into(),
                ..Clients::default()
            },
            ..Outcome::default()
        };
        let auditor = "auditor: 7 revisions, 0 violations".to_owned();
        let asked = vec![Asked {
            command: "kubectl modelrelease history better".into(),
            answer: "Promote\n".into(),
            problem: None,
        }];
        Report { stories: vec![good, bad], auditor, asked, ..Report::default() }
    }

    #[test]
    fn the_table_has_decision_numbers_times_and_errors_of_each_story() {
        let table = report().table();
        for part in [
            "A better: as it must",
            "Promote epochs-5",
            "stable 0.7980 of 900, canary 0.8480 of 300; evidence 21.4 of 20.0",
            "12 clients came",
            "0.21 s from decided to last answer",
            "4000 requests, 0 answered 5xx",
            "http2 1600",
            "B worse: NOT AS IT MUST",
            "it was promoted",
            "1 of 2 stories",
            "auditor: 7 revisions, 0 violations",
            "$ kubectl modelrelease history better\nPromote",
        ] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
    }

    #[test]
    fn a_plugin_that_gives_no_answer_is_a_problem_beside_all_the_rest() {
        let Report { stories, mut asked, .. } = report();
        let story = || stories.iter().take(1).cloned().collect::<Vec<_>>();
        let of = |asked| {
            let testimony =
                Testimony { line: "auditor: 7 revisions, 0 violations".into(), report: String::new() };
            Report::of(Timestamp::UNIX_EPOCH, Vec::new(), story(), Ok(testimony), asked)
        };
        assert!(of(asked.clone()).ended_well);
        asked[0].problem = Some("there is no release of this name".into());
        let report = of(asked);
        assert!(!report.ended_well);
        let table = report.table();
        for part in ["A better: as it must", "0 violations", "PROBLEM there is no release of this name"] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
    }

    #[test]
    fn the_json_holds_the_same() {
        let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!(json["stories"][0]["numbers"][0]["canaryEvents"], 300);
        assert_eq!(json["stories"][1]["problems"][0], "it was promoted");
        assert_eq!(json["endedWell"], false);
    }
}

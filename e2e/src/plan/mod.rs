//! A set of steps that depend on each other: runs what can run at once, each in its thread, and shows how it goes.

mod progress;
mod times;

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use progress::Display;
pub use times::Times;

/// How often the display is refreshed.
const TICK: Duration = Duration::from_millis(500);

type Work<'a> = Box<dyn FnOnce() -> Result<String> + Send + 'a>;

/// Something to be done once the steps that it names are done.
struct Step<'a> {
    name: String,
    after: Vec<String>,
    usual: Duration,
    work: Work<'a>,
}

/// Steps in the order they were added.
#[derive(Default)]
pub struct Plan<'a> {
    steps: Vec<Step<'a>>,
}

impl<'a> Plan<'a> {
    /// Adds a step. `work` returns a short remark for the display ("v1.35.4", "cached"); it keeps its own deadlines.
    /// `usual` is how long the step takes as far as one knows without having done it on this machine.
    pub fn step(
        &mut self,
        name: impl Into<String>,
        after: &[&str],
        usual: Duration,
        work: impl FnOnce() -> Result<String> + Send + 'a,
    ) {
        let name = name.into();
        self.steps.push(Step {
            name,
            after: after.iter().map(|&name| name.to_owned()).collect(),
            usual,
            work: Box::new(work),
        });
    }

    /// Runs all steps and shows their progress under a title. After a failure no new step begins.
    ///
    /// # Errors
    /// Those of the steps that failed, each with its name.
    pub fn run(self, title: &str, times: &mut Times) -> Result<()> {
        let shape = shape(&self.steps, times);
        let mut display = Display::new(title, shape);
        let mut waiting = self.steps;
        let mut failures: Vec<String> = Vec::new();
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel::<(String, Duration, Result<String>)>();
            let mut running = 0_usize;
            loop {
                while let Some(position) = next(&waiting, &display).filter(|_| failures.is_empty()) {
                    let step = waiting.remove(position);
                    let sender = sender.clone();
                    display.started(&step.name);
                    running += 1;
                    scope.spawn(move || {
                        let start = Instant::now();
                        let done = (step.work)();
                        // The receiver lives until every step that was started has reported.
                        drop(sender.send((step.name, start.elapsed(), done)));
                    });
                }
                if running == 0 {
                    break;
                }
                match receiver.recv_timeout(TICK) {
                    Err(_) => display.tick(),
                    Ok((name, took, done)) => {
                        running -= 1;
                        match done {
                            Ok(remark) => {
                                times.record(&name, took);
                                display.finished(&name, took, &remark);
                            }
                            Err(error) => {
                                display.failed(&name, took);
                                failures.push(format!("{name}: {error}"));
                            }
                        }
                    }
                }
            }
        });
        display.end();
        if let (true, Some(stuck)) = (failures.is_empty(), waiting.first()) {
            failures.push(format!("{}: waits for {:?}, which no step does", stuck.name, stuck.after));
        }
        if failures.is_empty() { Ok(()) } else { Err(Error::other(failures.join("\n"))) }
    }
}

/// The first waiting step whose predecessors are all done.
fn next(waiting: &[Step<'_>], display: &Display) -> Option<usize> {
    waiting.iter().position(|step| step.after.iter().all(|name| display.is_done(name)))
}

/// Predecessors and expected duration of each step, for the estimate of what is left.
fn shape(steps: &[Step<'_>], times: &Times) -> BTreeMap<String, (Vec<String>, Duration)> {
    let entry = |step: &Step<'_>| {
        // A run that found most of its work done is no measure for the next, which may not.
        let expected = times.expect(&step.name).map_or(step.usual, |took| took.max(step.usual / 2));
        (step.name.clone(), (step.after.clone(), expected))
    };
    steps.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_step_begins_only_after_those_it_names() {
        let order = Mutex::new(Vec::new());
        let mut plan = Plan::default();
        for (name, after) in [("c", vec!["a", "b"]), ("b", vec!["a"]), ("a", vec![])] {
            let order = &order;
            plan.step(name, &after, NOW, move || {
                order.lock().unwrap().push(name);
                Ok(String::new())
            });
        }
        plan.run("test", &mut Times::default()).unwrap();
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn steps_that_do_not_depend_on_each_other_run_at_once() {
        let meet = std::sync::Barrier::new(2);
        let mut plan = Plan::default();
        for name in ["a", "b"] {
            plan.step(name, &[], NOW, || {
                meet.wait();
                Ok(String::new())
            });
        }
        plan.run("test", &mut Times::default()).unwrap();
    }

    #[test]
    fn after_a_failure_nothing_new_begins_and_the_failing_step_is_named() {
        let mut plan = Plan::default();
        plan.step("bad", &[], NOW, || Err(Error::other("broke")));
        plan.step("later", &["bad"], NOW, || panic!("must not run"));
        let text = plan.run("test", &mut Times::default()).unwrap_err().to_string();
        assert_eq!(text, "bad: broke");
    }

    #[test]
    fn a_step_that_waits_for_nobody_is_an_error_and_not_a_hang() {
        let mut plan = Plan::default();
        plan.step("lonely", &["nobody"], NOW, || Ok(String::new()));
        assert!(plan.run("test", &mut Times::default()).unwrap_err().to_string().contains("lonely"));
    }
}

//! Shows how a plan goes: a line per finished step, and one moving line on a terminal or one each 15 s elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, stdout};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use crate::say::{say, say_part};

/// Predecessors and expected duration by step.
type Shape = BTreeMap<String, (Vec<String>, Duration)>;

/// How often a line is written when nobody looks at a terminal.
const PLAIN: Duration = Duration::from_secs(15);

/// What has been shown, and what is needed to show more.
pub(super) struct Display {
    shape: Shape,
    start: Instant,
    running: BTreeMap<String, Instant>,
    done: BTreeSet<String>,
    terminal: bool,
    last_plain: Instant,
}

impl Display {
    pub(super) fn new(title: &str, shape: Shape) -> Self {
        let terminal = stdout().is_terminal();
        let start = Instant::now();
        let display = Self {
            shape,
            start,
            running: BTreeMap::new(),
            done: BTreeSet::new(),
            terminal,
            last_plain: start,
        };
        say(format_args!("{title}{}", estimate(display.left())));
        display
    }

    pub(super) fn started(&mut self, step: &str) {
        self.running.insert(step.to_owned(), Instant::now());
    }

    pub(super) fn finished(&mut self, step: &str, took: Duration, remark: &str) {
        self.running.remove(step);
        self.done.insert(step.to_owned());
        self.line(&done_line(step, took, remark));
    }

    pub(super) fn failed(&mut self, step: &str, took: Duration) {
        self.running.remove(step);
        self.line(&done_line(step, took, "FAILED"));
    }

    pub(super) fn is_done(&self, step: &str) -> bool {
        self.done.contains(step)
    }

    /// Refreshes the moving line, or writes a plain one if it is time.
    pub(super) fn tick(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let now = Instant::now();
        let running: Vec<(&str, Duration)> =
            self.running.iter().map(|(name, since)| (name.as_str(), now - *since)).collect();
        let text = running_line(&running, self.start.elapsed(), self.left());
        if self.terminal {
            // A line that wraps could not be taken back.
            let width = tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
            let width = if width == 0 { 80 } else { width };
            say_part(format_args!("\r\x1b[K{}", text.chars().take(width - 1).collect::<String>()));
        } else if now - self.last_plain >= PLAIN {
            self.last_plain = now;
            say(text);
        }
    }

    pub(super) fn end(&self) {
        if self.terminal {
            say_part("\r\x1b[K");
        }
    }

    fn line(&mut self, text: &str) {
        say(format_args!("{}{text}", if self.terminal { "\r\x1b[K" } else { "" }));
        self.tick();
    }

    /// How long the rest should take: the longest chain of steps that are not done.
    fn left(&self) -> Duration {
        let now = Instant::now();
        let elapsed = |step: &str| self.running.get(step).map(|&since| now - since);
        self.shape.keys().map(|step| chain(&self.shape, &self.done, &elapsed, step)).max().unwrap_or_default()
    }
}

/// The expected time until `step` is done, through the slowest of its unfinished predecessors.
fn chain(
    shape: &Shape,
    done: &BTreeSet<String>,
    elapsed: &impl Fn(&str) -> Option<Duration>,
    step: &str,
) -> Duration {
    let Some((after, usual)) = shape.get(step).filter(|_| !done.contains(step)) else {
        return Duration::ZERO;
    };
    let before = after.iter().map(|name| chain(shape, done, elapsed, name)).max().unwrap_or_default();
    before + usual.saturating_sub(elapsed(step).unwrap_or_default())
}

fn done_line(step: &str, took: Duration, remark: &str) -> String {
    format!("  {step:<30} {:>8}  {remark}", short(took)).trim_end().to_owned()
}

fn running_line(running: &[(&str, Duration)], so_far: Duration, left: Duration) -> String {
    let parts: Vec<String> = running.iter().map(|(name, time)| format!("{name} {}", short(*time))).collect();
    format!("  … {} | {} so far{}", parts.join(", "), short(so_far), estimate(left))
}

fn estimate(left: Duration) -> String {
    if left < Duration::from_secs(1) { String::new() } else { format!(", about {} to go", short(left)) }
}

/// A duration for people: `0.4 s`, `12 s`, `5 min 20 s`.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..90 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn shape() -> Shape {
        let step = |name: &str, after: &[&str], seconds: u32| {
            (name.to_owned(), (after.iter().map(|&name| name.to_owned()).collect(), SECOND * seconds))
        };
        [step("a", &[], 3), step("b", &["a"], 4), step("c", &["a"], 20), step("d", &["b"], 1)].into()
    }

    #[test]
    fn what_is_left_is_the_longest_chain_less_what_has_run() {
        let elapsed = |step: &str| (step == "c").then_some(SECOND * 18);
        let left = |done: &[&str]| {
            let done = done.iter().map(|&name| name.to_owned()).collect();
            shape().keys().map(|step| chain(&shape(), &done, &elapsed, step)).max().unwrap()
        };
        assert_eq!(left(&[]), SECOND * 8);
        assert_eq!(left(&["a"]), SECOND * 5);
        assert_eq!(left(&["a", "b", "c", "d"]), Duration::ZERO);
    }

    #[test]
    fn a_step_that_takes_longer_than_usual_does_not_count_backwards() {
        let elapsed = |_: &str| Some(SECOND * 100);
        assert_eq!(chain(&shape(), &BTreeSet::new(), &elapsed, "c"), Duration::ZERO);
    }

    #[test]
    fn lines_say_what_how_long_and_how_long_to_go() {
        let line =
            running_line(&[("kube-apiserver", SECOND * 75), ("etcd", SECOND * 2)], SECOND * 80, SECOND * 320);
        assert_eq!(line, "  … kube-apiserver 75 s, etcd 2.0 s | 80 s so far, about 5 min 20 s to go");
        assert_eq!(
            done_line("etcd", SECOND * 51, "v3.6.5"),
            "  etcd                               51 s  v3.6.5"
        );
    }

    #[test]
    fn nothing_to_go_is_not_mentioned() {
        assert!(running_line(&[("etcd", SECOND)], SECOND, Duration::ZERO).ends_with("so far"));
    }
}

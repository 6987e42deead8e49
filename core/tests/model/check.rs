//! The checker over a run: rules as `always`, rows as `sometimes`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model_release_core::api::status::Phase;
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::act::Action;
use super::bounds::Run;
use super::decide::Lab;
use super::rules::RULES;
use super::state::{Budget, Process, State};

/// A run as the checker sees it.
#[derive(Clone)]
pub struct Release {
    pub lab: Arc<Lab>,
}

impl Model for Release {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.lab.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.lab.possible(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let (next, cases) = self.lab.brought(last, action);
        self.lab.count(cases);
        next
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![Property::sometimes(BOTH, |_, state: &State| {
            state.processes.iter().all(|p| p.hand.as_ref().is_some_and(|h| h.commit.is_none()))
        })];
        macro_rules! rules {
            ($($at:literal)*) => { $( all.push(Property::always(RULES[$at].0, |model: &Self, state: &State| {
                model.lab.broken(state) & (1 << $at) == 0
            })); )* };
        }
        rules!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
        all
    }
}

/// Name of what must happen sometimes: two plans are followed at once.
const BOTH: &str = "both write";

thread_local!(static LAST: RefCell<Option<(State, u32)>> = const { RefCell::new(None) });

impl Lab {
    fn count(&self, cases: u32) {
        for (_, counted) in self.cases.iter().enumerate().filter(|(at, _)| cases & (1 << at) != 0) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rules that are broken on the way to a state, or will be on the friendly way from it. Each state is asked for
    /// once for each rule, one after another.
    fn broken(&self, state: &State) -> u32 {
        LAST.with_borrow_mut(|last| {
            if let Some((known, broken)) = last
                && known == state
            {
                return *broken;
            }
            let (broken, cases) = self.future(state);
            self.count(cases);
            let broken = broken | state.broken;
            *last = Some((state.clone(), broken));
            broken
        })
    }
}

/// What a run brought.
#[derive(Debug)]
pub struct Brought {
    pub name: &'static str,
    /// What could happen how often.
    pub budget: Budget,
    pub states: usize,
    pub depth: usize,
    pub decided: usize,
    /// How often each rule could have been broken.
    pub cases: Vec<u64>,
    pub time: Duration,
    pub exhausted: bool,
    /// Properties that do not hold, with the way there.
    pub broken: Vec<(String, String)>,
    /// Rows that answered.
    pub rows: Vec<&'static str>,
    /// Phases in which a deletion was met.
    pub ended_in: Vec<Phase>,
    /// Whether two plans were ever being applied at once.
    pub both: bool,
}

/// Checks a run to its end, or to its first failure.
pub fn check(run: Run) -> Brought {
    eprintln!("model: {} begins", run.name);
    let begun = Instant::now();
    let lab = Arc::new(Lab::new(run.clone()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let checker = Release { lab: lab.clone() }
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs();
    while std::env::var_os("MODEL_TRACE").is_some() && !checker.is_done() {
        std::thread::sleep(Duration::from_secs(5));
        println!(
            "{} {} states, {} decided, {} statuses",
            run.name,
            checker.unique_state_count(),
            lab.decided(),
            lab.statuses.len()
        );
    }
    let checker = checker.join();
    let mut broken = Vec::new();
    for (name, path) in checker.discoveries() {
        if name == BOTH {
            continue;
        }
        let last = path.last_state().clone();
        let all = path.into_vec();
        let steps: Vec<String> = all
            .iter()
            .zip(all.iter().skip(1))
            .filter_map(|((before, action), (after, _))| Some(lab.step(before, (*action)?, after)))
            .collect();
        let said: Vec<String> = lab.said.lock().unwrap().iter().take(3).cloned().collect();
        broken.push((
            name.to_owned(),
            format!("\n{}\n{}\n{}", steps.join("\n"), said.join("\n"), lab.told(&last)),
        ));
    }
    Brought {
        name: run.name,
        budget: run.budget,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        decided: lab.decided(),
        cases: lab.cases.iter().map(|cases| cases.load(Ordering::Relaxed)).collect(),
        time: begun.elapsed(),
        exhausted: broken.is_empty() && checker.is_done(),
        rows: lab.reached(),
        ended_in: lab.ended_in(),
        both: checker.discovery(BOTH).is_some(),
        broken,
    }
}

impl Lab {
    /// A step of a way, in words.
    fn step(&self, before: &State, action: Action, after: &State) -> String {
        let hand = |process: &Process| {
            let Some(hand) = &process.hand else { return "nothing".to_owned() };
            let row =
                hand.commit.map_or("-", |c| self.rows.get(usize::from(c.row)).copied().unwrap_or("none"));
            let writes: Vec<String> = hand.writes.iter().map(|(write, _)| self.in_words(*write)).collect();
            format!("row {row}, {}", writes.join(", "))
        };
        let new = after.processes.iter().find(|p| !before.processes.contains(p));
        let phase = self.statuses.get(after.status).status.phase;
        match action {
            Action::Decide(_) => format!("  {action:?}: {}", new.map(hand).unwrap_or_default()),
            Action::Edit(spec) => {
                format!("  {action:?}: {}", self.run.specs[usize::from(spec)]["canary"]["version"])
            }
            Action::Write(p) => {
                let write = before.processes[usize::from(p)].hand.as_ref().unwrap().writes[0].0;
                let taken = before.seen.children != after.seen.children || before.release != after.release;
                format!("  {action:?}: {}{}", self.in_words(write), if taken { "" } else { " REFUSED" })
            }
            Action::Commit(_) => {
                let taken = before.status != after.status;
                format!("  {action:?}: {phase:?}{}", if taken { "" } else { " REFUSED" })
            }
            _ => format!("  {action:?}"),
        }
    }
}

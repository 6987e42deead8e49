//! Questions of many releases, asked together.
//!
//! Who asks first waits for a free place; whoever has the same question by then goes along. So do those who asked it about
//! the block before and have not yet about this one: releases of one interval ask at the same instants, and their
//! answers wait for them here.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use model_release_core::analysis::{About, Question};
use model_release_core::observed::Unanswered;
use tokio::sync::oneshot;

use super::Outcome;

/// Releases in one question at most.
pub(super) const MOST: usize = 200;

/// Who asks what, of one source.
#[derive(Default)]
pub(super) struct Fleet(HashMap<Question, Group>);

/// All who ask one question.
struct Group {
    /// About which block each asked last.
    askers: BTreeMap<About, Timestamp>,
    /// Who waits for a place, by the time that is asked about.
    waiting: BTreeMap<Timestamp, BTreeMap<About, Senders>>,
    /// Who is being asked for.
    under_way: HashMap<(About, Timestamp), Senders>,
    /// Answers that nobody has come for yet.
    ready: HashMap<(About, Timestamp), Outcome>,
    /// Releases that one question may have. Halved when an answer is too much, and grown one by one.
    most: usize,
}

type Senders = Vec<oneshot::Sender<Outcome>>;

impl Default for Group {
    fn default() -> Self {
        Self {
            askers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            under_way: HashMap::new(),
            ready: HashMap::new(),
            most: MOST,
        }
    }
}

/// What becomes of a question.
pub(super) enum Place {
    /// It was answered already, beside others.
    Ready(Outcome),
    /// It is being asked.
    Coming(oneshot::Receiver<Outcome>),
    /// It waits; one more round of [`Fleet::depart`] is to be made for it.
    Waits(oneshot::Receiver<Outcome>),
}

impl Fleet {
    /// Takes a question in.
    pub fn arrive(&mut self, question: &Question, about: &About, time: Timestamp) -> Place {
        let group = self.0.entry(question.clone()).or_default();
        if question.repeats() {
            let last = group.askers.entry(about.clone()).or_insert(time);
            *last = time.max(*last);
        }
        let key = (about.clone(), time);
        if let Some(outcome) = group.ready.remove(&key) {
            return Place::Ready(outcome);
        }
        let (sender, receiver) = oneshot::channel();
        if let Some(senders) = group.under_way.get_mut(&key) {
            senders.push(sender);
            return Place::Coming(receiver);
        }
        group.waiting.entry(time).or_default().entry(key.0).or_default().push(sender);
        Place::Waits(receiver)
    }

    /// Those who go now, in the order of their names: who waits, and who is expected to ask. None if nobody waits any more.
    pub fn depart(&mut self, question: &Question, time: Timestamp) -> Option<Vec<About>> {
        let group = self.0.get_mut(question)?;
        let mut go: Vec<(About, Senders)> = Vec::new();
        if let Some(waiting) = group.waiting.get_mut(&time) {
            while go.len() < group.most {
                let Some(next) = waiting.pop_first() else { break };
                go.push(next);
            }
            if waiting.is_empty() {
                group.waiting.remove(&time);
            }
        }
        // Who gave up needs no answer.
        go.retain(|(_, senders)| senders.iter().any(|sender| !sender.is_closed()));
        if go.is_empty() {
            self.tidy(question, time);
            return None;
        }
        let lately = lately(question, time);
        let expected: Vec<About> = group
            .askers
            .iter()
            .filter(|(_, last)| **last < time && **last >= lately)
            .map(|(about, _)| (about.clone(), time))
            .filter(|key| !group.under_way.contains_key(key) && !group.ready.contains_key(key))
            .map(|(about, _)| about)
            .take(group.most.saturating_sub(go.len()))
            .collect();
        go.extend(expected.into_iter().map(|about| (about, Senders::new())));
        go.sort_by(|one, other| one.0.cmp(&other.0));
        let names = go.iter().map(|(about, _)| about.clone()).collect();
        group.under_way.extend(go.into_iter().map(|(about, senders)| ((about, time), senders)));
        Some(names)
    }

    /// Gives each its answer.
    pub fn arrived(&mut self, question: &Question, time: Timestamp, about: Vec<About>, outcome: Outcome) {
        let Some(group) = self.0.get_mut(question) else { return };
        let outcome = group.judged(about.len(), outcome);
        let answers: Vec<Outcome> = match &outcome {
            Ok((200, body)) if about.len() > 1 => {
                let parts = question.divided(body, &about.iter().collect::<Vec<_>>());
                parts.into_iter().map(|part| Ok((200, part))).collect()
            }
            other => vec![other.clone(); about.len()],
        };
        for (about, answer) in about.into_iter().zip(answers) {
            let key = (about, time);
            let senders = group.under_way.remove(&key).unwrap_or_default();
            if senders.is_empty() && answer.is_ok() {
                group.ready.insert(key, answer);
                continue;
            }
            for sender in senders {
                // Who gave up does not listen.
                let _ = sender.send(answer.clone());
            }
        }
        self.tidy(question, time);
    }

    /// Forgets who asks no more, and answers that nobody came for.
    fn tidy(&mut self, question: &Question, time: Timestamp) {
        let Some(group) = self.0.get_mut(question) else { return };
        let lately = lately(question, time);
        group.askers.retain(|_, last| *last >= lately);
        group.ready.retain(|(_, at), _| *at >= lately);
        if group.askers.is_empty()
            && group.waiting.is_empty()
            && group.under_way.is_empty()
            && group.ready.is_empty()
        {
            self.0.remove(question);
        }
    }
}

/// Who asked about no block since then does not go on asking.
fn lately(question: &Question, time: Timestamp) -> Timestamp {
    time.checked_sub(question.width().saturating_mul(2)).unwrap_or(time)
}

impl Group {
    /// Learns from an answer how many may be asked for at once. What one source cannot do for many it may do for fewer,
    /// so that is no answer for any of them yet.
    fn judged(&mut self, number: usize, outcome: Outcome) -> Outcome {
        let too_much = number > 1
            && matches!(
                outcome,
                Err(Unanswered::TooLarge | Unanswered::TimedOut) | Ok((400 | 413 | 414 | 422, _))
            );
        if too_much {
            self.most = (number / 2).max(1);
            return match outcome {
                Err(unanswered) => Err(unanswered),
                Ok(_) => Err(Unanswered::TooLarge),
            };
        }
        if matches!(outcome, Ok((200, _))) && number == self.most {
            self.most = self.most.saturating_add(1).min(MOST);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(name: usize) -> About {
        About {
            release: format!("r{name:04}"),
            versions: vec!["a".into()],
            objects: vec![format!("r{name:04}-a")],
        }
    }

    fn at(block: i64) -> Timestamp {
        Timestamp::from_second(30 * block).unwrap()
    }

    fn body(names: &[About]) -> Vec<u8> {
        let row = |about: &About| {
            let name = &about.release;
            format!(r#"{{"metric":{{"namespace":"ml","modelrelease_dev_name":"{name}"}},"value":[0,"1"]}}"#)
        };
        let rows: Vec<String> = names.iter().map(row).collect();
        let rows = rows.join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{rows}]}}}}"#).into_bytes()
    }

    /// All of them ask about a block, one after the other; each question is answered before the next one asks. How many
    /// releases each question was about.
    fn one_after_the_other(fleet: &mut Fleet, question: &Question, number: usize, block: i64) -> Vec<usize> {
        let mut asked = Vec::new();
        for n in 0..number {
            match fleet.arrive(question, &about(n), at(block)) {
                Place::Ready(outcome) => assert_eq!(outcome, Ok((200, body(&[about(n)])))),
                Place::Coming(_) => panic!("nothing is under way"),
                Place::Waits(mut receiver) => {
                    let names = fleet.depart(question, at(block)).unwrap();
                    asked.push(names.len());
                    let answer = body(&names);
                    fleet.arrived(question, at(block), names, Ok((200, answer)));
                    assert_eq!(receiver.try_recv(), Ok(Ok((200, body(&[about(n)])))));
                }
            }
        }
        asked
    }

    #[test]
    fn who_asked_about_the_block_before_is_asked_for_with_the_first_one() {
        let (mut fleet, question) = (Fleet::default(), Question::written("up"));
        assert_eq!(one_after_the_other(&mut fleet, &question, 450, 1), vec![1; 450], "nobody is known yet");
        for block in 2..5 {
            assert_eq!(one_after_the_other(&mut fleet, &question, 450, block), [200, 200, 50]);
        }
    }

    #[test]
    fn who_waits_goes_with_the_next_one() {
        let (mut fleet, question) = (Fleet::default(), Question::written("up"));
        let waits: Vec<_> = (0..450).map(|n| fleet.arrive(&question, &about(n), at(1))).collect();
        assert!(waits.iter().all(|place| matches!(place, Place::Waits(_))));
        let sizes = std::iter::from_fn(|| fleet.depart(&question, at(1)).map(|names| names.len()));
        assert_eq!(sizes.collect::<Vec<_>>(), [200, 200, 50]);
    }

    #[test]
    fn who_is_gone_is_not_asked_for() {
        let (mut fleet, question) = (Fleet::default(), Question::written("up"));
        one_after_the_other(&mut fleet, &question, 10, 1);
        assert_eq!(one_after_the_other(&mut fleet, &question, 1, 4), [1]);
        // A question that was given up is not sent.
        drop(fleet.arrive(&question, &about(3), at(9)));
        assert_eq!(fleet.depart(&question, at(9)), None);
    }

    #[test]
    fn what_is_too_much_is_halved_until_it_is_not_and_grows_again() {
        let (mut fleet, question) = (Fleet::default(), Question::written("up"));
        let mut round = |block: i64, outcome: &Outcome| {
            let mut receivers = Vec::new();
            for n in 0..8 {
                let Place::Waits(receiver) = fleet.arrive(&question, &about(n), at(block)) else { panic!() };
                receivers.push(receiver);
            }
            let mut sizes = Vec::new();
            while let Some(names) = fleet.depart(&question, at(block)) {
                sizes.push(names.len());
                fleet.arrived(&question, at(block), names, outcome.clone());
            }
            (sizes, receivers.remove(0).try_recv().unwrap())
        };
        let too_large = Err(Unanswered::TooLarge);
        assert_eq!(round(1, &too_large), (vec![8], too_large.clone()));
        // 422 may be somebody else's fault as long as there are others.
        assert_eq!(round(2, &Ok((422, vec![]))), (vec![4, 2, 1, 1], too_large.clone()));
        assert_eq!(round(3, &Ok((422, vec![]))).1, Ok((422, vec![])), "now it is one's own");
        assert_eq!(round(4, &Ok((200, body(&[])))).0, [1, 2, 3, 2]);
    }

    #[test]
    fn a_past_is_asked_for_once() {
        let (mut fleet, mut question) = (Fleet::default(), Question::written("up"));
        question = question.of_the_past(240);
        for (block, n) in [(1, 1), (2, 2)] {
            let _receiver = fleet.arrive(&question, &about(n), at(block));
            assert_eq!(fleet.depart(&question, at(block)), Some(vec![about(n)]));
            fleet.arrived(&question, at(block), vec![about(n)], Ok((200, body(&[about(n)]))));
        }
        assert!(fleet.0.is_empty(), "nothing is kept of it");
    }
}

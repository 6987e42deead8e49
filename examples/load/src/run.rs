//! A running load: paces the questions, and ends after its time or when told to.

use crate::ask::Asker;
use crate::config::{Config, ConfigError};
use crate::snapshot::Snapshot;
use crate::tally::Tally;
use crate::way::{self, Way};
use model_server::random::SplitMix;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A running load. Dropping it stops it too, without waiting.
pub struct LoadHandle {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    pace: Option<JoinHandle<()>>,
    began: Instant,
}

impl LoadHandle {
    /// Starts asking at once, on the runtime that this is called from.
    pub fn start(config: Config) -> Result<Self, ConfigError> {
        let target = config.target()?;
        let began = Instant::now();
        let tally = Arc::new(Mutex::new(Tally::new(began)));
        let (stop, stopped) = watch::channel(false);
        let asker = Asker::new(&config, target, Arc::clone(&tally), stopped.clone());
        let pace = tokio::spawn(pace(config, Arc::new(asker), Arc::clone(&tally), stopped));
        Ok(Self { tally, stop, pace: Some(pace), began })
    }

    /// The moment that the times of snapshots count from.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What is known by now.
    pub fn snapshot(&self) -> Snapshot {
        locked(&self.tally).snapshot()
    }

    /// Asks nothing more, waits for what is under way (at most as long as a prediction and a label may take), and gives
    /// the final account. Labels that were still held back are reported now.
    pub async fn stop(mut self) -> Snapshot {
        self.stop.send_replace(true);
        self.ended().await
    }

    /// Waits until the load's time is over, then as [`LoadHandle::stop`].
    pub async fn finish(mut self) -> Snapshot {
        self.ended().await
    }

    async fn ended(&mut self) -> Snapshot {
        if let Some(pace) = self.pace.take() {
            // It neither panics nor is aborted; if it ever were, the account still stands.
            let _ = pace.await;
        }
        self.snapshot()
    }
}

impl Drop for LoadHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the n-th question at n / rate, whether earlier ones were answered or not: a slow version gets no fewer.
async fn pace(
    config: Config,
    asker: Arc<Asker>,
    tally: Arc<Mutex<Tally>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut random = SplitMix::new(config.seed);
    let questions = Arc::new(config.questions);
    let free = Arc::new(Semaphore::new(config.in_flight));
    let began = tokio::time::Instant::now();
    let every = Duration::from_secs(1) / config.rate;
    let mut asking = JoinSet::new();
    let mut due = began;
    let turns = way::round(&config.ways);
    let mut turns = turns.iter().copied().cycle();
    while due < began + config.duration {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            _ = stopped.wait_for(|stop| *stop) => break,
        }
        due += every;
        let (at, user) = (random.below(questions.len()), random.below(config.users as usize));
        // There is one at least, or the config would have been refused.
        let way = turns.next().unwrap_or(Way::KeepAlive);
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            locked(&tally).skipped();
            continue;
        };
        locked(&tally).sent(way);
        let (asker, questions) = (Arc::clone(&asker), Arc::clone(&questions));
        asking.spawn(async move {
            if let Some(question) = questions.get(at) {
                asker.ask(way, question, user, permit).await;
            }
        });
        while asking.try_join_next().is_some() {}
    }
    let rest = config.timeout * 2 + config.label_delay.unwrap_or_default();
    let all = async { while asking.join_next().await.is_some() {} };
    // Each of them has its own time limits, so this one is only for the machine being too slow; the rest is dropped then.
    let _ = tokio::time::timeout(rest + Duration::from_secs(1), all).await;
    locked(&tally).end();
}

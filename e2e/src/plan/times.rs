//! How long each step took last time on this machine, for the estimate of what is left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Durations by step, in seconds; kept in the cache.
#[derive(Debug, Default)]
pub struct Times {
    file: Option<PathBuf>,
    seconds: BTreeMap<String, f64>,
}

impl Times {
    /// What is on record; nothing if there is no record.
    pub fn load(cache: &Path) -> Self {
        let file = cache.join("durations.json");
        let read = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file: Some(file), seconds: read.unwrap_or_default() }
    }

    /// How long a step took last time.
    pub fn expect(&self, step: &str) -> Option<Duration> {
        self.seconds.get(step).map(|&seconds| Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }

    /// Keeps how long a step took.
    pub fn record(&mut self, step: &str, took: Duration) {
        self.seconds.insert(step.to_owned(), took.as_secs_f64());
    }

    /// Writes the record. It only feeds estimates, so failing to is no failure of the command.
    pub fn save(&self) {
        if let (Some(file), Ok(text)) = (&self.file, serde_json::to_vec_pretty(&self.seconds)) {
            drop(fs::write(file, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_expected_next_time() {
        let dir = std::env::temp_dir().join(format!("testbed-times-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut times = Times::load(&dir);
        times.record("etcd", Duration::from_millis(1500));
        times.save();
        assert_eq!(Times::load(&dir).expect("etcd"), Some(Duration::from_millis(1500)));
        assert_eq!(Times::load(&dir).expect("other"), None);
        fs::remove_dir_all(dir).unwrap();
    }
}

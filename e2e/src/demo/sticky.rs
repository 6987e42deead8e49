//! A client that comes again meets the same version, while another one meets the other.

use std::collections::BTreeSet;
use std::fmt;

use super::manifest::{CLIENT_HEADER, VERSION_HEADER};
use super::story::Stage;
use crate::error::Result;

/// Clients that come.
const CLIENTS: usize = 24;
/// How often each comes: below the limit of one client.
const TIMES: usize = 6;

/// Whom the clients met.
#[derive(Debug, Clone, Default)]
pub struct Sticky {
    /// Of each client: the versions that answered it.
    pub met: Vec<BTreeSet<String>>,
    /// Answers other than 200.
    pub other: usize,
}

impl Sticky {
    /// Whether each client met one version, and not all the same.
    pub fn holds(&self) -> bool {
        let all: BTreeSet<&String> = self.met.iter().flatten().collect();
        self.other == 0
            && self.met.len() == CLIENTS
            && self.met.iter().all(|one| one.len() == 1)
            && all.len() == 2
    }
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.met.iter().filter(|one| one.len() == 1).count();
        write!(
            f,
            "{CLIENTS} clients came {TIMES} times each, and {kept} of them met the same version each time: "
        )?;
        let all: BTreeSet<&String> = self.met.iter().flatten().collect();
        for (n, version) in all.into_iter().enumerate() {
            let its = self.met.iter().filter(|one| one.contains(version)).count();
            write!(f, "{}{its} met {version}", if n > 0 { ", " } else { "" })?;
        }
        if self.other > 0 {
            write!(f, "; {} answers were not 200", self.other)?;
        }
        Ok(())
    }
}

/// Comes as each of them.
///
/// # Errors
/// If the gateway does not answer at all.
pub async fn check(stage: &Stage, host: &str) -> Result<Sticky> {
    let url = format!("{}/predict", stage.gateway_url);
    let mut sticky = Sticky { met: vec![BTreeSet::new(); CLIENTS], other: 0 };
    for _ in 0..TIMES {
        for (n, met) in sticky.met.iter_mut().enumerate() {
            let client = format!("regular-{n}");
            let headers = [("host", host), (CLIENT_HEADER, &client), ("content-type", "application/json")];
            let answer = stage.http.post(&url, &headers, r#"{"domain": "example.com"}"#.to_owned()).await?;
            match answer.headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok()) {
                Some(version) if answer.status == 200 => drop(met.insert(version.to_owned())),
                _ => sticky.other += 1,
            }
        }
    }
    Ok(sticky)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_kept_only_if_each_meets_one_version_and_not_all_the_same() {
        let met =
            |versions: &[&str]| -> BTreeSet<String> { versions.iter().map(|v| (*v).to_owned()).collect() };
        let mut good = Sticky { met: vec![met(&["v1"]); CLIENTS], other: 0 };
        assert!(!good.holds(), "a split of one side shows nothing");
        good.met[3] = met(&["v2"]);
        assert!(good.holds());
        assert!(
            good.to_string().contains("24 of them met the same version each time: 23 met v1, 1 met v2"),
            "{good}"
        );
        assert!(!Sticky { other: 1, ..good.clone() }.holds());
        good.met[4] = met(&["v1", "v2"]);
        assert!(!good.holds());
    }
}

//! Statuses that count the same, made the same.

use crate::analysis;
use crate::api::ModelRelease;
use crate::api::status::{ModelReleaseStatus, Track};
use crate::facts;
use crate::observed::Observed;
use crate::release::Release;
use crate::settings::Settings;
use crate::situation::Situation;

/// A release's status with the record of each check made from its counts alone. Whoever explores all states would
/// otherwise tell those apart that differ only in the order in which the same events came.
pub fn retold(object: &ModelRelease, status: &ModelReleaseStatus, settings: &Settings) -> ModelReleaseStatus {
    let mut status = status.clone();
    let release = Release::parse(object, settings);
    let observed = Observed::default();
    let Some(now) = release.created else { return status };
    let checks = {
        let s = Situation {
            release: &release,
            status: &status,
            observed: &observed,
            weights: None,
            settings,
            now,
            look: None,
        };
        let (stable, canary) = (s.hash(Track::Stable), s.hash(Track::Canary));
        facts::subject(&s, stable.as_ref(), canary.as_ref())
            .map(|subject| analysis::retold(&release, &subject, &status.state.checks))
    };
    if let Some(checks) = checks {
        status.state.checks = checks;
    }
    status
}

//! What has become of a version, for a script that waits for it: by the conditions and roles that the operator wrote.

use serde::Serialize;

use crate::api::conditions::{self, Type};
use crate::api::spec::ModelRelease;
use crate::api::status::{ModelReleaseStatus, Phase, Track};
use crate::version::Version;

/// What somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// One version, whatever else comes.
    Version {
        /// Its hash.
        hash: String,
        /// Its name.
        name: String,
    },
    /// The release, which has nothing on trial.
    Release,
}

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// In a word.
    pub standing: Standing,
    /// Why, in a sentence.
    pub message: String,
}

/// What has become of a version, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// It is not decided yet.
    Waiting,
    /// It has all traffic, and its bake is over.
    Promoted,
    /// Nothing is on trial, and all is well.
    Healthy,
    /// It was rolled back, or leaves.
    RolledBack,
    /// The release cannot go on alone.
    Stalled,
    /// The spec does not ask for it any more.
    Superseded,
}

impl Standing {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Promoted => "Promoted",
            Self::Healthy => "Healthy",
            Self::RolledBack => "RolledBack",
            Self::Stalled => "Stalled",
            Self::Superseded => "Superseded",
        }
    }
}

/// What to wait for: the version of that name or hash, or without one the canary of the spec, else the release.
///
/// # Errors
/// The names that there are, if none of them is the one that is asked for.
pub fn follow(object: &ModelRelease, version: Option<&str>) -> Result<Followed, Vec<String>> {
    let known = known(object);
    let found =
        |(hash, name): &(String, String)| Followed::Version { hash: hash.clone(), name: name.clone() };
    if let Some(wanted) = version {
        let named = known.iter().find(|(hash, name)| name == wanted || hash == wanted);
        return named.map(found).ok_or_else(|| known.into_iter().map(|(_, name)| name).collect());
    }
    // The canary of the spec comes first of all that are known.
    let canary = known.first().filter(|_| object.spec.canary.is_some());
    Ok(canary.map_or(Followed::Release, found))
}

/// Hashes and names of the versions of a release: those of the spec, then those with a role, then the barred.
fn known(object: &ModelRelease) -> Vec<(String, String)> {
    let spec = &object.spec;
    let blocks = spec.canary.iter().chain([&spec.stable]);
    let named = blocks.map(|block| {
        let version = Version::of(spec.runtime.as_ref(), block);
        (version.hash.to_string(), version.name)
    });
    let status = object.status.iter();
    let with_a_role = status.clone().flat_map(|status| &status.versions);
    let barred = status.flat_map(|status| status.quarantine.iter().rev());
    named
        .chain(with_a_role.map(|version| (version.hash.clone(), version.version.clone())))
        .chain(barred.map(|entry| (entry.hash.clone(), entry.version.clone())))
        .collect()
}

/// What has become of what is waited for.
pub fn outcome(object: &ModelRelease, followed: &Followed) -> Outcome {
    let none = ModelReleaseStatus::default();
    let status = object.status.as_ref().unwrap_or(&none);
    let said = |standing, message: String| Outcome { standing, message };
    if let Followed::Version { hash, name } = followed
        && !known(object).iter().any(|(known, _)| known == hash)
    {
        return said(Standing::Superseded, format!("{name} {hash} is no version of this release any more"));
    }
    if status.observed_generation != object.metadata.generation.unwrap_or(0) {
        return said(Standing::Waiting, "the operator has not looked at the latest spec yet".to_owned());
    }
    match followed {
        Followed::Version { hash, name } => of_version(object, status, hash, name),
        Followed::Release => of_release(status),
    }
}

fn of_release(status: &ModelReleaseStatus) -> Outcome {
    let is = |kind| conditions::is_true(&status.conditions, kind);
    let standing = if is(Type::Ready) {
        Standing::Healthy
    } else if matches!(status.phase, Some(Phase::RolledBack | Phase::RollingBack)) {
        Standing::RolledBack
    } else if is(Type::Stalled) {
        Standing::Stalled
    } else {
        Standing::Waiting
    };
    Outcome { standing, message: status.message.clone() }
}

fn of_version(object: &ModelRelease, status: &ModelReleaseStatus, hash: &str, name: &str) -> Outcome {
    let is = |kind| conditions::is_true(&status.conditions, kind);
    let role = status.versions.iter().find(|version| version.hash == hash).map(|version| version.track);
    let barred = status.quarantine.iter().rev().find(|entry| entry.hash == hash);
    let says = || status.message.clone();
    let said = |standing, message: String| Outcome { standing, message };
    // Why it was rolled back stands in the history as long as that is kept.
    let why = barred.map(|entry| {
        let told = status.history.iter().find(|told| told.seq == entry.seq);
        let detail = told.map_or_else(String::new, |told| format!(": {}", told.message));
        format!("{name} was rolled back ({}){detail}", entry.reason.as_str())
    });
    match (role, why) {
        // Live again by a human's word, although it is barred: what it has counts.
        (Some(Track::Stable), _) if is(Type::Ready) => {
            let standing = if promoted(status, hash) { Standing::Promoted } else { Standing::Healthy };
            said(standing, says())
        }
        (Some(Track::Stable | Track::Canary), _) if is(Type::Stalled) => said(Standing::Stalled, says()),
        (Some(Track::Stable | Track::Canary), _) => said(Standing::Waiting, says()),
        (_, Some(why)) => said(Standing::RolledBack, why),
        (Some(Track::Previous), None) => {
            said(Standing::Superseded, format!("{name} is the version before the live one"))
        }
        (Some(Track::Failed), None) => {
            said(Standing::Superseded, format!("{name} was cancelled: {}", says()))
        }
        (None, None) if is(Type::Stalled) && asked_for(object, hash) => said(Standing::Stalled, says()),
        (None, None) if asked_for(object, hash) => said(Standing::Waiting, says()),
        (None, None) => said(Standing::Superseded, format!("the spec does not ask for {name} any more")),
    }
}

/// Whether the live version came by a promotion.
fn promoted(status: &ModelReleaseStatus, hash: &str) -> bool {
    status.versions.iter().any(|version| version.hash == hash && version.promoted_from.is_some())
}

/// Whether the spec asks for a version.
fn asked_for(object: &ModelRelease, hash: &str) -> bool {
    let spec = &object.spec;
    let mut blocks = spec.canary.iter().chain([&spec.stable]);
    blocks.any(|block| Version::of(spec.runtime.as_ref(), block).hash.as_str() == hash)
}

//! Which releases are looked at first when many are due: a rollback waits for nothing but another rollback.

use crate::api::ModelRelease;
use crate::api::annotations::{Annotations, Rollback};
use crate::api::status::{ModelReleaseStatus, Phase};

/// What a release is looked at before, most urgent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// A rollback is under way, or asked for and not begun.
    Rollback,
    /// A human changed a release that serves, and nothing was made of it yet.
    Word,
    /// All else.
    #[default]
    Ordinary,
}

impl Urgency {
    /// Each of them, most urgent first.
    pub const ALL: [Self; 3] = [Self::Rollback, Self::Word, Self::Ordinary];
}

/// How urgent a release is by what is stored of it. It only says who goes first: what is done is decided by
/// [`crate::step`].
pub fn urgency(release: &ModelRelease) -> Urgency {
    let Some(status) = &release.status else { return Urgency::Ordinary };
    let annotations = Annotations::read(release.metadata.annotations.as_ref());
    let handled = status.state.handled.rollback.as_deref().unwrap_or_default() == annotations.rollback_digest;
    if status.phase == Some(Phase::RollingBack) || !handled && annotations.rollback != Rollback::Absent {
        return Urgency::Rollback;
    }
    let serves = !matches!(status.phase, None | Some(Phase::Pending));
    let edited = release.metadata.generation != Some(status.observed_generation);
    let going = release.metadata.deletion_timestamp.is_some();
    if serves && (!handled || edited || going || unread(&annotations, status)) {
        return Urgency::Word;
    }
    Urgency::Ordinary
}

/// Whether one of the other annotations says something that the status does not know of.
fn unread(annotations: &Annotations, status: &ModelReleaseStatus) -> bool {
    let handled = &status.state.handled;
    let promote = handled.promote.as_ref().map_or("", |bound| bound.digest.as_str());
    let retry = handled.retry.as_deref().unwrap_or_default();
    promote != annotations.promote_digest
        || !annotations.retry_digest.is_empty() && retry != annotations.retry_digest
        || annotations.paused() != status.state.clocks.paused_since.is_some()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;
    use crate::api::annotations::{PAUSE, PROMOTE, RETRY, ROLLBACK};
    use crate::version::text_digest;

    fn release(phase: Option<Phase>, said: &[(&str, &str)]) -> ModelRelease {
        let annotations = said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ModelRelease {
            metadata: ObjectMeta {
                annotations: Some(annotations),
                generation: Some(1),
                ..ObjectMeta::default()
            },
            status: Some(ModelReleaseStatus {
                phase,
                observed_generation: 1,
                ..ModelReleaseStatus::default()
            }),
            ..ModelRelease::default()
        }
    }

    fn digest(value: &str) -> String {
        text_digest(value).chars().take(16).collect()
    }

    #[test]
    fn a_rollback_that_is_asked_for_or_under_way_goes_first_and_one_that_is_done_does_not() {
        let mut asked = release(Some(Phase::Analyzing), &[(ROLLBACK, "true")]);
        assert_eq!(urgency(&asked), Urgency::Rollback);
        if let Some(status) = &mut asked.status {
            status.state.handled.rollback = Some(digest("true"));
        }
        assert_eq!(urgency(&asked), Urgency::Ordinary, "it was acted on");
        asked.metadata.annotations = None;
        assert_eq!(urgency(&asked), Urgency::Word, "it was lifted");
        assert_eq!(urgency(&release(Some(Phase::RollingBack), &[])), Urgency::Rollback);
        assert_eq!(urgency(&release(Some(Phase::Pending), &[(ROLLBACK, "v1")])), Urgency::Rollback);
    }

    #[test]
    fn a_word_about_what_serves_goes_before_what_nobody_waits_for() {
        let serving = Some(Phase::Stable);
        assert_eq!(urgency(&release(serving, &[])), Urgency::Ordinary);
        for said in [(PAUSE, "true"), (PROMOTE, "v2"), (RETRY, "again"), (ROLLBACK, "no!")] {
            assert!(urgency(&release(serving, &[said])) < Urgency::Ordinary, "{said:?}");
        }
        let mut edited = release(serving, &[]);
        edited.metadata.generation = Some(2);
        assert_eq!(urgency(&edited), Urgency::Word);
        edited.metadata.annotations = None;
        if let Some(status) = &mut edited.status {
            status.phase = Some(Phase::Pending);
        }
        assert_eq!(urgency(&edited), Urgency::Ordinary, "it has no clients yet");
        edited.status = None;
        assert_eq!(urgency(&edited), Urgency::Ordinary);
    }
}

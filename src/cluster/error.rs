//! What a call to Kubernetes may end in, sorted by what is to be done about it.

use std::time::Duration;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// What was decided on is not what is stored: read again.
    #[error("could not {verb} {what}: it has changed meanwhile; it is read again")]
    Conflict {
        /// What was done.
        verb: &'static str,
        /// To which object.
        what: String,
        /// Whether an object of this name exists that was thought absent.
        exists: bool,
    },
    /// There is no such object, or no such kind.
    #[error("could not {verb} {what}: there is none")]
    Absent {
        /// What was done.
        verb: &'static str,
        /// To which object.
        what: String,
    },
    /// The API server will not have it.
    #[error("could not {verb} {what}: refused with code {code}: {message}")]
    Refused {
        /// What was done.
        verb: &'static str,
        /// To which object.
        what: String,
        /// HTTP status code.
        code: u16,
        /// The API server's reason, at most 256 characters, control characters removed.
        message: String,
    },
    /// There was no answer in time: whether it was done is unknown.
    #[error("could not {verb} {what}: the API server did not answer within {limit:?}; it is read again")]
    TimedOut {
        /// What was done.
        verb: &'static str,
        /// To which object.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// The API server failed, or the connection did: whether it was done is unknown.
    #[error("could not {verb} {what}: the API server failed or cannot be reached; it is tried again")]
    Failed {
        /// What was done.
        verb: &'static str,
        /// To which object.
        what: String,
        /// HTTP status code, if there was an answer.
        code: Option<u16>,
        /// Why.
        #[source]
        cause: Box<kube::Error>,
    },
}

impl ApiError {
    /// Sorts the client's error.
    pub fn sort(verb: &'static str, what: String, error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return Self::Failed { verb, what, code: None, cause: Box::new(error) };
        };
        match status.code {
            409 => Self::Conflict { verb, what, exists: status.reason == "AlreadyExists" },
            404 => Self::Absent { verb, what },
            code @ (400 | 401 | 403 | 405 | 406 | 413 | 415 | 422) => {
                Self::Refused { verb, what, code, message: plain(&status.message) }
            }
            code => Self::Failed { verb, what, code: Some(code), cause: Box::new(error) },
        }
    }

    /// One word of a closed set, for labels.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Absent { .. } => "absent",
            Self::Refused { .. } => "refused",
            Self::TimedOut { .. } => "timeout",
            Self::Failed { .. } => "failed",
        }
    }

    /// The code as a metric's label.
    pub fn code_label(&self) -> String {
        match self {
            Self::Conflict { .. } => "409".into(),
            Self::Absent { .. } => "404".into(),
            Self::Refused { code, .. } | Self::Failed { code: Some(code), .. } => code.to_string(),
            Self::TimedOut { .. } => "timeout".into(),
            Self::Failed { code: None, .. } => "error".into(),
        }
    }
}

/// An object that is not there is an answer, not a failure.
pub fn absent_is_none<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(ApiError::Absent { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Foreign text as it may be shown: at most 256 characters, control characters removed.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn sorted(code: u16, reason: &str) -> ApiError {
        let status = Status::failure("a\u{1b}[31m message", reason).with_code(code);
        ApiError::sort("apply", "services n/s".into(), kube::Error::Api(status.boxed()))
    }

    #[test]
    fn each_code_has_its_consequence() {
        assert!(matches!(sorted(409, "Conflict"), ApiError::Conflict { exists: false, .. }));
        assert!(matches!(sorted(409, "AlreadyExists"), ApiError::Conflict { exists: true, .. }));
        assert!(matches!(sorted(404, "NotFound"), ApiError::Absent { .. }));
        for code in [400, 403, 422] {
            let ApiError::Refused { message, .. } = sorted(code, "x") else { panic!("{code}") };
            assert_eq!(message, "a[31m message");
        }
        for code in [429, 500, 503, 504] {
            assert_eq!(sorted(code, "x").code_label(), code.to_string());
            assert!(matches!(sorted(code, "x"), ApiError::Failed { .. }), "{code}: its outcome is unknown");
        }
    }

    #[test]
    fn foreign_text_is_cut() {
        assert_eq!(plain(&"x\n".repeat(400)).len(), 256);
    }
}

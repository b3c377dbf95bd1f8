//! Names of jobs.

use std::borrow::Borrow;
use std::fmt;

use crate::error::JobError;

/// Whether `id` is a name that QEMU accepts for what users create: an ASCII letter first, then ASCII
/// letters, digits, `-`, `.` and `_`. The counterpart of `id_wellformed` (`util/id.c`).
#[must_use]
pub fn id_wellformed(id: &str) -> bool {
    let mut bytes = id.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// The name of a job, well formed by construction. Whether it is taken is for the list of jobs to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Box<str>);

impl JobId {
    /// Takes `id` as the name of a job. The counterpart of the check in `job_create` (`job.c`).
    ///
    /// # Errors
    ///
    /// [`JobError::InvalidId`] unless [`id_wellformed`] holds.
    pub fn new(id: &str) -> Result<Self, JobError> {
        if id_wellformed(id) {
            Ok(Self(id.into()))
        } else {
            Err(JobError::InvalidId { id: id.to_owned() })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Lets a map keyed by job names be asked with plain text.
impl Borrow<str> for JobId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_does_not_start_with_a_letter_is_refused_with_its_text() {
        for id in ["0id", "", "   ", "123", "_id", "-id", ".id", "#id"] {
            let error = JobId::new(id).expect_err(id);
            assert_eq!(error.to_string(), format!("Invalid job ID '{id}'"));
        }
    }

    #[test]
    fn an_id_with_a_foreign_character_after_the_letter_is_refused() {
        for id in [
            "a#", "a b", "a\u{e9}", "\u{e9}", "a\n", "a\0", "bad/id", "a:b",
        ] {
            assert!(!id_wellformed(id), "{id:?}");
        }
    }

    #[test]
    fn letters_digits_dash_dot_and_underscore_are_accepted_after_a_letter() {
        for id in ["A", "z", "a.b-c_9", "drive0", "a-", "a..", "Z_"] {
            assert_eq!(JobId::new(id).expect(id).as_str(), id);
        }
    }
}

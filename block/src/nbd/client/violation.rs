//! What a server must not do.

use std::fmt;

/// The server broke the protocol. Nothing that it sends from now on can be understood, or trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    pub(super) fn new(text: impl Into<String>) -> Violation {
        Violation(text.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol error: {}", self.0)
    }
}

impl std::error::Error for Violation {}

impl From<crate::nbd::proto::BadMagic> for Violation {
    fn from(error: crate::nbd::proto::BadMagic) -> Self {
        Violation::new(error.to_string())
    }
}

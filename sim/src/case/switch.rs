//! The exhibit of the museum that a case asks for.

use thiserror::Error;

/// Why an exhibit cannot be switched on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BugError {
    /// The program was built without the museum.
    #[error("{0} is an exhibit of the museum: build with the feature 'museum' to have it")]
    NoMuseum(String),
    /// There is no such exhibit.
    #[error("the museum has no exhibit {0}")]
    Unknown(String),
    /// The exhibit has no switch.
    #[error("{0} cannot be switched on: its entry in the museum says why")]
    NoSwitch(String),
}

/// Keeps an exhibit switched on in this thread; dropping it switches the exhibit off, if it was this
/// that switched it on.
#[must_use = "the exhibit is on until this is dropped"]
pub struct Switch {
    #[cfg(feature = "museum")]
    _guard: Option<blockjob_runtime::museum::Guard>,
}

/// Switches the exhibit `bug` on in this thread, if there is one to be and it is not on already.
///
/// # Errors
///
/// See [`BugError`].
///
/// # Panics
///
/// If another exhibit is on.
#[cfg(feature = "museum")]
pub fn switch_on(bug: Option<&str>) -> Result<Switch, BugError> {
    use blockjob_runtime::museum;

    let Some(bug) = bug else {
        return Ok(Switch { _guard: None });
    };
    let exhibit = museum::find(bug).ok_or_else(|| BugError::Unknown(bug.to_owned()))?;
    if !exhibit.state.is_here() {
        return Err(BugError::NoSwitch(bug.to_owned()));
    }
    let switch = !museum::is_on(exhibit);
    Ok(Switch {
        _guard: switch.then(|| museum::switch_on(exhibit)),
    })
}

/// Without the feature `museum`, as here, no exhibit can be switched on.
///
/// # Errors
///
/// [`BugError::NoMuseum`], if there is one to be.
#[cfg(not(feature = "museum"))]
pub fn switch_on(bug: Option<&str>) -> Result<Switch, BugError> {
    match bug {
        None => Ok(Switch {}),
        Some(bug) => Err(BugError::NoMuseum(bug.to_owned())),
    }
}

//! The bug museum: historical bugs of QEMU's block layer behind switches.
//!
//! A program that copies has none of it: without the feature `museum` [`bug!`](crate::bug) is the constant
//! `false`, and what stands behind it is not compiled into anything. With the feature, each exhibit is a
//! line or two of the engine where the rule lives that was broken; somebody switches one of them on, runs
//! the checker that is named for it, and sees it found.
//!
//! ```ignore
//! if bug!(MIR_02) {
//!     drop(self.drained.borrow_mut().take());
//! }
//! ```

#[cfg(feature = "museum")]
mod exhibit;
#[cfg(feature = "museum")]
mod exhibits;
#[cfg(feature = "museum")]
mod switch;

#[cfg(feature = "museum")]
pub use exhibit::{Awaits, Exhibit, Finder, State};
#[cfg(feature = "museum")]
pub use exhibits::*;
#[cfg(feature = "museum")]
pub use switch::{Guard, is_on, on, switch_on};

/// Whether a historical bug is switched on: `bug!(MIR_02)`, with the name of one of the statics in
/// [`museum`](crate::museum).
///
/// What follows `if bug!(..)` is the bug, and belongs where the rule is that it breaks. The branch is
/// part of the engine only with the feature `museum` of this crate; else this is `false`.
#[cfg(feature = "museum")]
#[macro_export]
macro_rules! bug {
    ($exhibit:ident) => {
        $crate::museum::is_on(&$crate::museum::$exhibit)
    };
}

/// Whether a historical bug is switched on. Without the feature `museum`, as here, none is: `false`.
#[cfg(not(feature = "museum"))]
#[macro_export]
macro_rules! bug {
    ($exhibit:ident) => {
        false
    };
}

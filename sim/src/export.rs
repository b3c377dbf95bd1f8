//! A record in the forms that other programs read.
//!
//! | form | for |
//! |---|---|
//! | [`text`] | a person with a pager, and `diff` |
//! | [`json`] | programs: one object a line |
//! | [`chrome`] | Perfetto and `chrome://tracing`: lanes, slices, arrows |
//! | [`shiviz`] | ShiViz: who could know of what, by vector clocks |
//!
//! All are made of the same events, in the same order. The kinds of events and their fields are the table
//! [`KINDS`]: a field that is added there, or a kind, makes no new version of a form, so a reader passes
//! over what it does not know; what is taken away or changes its meaning does.

pub mod chrome;
mod flat;
pub mod json;
mod kinds;
pub mod shiviz;
pub mod text;

pub use flat::{Flat, Value};
pub use kinds::KINDS;

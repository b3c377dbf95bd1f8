//! The fields, for people who write scenarios.

use std::fmt::Write;

use super::value::expected;
use crate::config::Field;

/// A line for each field: its key, its default, what it may be, and what it is.
pub fn fields_help() -> String {
    let widest = Field::ALL.iter().map(|field| field.key().len()).max();
    let widest = widest.unwrap_or(0);
    let mut help = String::new();
    for field in Field::ALL {
        let default = field.value_text(field.default_value());
        let written = writeln!(
            help,
            "{:widest$}  {} ({}; {default} if it is not set)",
            field.key(),
            field.doc(),
            expected(*field),
        );
        written.expect("a string takes what is written to it");
    }
    help
}

//! What whoever runs the program is told on standard error.

use std::io::{self, Write};

/// A line on standard error. Nobody may be listening, and that is no reason to stop.
pub(crate) fn line(text: &str) {
    let _nobody_listens = writeln!(io::stderr(), "blockjob: {text}");
}

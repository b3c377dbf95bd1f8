//! What whoever started the program is told beside the replies.

use std::io::{self, Write};

/// A line on standard output. Nobody may be listening, and that is no reason to stop.
pub(super) fn out(line: &str) {
    let _nobody_listens = writeln!(io::stdout(), "{line}");
}

/// Lines on standard error, as they are.
pub(super) fn err(lines: &str) {
    let _nobody_listens = writeln!(io::stderr(), "{lines}");
}

/// A warning on standard error.
///
/// QEMU: `warn_report` (util/error-report.c).
pub(in crate::daemon) fn warn(text: &str) {
    err(&format!("blockjob: warning: {text}"));
}

//! Lines for the user. Nobody may be listening any more (`blockjob mirror | head`), and that is no
//! reason to leave a copy half made: so these do not panic, as `println!` would.

use std::io::{self, Write};

/// A line on standard output: what the user asked for.
pub(crate) fn out(line: &str) {
    let _nobody_listens = writeln!(io::stdout(), "{line}");
}

/// A line on standard error: what happens meanwhile, and what went wrong.
pub(crate) fn err(line: &str) {
    let _nobody_listens = writeln!(io::stderr(), "{line}");
}

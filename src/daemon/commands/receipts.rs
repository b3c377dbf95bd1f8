//! What is kept of jobs that are over.
//!
//! QEMU has no counterpart.

use std::rc::Rc;

use crate::command;
use crate::daemon::Daemon;
use crate::qapi::types::receipt::{JobReceipt, JobReceiptsArgument};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[command!("x-query-job-receipts",
        "Says what has become of jobs that are over, of the last 1,000, the oldest first.",
        JobReceiptsArgument => Vec<JobReceipt>, qmp_x_query_job_receipts)];

fn qmp_x_query_job_receipts(
    daemon: &Rc<Daemon>,
    args: JobReceiptsArgument,
) -> QmpResult<Vec<JobReceipt>> {
    let receipts = daemon.common().receipts.of(args.id.as_deref());
    Ok(receipts.iter().map(|it| (**it).clone()).collect())
}

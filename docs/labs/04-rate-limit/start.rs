//! Lab 4: keep the rate under drains. The task is in tasks/04-rate-limit.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_jobs::driver::JobResult;
use blockjob_jobs::job::Job;
use blockjob_sim::lab::{self, Lab};
use bytes::BytesMut;

/// So many bytes are read at a time.
const PIECE_BYTES: u64 = 512;

/// Reads the whole disk once, and not faster than `speed_bytes_per_s`.
async fn scrub(job: &Rc<Job>, disk: &BlockBackend, speed_bytes_per_s: u64) -> JobResult {
    // TASK: the loop is polite, and knows no limit. `job.home().now_ns()` is the time; `job.sleep_ns(delay)`
    // sleeps, unless somebody wakes the job before.
    let _ = speed_bytes_per_s;
    for offset in (0..disk.len()?).step_by(PIECE_BYTES as usize) {
        job.pause_point().await;
        if job.is_cancelled() {
            return Ok(());
        }
        let buf = BytesMut::zeroed(PIECE_BYTES as usize);
        disk.read(offset, buf).await.1?;
    }
    Ok(())
}

pub(crate) fn lab() -> Lab {
    lab::rate(scrub)
}

fn main() -> ExitCode {
    lab().main()
}

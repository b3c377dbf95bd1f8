//! Lab 4: keep the rate under drains. One way to do it.

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
    let piece_ns = PIECE_BYTES * 1_000_000_000 / speed_bytes_per_s;
    // When the next piece may begin. What is written down here no wake-up can shorten.
    let mut due_ns = job.home().now_ns();
    for offset in (0..disk.len()?).step_by(PIECE_BYTES as usize) {
        loop {
            let now_ns = job.home().now_ns();
            if job.is_cancelled() {
                return Ok(());
            }
            if now_ns >= due_ns {
                break;
            }
            job.sleep_ns(due_ns - now_ns).await;
        }
        job.pause_point().await;
        if job.is_cancelled() {
            return Ok(());
        }
        due_ns = due_ns.max(job.home().now_ns()) + piece_ns;
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

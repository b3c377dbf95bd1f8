//! Lab 4, done wrong: it sleeps once for each piece, and takes being woken for the end of the sleep.

use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_jobs::driver::JobResult;
use blockjob_jobs::job::Job;
use blockjob_sim::lab::{self, Lab};
use bytes::BytesMut;

const PIECE_BYTES: u64 = 512;

async fn scrub(job: &Rc<Job>, disk: &BlockBackend, speed_bytes_per_s: u64) -> JobResult {
    let piece_ns = PIECE_BYTES * 1_000_000_000 / speed_bytes_per_s;
    for offset in (0..disk.len()?).step_by(PIECE_BYTES as usize) {
        job.sleep_ns(piece_ns).await;
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

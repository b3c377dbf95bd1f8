//! Lab 1, done wrong: one pause point at the beginning, and none between two pieces.

use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_jobs::driver::JobResult;
use blockjob_jobs::job::Job;
use blockjob_sim::lab::{self, Lab};
use bytes::BytesMut;

const PIECE_BYTES: u64 = 512;

async fn scrub(job: &Rc<Job>, disk: &BlockBackend) -> JobResult {
    let len_bytes = disk.len()?;
    job.progress_set_remaining(len_bytes);
    job.pause_point().await;
    for offset in (0..len_bytes).step_by(PIECE_BYTES as usize) {
        if job.is_cancelled() {
            return Ok(());
        }
        let buf = BytesMut::zeroed(PIECE_BYTES as usize);
        disk.read(offset, buf).await.1?;
        job.progress_update(PIECE_BYTES);
    }
    Ok(())
}

pub(crate) fn lab() -> Lab {
    lab::pause_point(scrub)
}

fn main() -> ExitCode {
    lab().main()
}

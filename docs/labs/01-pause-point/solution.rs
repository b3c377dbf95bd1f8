//! Lab 1: write a pause point. One way to do it.

use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_jobs::driver::JobResult;
use blockjob_jobs::job::Job;
use blockjob_sim::lab::{self, Lab};
use bytes::BytesMut;

/// So many bytes are read at a time. The disk is a multiple of it.
const PIECE_BYTES: u64 = 512;

/// Reads the whole disk once, to see whether it can be read.
async fn scrub(job: &Rc<Job>, disk: &BlockBackend) -> JobResult {
    let len_bytes = disk.len()?;
    job.progress_set_remaining(len_bytes);
    for offset in (0..len_bytes).step_by(PIECE_BYTES as usize) {
        job.pause_point().await;
        // After the pause point: a job that stands still can be cancelled there.
        if job.is_cancelled() {
            return Ok(());
        }
        let buf = BytesMut::zeroed(PIECE_BYTES as usize);
        let (_read, result) = disk.read(offset, buf).await;
        result?;
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

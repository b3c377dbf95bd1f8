//! Lab 1: write a pause point. The task is in tasks/01-pause-point.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

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
    // TASK 1: stand still between two pieces when somebody wants that.
    // TASK 2: begin nothing more once the job is cancelled, and end.
    // TASK 3: say how much there is to do, and how much is done.
    let _ = job;
    for offset in (0..disk.len()?).step_by(PIECE_BYTES as usize) {
        let buf = BytesMut::zeroed(PIECE_BYTES as usize);
        let (_read, result) = disk.read(offset, buf).await;
        result?;
    }
    Ok(())
}

pub(crate) fn lab() -> Lab {
    lab::pause_point(scrub)
}

fn main() -> ExitCode {
    lab().main()
}

//! Lab 6: in-flight conflicts. The task is in tasks/06-in-flight-conflicts.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::BlockResult;
use blockjob_sim::lab::{self, Disks, Lab};

/// Copies until nothing is dirty, several granules at a time.
async fn pass(disks: &Rc<Disks>) -> BlockResult<()> {
    // TASK: what is here copies one granule at a time. Have up to `Disks::MAX_IN_FLIGHT` copies in flight,
    // each as a coroutine of its own: `disks.spawn(async move { ... })`, which needs an `Rc` of what it uses.
    // A `CoQueue` (blockjob_runtime) is a place to wait in: `wait().await`, `wake_all()`.
    let granularity = disks.granularity();
    loop {
        let next = disks.bitmap.bits().next_dirty(0);
        let Some(offset) = next else { return Ok(()) };
        disks.bitmap.bits_mut().clear(offset, granularity);
        let copied = copy(disks, offset).await;
        if copied.is_err() {
            disks.bitmap.bits_mut().set(offset, granularity);
            return copied;
        }
    }
}

async fn copy(disks: &Disks, offset: u64) -> BlockResult<()> {
    let data = disks.read(offset).await?;
    disks.write(offset, data).await
}

pub(crate) fn lab() -> Lab {
    lab::conflicts(pass)
}

fn main() -> ExitCode {
    lab().main()
}

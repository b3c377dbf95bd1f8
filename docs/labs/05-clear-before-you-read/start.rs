//! Lab 5: clear before you read. The task is in tasks/05-clear-before-you-read.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

use std::process::ExitCode;

use blockjob_block::BlockResult;
use blockjob_sim::lab::{self, Disks, Lab};

/// Copies what is dirty, from the first granule to the last.
async fn pass(disks: &Disks) -> BlockResult<()> {
    // TASK: for each dirty granule: read, write, and clear its bit, in an order in which nothing that the
    // guest writes meanwhile is forgotten; and if a request fails, forget nothing either.
    //
    //   disks.bitmap.bits().next_dirty(from)          the first dirty granule at or after `from`
    //   disks.bitmap.bits_mut().clear(offset, bytes)  and .set(offset, bytes)
    //   disks.read(offset).await                      one granule
    //   disks.write(offset, data).await
    //
    // Do not keep what bits() and bits_mut() return over an await: others need the bitmap meanwhile.
    let _ = disks;
    Ok(())
}

pub(crate) fn lab() -> Lab {
    lab::clean(pass)
}

fn main() -> ExitCode {
    lab().main()
}

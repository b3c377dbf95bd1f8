//! Lab 5: clear before you read. One way to do it.

use std::process::ExitCode;

use blockjob_block::BlockResult;
use blockjob_sim::lab::{self, Disks, Lab};

/// Copies what is dirty, from the first granule to the last.
async fn pass(disks: &Disks) -> BlockResult<()> {
    let granularity = disks.granularity();
    let mut from = 0;
    while from < disks.len_bytes() {
        let next = disks.bitmap.bits().next_dirty(from);
        let Some(offset) = next else { break };
        // From here on a write of the guest makes it dirty again, and it is copied again.
        disks.bitmap.bits_mut().clear(offset, granularity);
        let copied = copy(disks, offset).await;
        if copied.is_err() {
            disks.bitmap.bits_mut().set(offset, granularity);
            return copied;
        }
        from = offset + granularity;
    }
    Ok(())
}

async fn copy(disks: &Disks, offset: u64) -> BlockResult<()> {
    let data = disks.read(offset).await?;
    disks.write(offset, data).await
}

pub(crate) fn lab() -> Lab {
    lab::clean(pass)
}

fn main() -> ExitCode {
    lab().main()
}

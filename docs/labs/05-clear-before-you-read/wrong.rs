//! Lab 5, done wrong: a bit is cleared when its granule has been copied.

use std::process::ExitCode;

use blockjob_block::BlockResult;
use blockjob_sim::lab::{self, Disks, Lab};

async fn pass(disks: &Disks) -> BlockResult<()> {
    let granularity = disks.granularity();
    let mut from = 0;
    while from < disks.len_bytes() {
        let next = disks.bitmap.bits().next_dirty(from);
        let Some(offset) = next else { break };
        let data = disks.read(offset).await?;
        disks.write(offset, data).await?;
        disks.bitmap.bits_mut().clear(offset, granularity);
        from = offset + granularity;
    }
    Ok(())
}

pub(crate) fn lab() -> Lab {
    lab::clean(pass)
}

fn main() -> ExitCode {
    lab().main()
}

//! Lab 6: in-flight conflicts. One way to do it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::{BlockError, BlockResult};
use blockjob_runtime::CoQueue;
use blockjob_sim::lab::{self, Disks, Lab};

/// The copies of a pass.
struct Copies {
    /// Where those are that have begun and not ended.
    in_flight: RefCell<BTreeSet<u64>>,
    error: RefCell<Option<BlockError>>,
    one_has_ended: CoQueue,
}

/// Copies until nothing is dirty, several granules at a time.
async fn pass(disks: &Rc<Disks>) -> BlockResult<()> {
    let copies = Rc::new(Copies {
        in_flight: RefCell::default(),
        error: RefCell::default(),
        one_has_ended: CoQueue::new(),
    });
    loop {
        let failed = copies.error.borrow().is_some();
        let full = copies.in_flight.borrow().len() == Disks::MAX_IN_FLIGHT as usize;
        match next(disks, &copies) {
            Some(offset) if !failed && !full => begin(disks, &copies, offset),
            // What is dirty is in flight, or has to wait for what is.
            _ if !copies.in_flight.borrow().is_empty() => copies.one_has_ended.wait().await,
            _ => break,
        }
    }
    let error = copies.error.take();
    error.map_or(Ok(()), Err)
}

/// The first dirty granule that is not being copied.
fn next(disks: &Disks, copies: &Copies) -> Option<u64> {
    let (bits, in_flight) = (disks.bitmap.bits(), copies.in_flight.borrow());
    let mut from = 0;
    while from < disks.len_bytes() {
        let offset = bits.next_dirty(from)?;
        if !in_flight.contains(&offset) {
            return Some(offset);
        }
        from = offset + bits.granularity();
    }
    None
}

/// Begins a copy.
fn begin(disks: &Rc<Disks>, copies: &Rc<Copies>, offset: u64) {
    let granularity = disks.granularity();
    disks.bitmap.bits_mut().clear(offset, granularity);
    copies.in_flight.borrow_mut().insert(offset);
    let (disks, copies) = (disks.clone(), copies.clone());
    disks.clone().spawn(async move {
        if let Err(error) = copy(&disks, offset).await {
            disks.bitmap.bits_mut().set(offset, granularity);
            copies.error.borrow_mut().get_or_insert(error);
        }
        copies.in_flight.borrow_mut().remove(&offset);
        copies.one_has_ended.wake_all();
    });
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

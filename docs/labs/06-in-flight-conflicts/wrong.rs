//! Lab 6, done wrong: a granule that gets dirty while it is being copied is copied at once.

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::{BlockError, BlockResult};
use blockjob_runtime::CoQueue;
use blockjob_sim::lab::{self, Disks, Lab};

/// The copies of a pass.
struct Copies {
    in_flight: Cell<u32>,
    error: RefCell<Option<BlockError>>,
    one_has_ended: CoQueue,
}

/// Copies until nothing is dirty, several granules at a time.
async fn pass(disks: &Rc<Disks>) -> BlockResult<()> {
    let copies = Rc::new(Copies {
        in_flight: Cell::new(0),
        error: RefCell::default(),
        one_has_ended: CoQueue::new(),
    });
    loop {
        let failed = copies.error.borrow().is_some();
        let full = copies.in_flight.get() == Disks::MAX_IN_FLIGHT;
        match next(disks) {
            Some(offset) if !failed && !full => begin(disks, &copies, offset),
            // What is dirty is in flight, or has to wait for what is.
            _ if copies.in_flight.get() > 0 => copies.one_has_ended.wait().await,
            _ => break,
        }
    }
    let error = copies.error.take();
    error.map_or(Ok(()), Err)
}

fn next(disks: &Disks) -> Option<u64> {
    disks.bitmap.bits().next_dirty(0)
}

/// Begins a copy.
fn begin(disks: &Rc<Disks>, copies: &Rc<Copies>, offset: u64) {
    let granularity = disks.granularity();
    disks.bitmap.bits_mut().clear(offset, granularity);
    copies.in_flight.set(copies.in_flight.get() + 1);
    let (disks, copies) = (disks.clone(), copies.clone());
    disks.clone().spawn(async move {
        if let Err(error) = copy(&disks, offset).await {
            disks.bitmap.bits_mut().set(offset, granularity);
            copies.error.borrow_mut().get_or_insert(error);
        }
        copies.in_flight.set(copies.in_flight.get() - 1);
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

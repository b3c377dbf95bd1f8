//! `raw`.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::probe::probed_raw_warning;

use super::Built;
use crate::daemon::facts::NodeFacts;
use crate::daemon::open::common::take_size;
use crate::daemon::open::inherit::Opening;
use crate::daemon::open::options::Options;
use crate::daemon::open::say;
use crate::qapi::QmpResult;

/// Takes the window out of `options`.
///
/// QEMU: `raw_read_options` (block/raw-format.c).
fn take_options(options: &mut Options) -> QmpResult<RawOptions> {
    Ok(RawOptions {
        offset: take_size(options, "offset")?.unwrap_or(0),
        size: take_size(options, "size")?,
    })
}

/// QEMU: `raw_open` (block/raw-format.c).
pub(super) fn open(
    opening: &mut Opening<'_>,
    file: Rc<Node>,
    facts: &NodeFacts,
) -> QmpResult<Built> {
    let options = take_options(&mut opening.options)?;
    let mut driver = RawDriver::new(options, file.len()?)?;
    if facts.probed.get() {
        if opening.flags.writable {
            say::err(&probed_raw_warning(&facts.opened_name.borrow()));
        }
        driver = driver.probed();
    }
    Ok(Built {
        driver: Box::new(driver),
        read_only: !opening.flags.writable,
        children: vec![("file", RawDriver::child_role(options), file)],
    })
}

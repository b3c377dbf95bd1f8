//! `throttle`, `copy-on-read` and `quorum`.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::copy_on_read::CopyOnReadOptions;
use blockjob_block::driver::throttle::ThrottleDriver;

use super::Built;
use crate::daemon::open::inherit::Opening;
use crate::qapi::{QmpError, QmpResult};

/// QEMU: `throttle_open` (block/throttle.c).
pub(super) fn throttle(opening: &mut Opening<'_>, file: Rc<Node>) -> QmpResult<Built> {
    let name = opening.options.take("throttle-group");
    let name = name.ok_or_else(|| QmpError::generic("Please specify a throttle group"))?;
    let group = opening.daemon.objects.throttle_groups.find(&name)?;
    Ok(Built {
        driver: Box::new(ThrottleDriver::new(&group)),
        read_only: !opening.flags.writable,
        children: vec![("file", ChildRole::Filtered, file)],
    })
}

/// QEMU: `cor_open` (block/copy-on-read.c).
pub(super) fn copy_on_read(opening: &mut Opening<'_>, file: Rc<Node>) -> QmpResult<Built> {
    let options = CopyOnReadOptions {
        bottom: opening.options.take("bottom"),
    };
    Ok(Built {
        driver: Box::new(options.build(&file)?),
        read_only: !opening.flags.writable,
        children: vec![("file", ChildRole::Filtered, file)],
    })
}

/// QEMU: `quorum_open` (block/quorum.c).
pub(super) fn quorum(_opening: &mut Opening<'_>) -> QmpResult<Built> {
    Err(QmpError::generic("The driver 'quorum' is not supported"))
}

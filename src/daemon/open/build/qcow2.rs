//! `qcow2`.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::qcow2::{OpenOptions, open as open_image};

use super::{Built, refuse, refuse_all};
use crate::daemon::facts::NodeFacts;
use crate::daemon::open::format::Format;
use crate::daemon::open::inherit::Opening;
use crate::daemon::open::options::Options;
use crate::qapi::{QmpError, QmpResult};

/// Refuses what the driver cannot do.
pub(super) fn check_options(options: &mut Options) -> QmpResult<()> {
    let format = Format::Qcow2;
    for name in ["lazy-refcounts", "discard-no-unref"] {
        refuse(format, options, name, Some("off"))?;
    }
    for name in ["pass-discard-snapshot", "pass-discard-other"] {
        refuse(format, options, name, None)?;
    }
    // Whether discards go down is what `discard` of the file says.
    refuse(format, options, "pass-discard-request", Some("on"))?;
    for name in [
        "cache-size",
        "l2-cache-size",
        "l2-cache-entry-size",
        "refcount-cache-size",
        "cache-clean-interval",
    ] {
        refuse(format, options, name, None)?;
    }
    for prefix in ["overlap-check", "encrypt", "data-file"] {
        refuse_all(format, options, prefix)?;
    }
    Ok(())
}

/// QEMU: `qcow2_open` (block/qcow2.c).
pub(super) fn open(
    opening: &mut Opening<'_>,
    file: Rc<Node>,
    facts: &NodeFacts,
) -> QmpResult<Built> {
    check_options(&mut opening.options)?;
    let read_only = !opening.flags.writable;
    let image = file.clone();
    let opened = opening.daemon.context().run("open-qcow2", async move {
        open_image(&image, OpenOptions { read_only }).await
    });
    let opened = opened.map_err(|error| {
        // The peer takes the permissions first, and says so if it does not get them.
        if !read_only && file.is_read_only() {
            QmpError::generic("Block node is read-only")
        } else {
            error.into()
        }
    })?;
    let backing_file = opened.facts.backing_file.clone().unwrap_or_default();
    let backing_format = opened.facts.backing_format.clone().unwrap_or_default();
    facts.auto_backing_file.replace(backing_file.clone());
    facts.backing_file.replace(backing_file);
    facts.backing_format.replace(backing_format);
    Ok(Built {
        driver: Box::new(opened.driver),
        read_only,
        children: vec![("file", ChildRole::Data, file)],
    })
}

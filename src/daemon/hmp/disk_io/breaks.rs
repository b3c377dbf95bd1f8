//! Breakpoints: requests that a node of the driver `blkdebug` holds until they are let go.
//!
//! QEMU: `break_f`, `remove_break_f`, `resume_f` (qemu-io-cmds.c), `bdrv_debug_breakpoint` (block.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::blkdebug::{Blkdebug, BlkdebugDriver, Event};
use blockjob_block::error::errno_text;

use crate::daemon::Daemon;
use crate::qapi::QmpResult;

const EINVAL: i32 = 22;
const ENOENT: i32 = 2;
const ENOTSUP: i32 = 95;

/// Runs the command `name`, if it is one of breakpoints; says so if it is not.
pub(super) fn run(
    daemon: &Daemon,
    device: &str,
    (name, words): (&str, &[&str]),
    out: &mut String,
) -> QmpResult<bool> {
    let (expected, what) = match name {
        "break" => (2, "set a breakpoint"),
        "remove_break" => (1, "remove a breakpoint"),
        "resume" => (1, "resume request"),
        _ => return Ok(false),
    };
    let given = words.len();
    if given != expected {
        out.push_str(&format!(
            "bad argument count {given} to {name}, expected {expected} arguments\n"
        ));
        return Ok(true);
    }
    let node = daemon.graph().lookup(device)?;
    if let Err(errno) = act(&node, name, words) {
        out.push_str(&format!("Could not {what}: {}\n", errno_text(errno)));
    }
    Ok(true)
}

fn act(node: &Rc<Node>, name: &str, words: &[&str]) -> Result<(), i32> {
    let blkdebug = control(node).ok_or(ENOTSUP)?;
    match (name, words) {
        ("break", [event, tag]) => {
            let event: Event = event.parse().map_err(|_| ENOENT)?;
            blkdebug.suspend(event, tag);
            Ok(())
        }
        ("remove_break", [tag]) => blkdebug.remove_breakpoint(tag).map_err(|_| ENOENT),
        ("resume", [tag]) => blkdebug.resume(tag).map_err(|_| ENOENT),
        _ => Err(EINVAL),
    }
}

/// The first `blkdebug` node from `node` on downwards.
fn control(node: &Rc<Node>) -> Option<Blkdebug> {
    let mut at = node.clone();
    loop {
        if let Some(driver) = at.driver().as_any().downcast_ref::<BlkdebugDriver>() {
            return Some(driver.control());
        }
        let below = at.filtered().or_else(|| at.child("file"))?;
        at = below.node();
    }
}

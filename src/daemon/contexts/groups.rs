//! Throttle groups, which live where the nodes do that keep to them.
//!
//! QEMU: block/throttle-groups.c, where one group may have nodes in several threads.

use std::rc::Rc;

use blockjob_block::driver::throttle::{ThrottleDriver, ThrottleLimits};
use blockjob_runtime::AioHandle;

use super::{call, moves};
use crate::daemon::Daemon;
use crate::qapi::QmpResult;

/// Who has to go with a group.
enum Found {
    /// A node that is in it, and with it all others.
    Member(String),
    /// Nobody. It was taken off the list.
    Empty(Box<ThrottleLimits>),
    /// There is no group.
    Nothing,
}

/// Has a group, with all nodes that are in it, live in `home` from now on.
///
/// # Errors
///
/// One of the nodes cannot move.
pub(super) fn bring(daemon: &Rc<Daemon>, id: &str, home: &AioHandle) -> QmpResult<()> {
    let Some(from) = daemon.home_of_group(id)?.filter(|from| from != home) else {
        return Ok(());
    };
    let name = id.to_owned();
    match call(daemon, &from, move |daemon| take(daemon, &name))? {
        Found::Member(node) => moves::move_to(daemon, &node, home),
        Found::Empty(limits) => {
            let name = id.to_owned();
            call(daemon, home, move |daemon| {
                let groups = daemon.graph().throttle_groups();
                groups.create(daemon.context(), &name, &limits).map(drop)
            })??;
            Ok(())
        }
        Found::Nothing => Ok(()),
    }
}

/// The groups of a context, by name and limits.
pub(super) fn all(daemon: &Rc<Daemon>) -> Vec<(String, ThrottleLimits)> {
    let groups = daemon.graph().throttle_groups().all();
    let each = groups.iter();
    each.map(|group| (group.name().to_owned(), group.limits()))
        .collect()
}

fn take(daemon: &Rc<Daemon>, id: &str) -> Found {
    let groups = daemon.graph().throttle_groups();
    let Ok(group) = groups.find(id) else {
        return Found::Nothing;
    };
    let nodes = daemon.graph().nodes();
    let member = nodes.iter().find(|node| {
        let driver = node.driver().as_any().downcast_ref::<ThrottleDriver>();
        driver.is_some_and(|driver| Rc::ptr_eq(&driver.group(), &group))
    });
    let limits = group.limits();
    match (member, groups.remove(id)) {
        (Some(member), _) => Found::Member(member.name().to_owned()),
        (None, Ok(())) => Found::Empty(Box::new(limits)),
        (None, Err(_)) => Found::Nothing,
    }
}

//! Somebody who has drained the targets when the jobs start: so the jobs stand still before they have done
//! anything, and may be cancelled there.

use std::rc::Rc;

use blockjob_block::Node;

use crate::cast::Cast;
use crate::config::Field;

/// Drains `node`, and lets it go after a while.
pub(super) fn start(cast: &Rc<Cast>, node: &Rc<Node>) {
    let held_ns = cast.config.get(Field::Held);
    if held_ns == 0 {
        return;
    }
    let (home, node, open) = (node.context().clone(), node.clone(), cast.keep_open());
    let there = home.clone();
    let holder = home.coroutine("holder", async move {
        let drained = node.co_drained_begin("holder").await;
        there.sleep(held_ns).await;
        drop(drained);
        drop(open);
    });
    // At once: nobody uses the node yet, so the section is there when the job is made.
    holder.enter();
}

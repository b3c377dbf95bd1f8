//! Somebody who drains, again and again, to see how long that takes.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_runtime::decide::Site;

use crate::cast::Cast;
use crate::config::Field;

static PROBE: Site = Site::new("probe.when");

/// In eighths of the usual time, the usual first. Were it always the usual, all sections would meet the
/// job at the same place of its slices.
const TIMES: [u64; 9] = [8, 4, 5, 6, 7, 9, 10, 11, 12];

/// Drains `node` for an instant, waits a while, and so on until it is calm.
pub(super) fn start(cast: &Cast, node: &Rc<Node>) {
    let usual_ns = cast.config.get(Field::Drains);
    if usual_ns == 0 {
        return;
    }
    let (world, main, node) = (cast.world.clone(), cast.main.clone(), node.clone());
    let probe = cast.main.coroutine("probe", async move {
        while !world.is_calm() {
            let eighths = TIMES[world.decider().pick(&PROBE, TIMES.len())];
            main.sleep((usual_ns * eighths / 8).max(1)).await;
            drop(node.co_drained_begin("probe").await);
        }
    });
    probe.wake();
}

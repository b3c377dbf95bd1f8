//! Somebody who drains, again and again, to see how long that takes.

use std::rc::Rc;

use blockjob_block::moving;
use blockjob_runtime::decide::Site;

use crate::cast::Cast;
use crate::config::Field;
use crate::decide::time;

static PROBE: Site = Site::new("probe.when");

/// In eighths of the usual time, the usual first. Were it always the usual, all sections would meet the
/// job at the same place of its slices.
const TIMES: [u64; 9] = [8, 4, 5, 6, 7, 9, 10, 11, 12];

/// Drains the source of the pair of that number for an instant, waits a while, and so on until it is calm.
pub(super) fn start(cast: &Rc<Cast>, number: usize) {
    let usual_ns = cast.config.get(Field::Drains);
    if usual_ns == 0 {
        return;
    }
    // Who drains what lives elsewhere does so from main.
    let node = cast.pairs[number].source_node();
    let resident = cast.home_of(&cast.pairs[number]).resident();
    let node = resident.is_none().then_some(node);
    let (cast, main) = (cast.clone(), cast.main.clone());
    let probe = main.clone().coroutine("probe", async move {
        while !cast.world.is_calm() {
            let eighths = {
                let name = |it: usize| time(usual_ns * TIMES[it] / 8);
                TIMES[cast.world.decider().pick_named(&PROBE, TIMES.len(), name)]
            };
            main.sleep((usual_ns * eighths / 8).max(1)).await;
            match &node {
                Some(node) => drop(node.co_drained_begin("probe").await),
                None => from_main(&cast, number).await,
            }
        }
    });
    probe.wake();
}

async fn from_main(cast: &Cast, number: usize) {
    let pair = &cast.pairs[number];
    if let Some(home) = cast.home_of(pair).resident().cloned() {
        let name = pair.source.name();
        // It may have moved on meanwhile, and is not drained then.
        drop(moving::co_drained_begin(&home, name, "probe").await);
    }
}

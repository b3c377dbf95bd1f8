//! WAKE.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::backend::DeviceOps;
use blockjob_sim::check::wake::Wake;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;

use crate::support::{PLAIN, assert_is, finds, is_running, pair, when};

/// A device that is busy for a while and tells nobody when it is not any more.
#[derive(Default)]
struct Silent {
    busy: Cell<bool>,
}

impl DeviceOps for Silent {
    fn drained_poll(&self) -> bool {
        self.busy.get()
    }
}

#[test]
fn a_section_that_nobody_tells_of_a_device_that_is_done_is_forgotten() {
    let config = "granules=8,guests=0,mirror=no";
    let failure = finds::<Wake>(config, |cast| {
        let open = cast.keep_open();
        let device = Rc::new(Silent::default());
        pair(cast).device().set_device_ops(Some(device.clone()));
        device.busy.set(true);
        when(
            cast,
            |_| true,
            |cast| async move {
                let drained = pair(&cast).source_node().co_drained_begin("test").await;
                drop((drained, open));
            },
        );
        when(
            cast,
            |cast| cast.main.now_ns() > 50_000,
            |_| async move { device.busy.set(false) },
        );
    });
    assert_is(&failure, Rule::Wake, "section-forgotten");
}

#[test]
fn a_section_that_waits_for_a_request_is_not_forgotten() {
    let config = Config::parse(PLAIN).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Wake::new())]);
    let waited = Rc::new(Cell::new(0));
    let counted = waited.clone();
    runner.add_prologue(move |cast| {
        let counted = counted.clone();
        when(cast, is_running, |cast| async move {
            for _ in 0..8 {
                let began_ns = cast.main.now_ns();
                drop(pair(&cast).source_node().co_drained_begin("test").await);
                counted.set(counted.get() + u32::from(cast.main.now_ns() > began_ns));
                cast.main.sleep(100_000).await;
            }
        });
    });
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}");
    }
    assert!(waited.get() > 20);
}

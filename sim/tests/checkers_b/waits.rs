//! WAITGRAPH fires at a ring, and the picture says who waits for whom.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_jobs::mirror::MirrorJob;
use blockjob_sim::cast::Cast;
use blockjob_sim::check::waitgraph::Waits;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;
use blockjob_sim::waits::{Actor, WaitGraph, Why};

use crate::support::{PLAIN, assert_is, finds, is_ready, pair, runs, when};

#[test]
fn a_ring_of_a_job_and_a_drained_section_is_found() {
    // Somebody drains the target in the mirror's name, and the section waits for the mirror.
    let failure = finds::<Waits>("granules=64,inflight=1,guests=0", |cast| {
        when(cast, runs, |cast| async move {
            let drained = pair(&cast)
                .target_node()
                .drained_begin_no_poll("mirror_exit");
            cast.main.sleep(50_000_000).await;
            drop(drained);
        });
    });
    assert_is(&failure, Rule::WaitGraph, "cycle");
    assert!(failure.parties.contains(&"job0".to_owned()), "{failure}");
}

/// The picture at the first moment, before time goes on, at which `moment` holds.
fn picture_when(
    config: &str,
    mischief: impl Fn(&Rc<Cast>) + 'static,
    moment: fn(&Cast) -> bool,
) -> WaitGraph {
    let config = Config::parse(config).expect("the text is a configuration");
    let mut runner = Runner::with_checkers(Vec::new());
    let picture = Rc::new(RefCell::new(None));
    let taken = picture.clone();
    runner.add_prologue(move |cast| {
        mischief(cast);
        let taken = taken.clone();
        when(cast, moment, |cast| async move {
            taken.borrow_mut().get_or_insert(WaitGraph::of(&cast));
        });
    });
    runner.run(&config, Box::new(Random::new(1)));
    let picture = picture.borrow_mut().take();
    picture.expect("the moment comes")
}

fn nothing(_: &Rc<Cast>) {}

#[test]
fn a_job_that_copies_waits_for_its_copies_and_they_for_the_disks() {
    let busy = |cast: &Cast| {
        let copies = |mirror: Rc<MirrorJob>| mirror.in_flight() == 3;
        let pair = pair(cast);
        pair.mirror().is_some_and(copies) && pair.job().is_some_and(|job| job.is_busy())
    };
    let picture = picture_when("granules=3,guests=0,spread=uniform", nothing, busy);
    let chain = picture.holder_of("job0");
    assert_eq!(chain[0].why, Why::OneEnds);
    let last = chain.last().expect("it waits");
    assert_eq!(picture.actors()[last.to], Actor::Disk { name: "source" });
    let text = picture.to_string();
    assert_eq!(
        text.lines().next(),
        Some(
            "job0 (running) waits for the 3 copies under way of job0 to end, one of them; that waits \
             for read 0..512 at source to end; that waits for the disk source, which is at it."
        )
    );
    assert!(picture.cycle().is_none());
}

#[test]
fn a_job_that_a_drained_section_has_paused_waits_for_its_owner() {
    let hold = |cast: &Rc<Cast>| {
        when(cast, is_ready, |cast| async move {
            let drained = pair(&cast).source_node().co_drained_begin("somebody").await;
            cast.main.sleep(1_000_000).await;
            drop(drained);
        });
    };
    let paused = |cast: &Cast| pair(cast).job().is_some_and(|job| job.is_paused());
    let picture = picture_when("granules=2,guests=1,requests=9,rest=500000", hold, paused);
    let text = picture.to_string();
    let first = "job0 (standby) waits for the drained section 'somebody' on source to end; that waits for \
                 'somebody' to end it.";
    assert!(text.starts_with(first), "{text}");
}

#[test]
fn a_drained_section_waits_for_the_job_and_a_guest_behind_it_for_the_section() {
    let hold = |cast: &Rc<Cast>| {
        when(cast, runs, |cast| async move {
            let drained = pair(&cast).source_node().co_drained_begin("somebody").await;
            drop(drained);
        });
    };
    let queued = |cast: &Cast| {
        let sections = cast.graph.open_sections();
        pair(cast).device().queued() > 0 && sections.iter().any(|it| !it.established())
    };
    let config = "granules=16,inflight=2,guests=2,depth=2,requests=40,rest=30000";
    let text = picture_when(config, hold, queued).to_string();
    let section = "the drained section 'somebody' on source";
    assert!(text.contains(&format!("{section} waits for ")), "{text}");
    assert!(
        text.contains(&format!("queued at drive0 waits for {section} to end"))
            || text.contains(&format!("queued at drive0 wait for {section} to end")),
        "{text}"
    );
}

#[test]
fn a_held_request_is_said_to_be_held() {
    let held = |cast: &Cast| {
        let running = cast.pairs[0].guests.iter().any(|guest| !guest.stopped());
        running && cast.world.now_ns() > 100_000_000
    };
    let config = "granules=4,guests=1,requests=40,rest=20000000,hold=400";
    let text = picture_when(config, nothing, held).to_string();
    assert!(text.contains(", which holds it"), "{text}");
}

#[test]
fn a_run_that_stands_still_says_who_holds_it_up() {
    let config = Config::parse(PLAIN).expect("a configuration");
    let mut runner = Runner::with_checkers(Vec::new());
    runner.add_prologue(|cast| {
        when(cast, runs, |cast| async move {
            let drained = pair(&cast).source_node().co_drained_begin("somebody").await;
            std::future::pending::<()>().await;
            drop(drained);
        });
    });
    let failure = runner.run(&config, Box::new(Random::new(3))).failure;
    let failure = failure.expect("nobody ends the section");
    assert_is(&failure, Rule::Progress, "stuck");
    let first = "waits for the drained section 'somebody' on source to end; that waits for 'somebody' to \
                 end it";
    assert!(failure.text.contains(first), "{failure}");
    assert!(failure.text.starts_with("job0 ("), "{failure}");
}

#[test]
fn a_step_that_does_not_end_is_broken_off() {
    let failure = finds::<Waits>("granules=4,guests=0", |cast| {
        when(cast, runs, |cast| async move {
            loop {
                drop(pair(&cast).source_node().drained_begin_no_poll("busybody"));
            }
        });
    });
    assert_is(&failure, Rule::Progress, "one-step");
}

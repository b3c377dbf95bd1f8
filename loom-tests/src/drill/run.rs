//! One drill, from nothing to its end.

use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::directory::Directory;
use blockjob_runtime::{IoThread, Resident};

use super::dice::Dice;
use super::disk::{DrillDisk, Store};
use super::facts::{Pair, RequestIds, Unseen, Whereabouts};
use super::guest::Soul;
use super::hub::Hub;
use super::life::Life;
use super::model::{Model, UNIT_BYTES, at_first, noise};
use super::monitor::{Monitor, View};
use super::plan::{Ending, GRANULE_BYTES, Plan};
use super::shard::Shard;

/// The parties, by whom dice are told apart.
const MONITOR: u64 = 1;
const DISKS: u64 = 1_000;
const GUESTS: u64 = 2_000;

/// Does what the plan says, from the main context, which is made here.
///
/// # Panics
///
/// If a rule is broken: the text is the rule, what broke it, the last events, and who waits for whom.
pub fn run(plan: &Plan, hub: &Arc<Hub>) {
    let life = Life::new();
    let (main, looker) = life.context("main", hub);
    let directory = Directory::new();
    let shard = Shard::new(&main, hub, &directory, None);
    *looker.borrow_mut() = Rc::downgrade(&shard);
    let own = main.settle(shard);
    let (threads, others) = threads(plan, hub, &life, &directory, &main.handle());
    let homes: Vec<_> = std::iter::once(own).chain(others).collect();
    let mut monitor = Monitor {
        main: main.clone(),
        hub: hub.clone(),
        dice: Dice::new(plan.seed, MONITOR),
        homes,
        directory,
        pairs: Vec::new(),
        more: plan.more,
        sections: Vec::new(),
    };
    let ids = Arc::new(RequestIds::default());
    for number in 0..plan.pairs {
        add_pair(&mut monitor, plan, number, &ids);
    }
    for _ in 0..plan.deeds {
        monitor.do_one();
    }
    let abrupt = match plan.ending {
        Ending::InOrder => false,
        Ending::Abrupt => true,
        Ending::Either => monitor.dice.one_in(4),
    };
    if abrupt {
        monitor.end_abruptly(threads);
    } else {
        monitor.end_in_order();
        threads.into_iter().for_each(IoThread::stop);
    }
    drop(monitor);
    main.close();
}

/// The threads, and the names of their shards.
fn threads(
    plan: &Plan,
    hub: &Arc<Hub>,
    life: &Life,
    directory: &Arc<Directory>,
    main: &blockjob_runtime::AioHandle,
) -> (Vec<IoThread>, Vec<Resident<Shard>>) {
    let made = (0..plan.iothreads).map(|number| {
        let settled = Arc::new(Unseen::new(None));
        let (told, hub_there) = (settled.clone(), hub.clone());
        let (directory, main) = (directory.clone(), main.clone());
        let thread = life.iothread(&format!("io{number}"), hub, move |context, looker| {
            let shard = Shard::new(context, &hub_there, &directory, Some(main));
            *looker.borrow_mut() = Rc::downgrade(&shard);
            *told.lock() = Some(context.settle(shard));
        });
        let resident = settled.lock().take();
        (
            thread,
            resident.expect("a thread is furnished before it is there"),
        )
    });
    made.unzip()
}

fn add_pair(monitor: &mut Monitor, plan: &Plan, number: usize, ids: &Arc<RequestIds>) {
    let units = plan.granules * GRANULE_BYTES / UNIT_BYTES;
    let [one, other] = Pair::disk_names(number);
    let disks = [
        Store::new(&one, units, at_first),
        Store::new(&other, units, noise),
    ];
    let home = monitor.dice.pick(monitor.homes.len() as u64) as usize;
    let at = monitor.homes[home].handle().name().to_owned();
    let pair = Arc::new(Pair {
        number,
        disks,
        model: Arc::new(Unseen::new(Model::new(units))),
        place: Unseen::new(Whereabouts {
            at: [at.clone(), at],
            bound_for: None,
            source: 0,
        }),
    });
    monitor.hub.add_pair(&pair);
    let elsewhere: Vec<_> = monitor.homes.iter().map(|it| it.handle().clone()).collect();
    let soul = Soul {
        pair: pair.clone(),
        hub: monitor.hub.clone(),
        ids: ids.clone(),
        dice: Dice::new(plan.seed, GUESTS + number as u64),
        left: plan.requests,
        lanes: plan.lanes,
        rests: true,
        stops: monitor.dice.one_in(2),
        span: 3 * GRANULE_BYTES / UNIT_BYTES,
        plain: false,
        again: Vec::new(),
    };
    let (hub, seed) = (monitor.hub.clone(), plan.seed);
    let (facts, salt) = (pair.clone(), DISKS + 2 * number as u64);
    monitor.call(home, "blockdev-add", move |shard| {
        for (which, store) in facts.disks.iter().enumerate() {
            let dice = Dice::new(seed, salt + which as u64);
            let disk = DrillDisk::new(store, &hub, dice, elsewhere.clone());
            shard.add_disk(store.name(), disk);
        }
        shard.add_guest(facts.disks[0].name(), soul);
    });
    monitor.pairs.push(View { pair, started: 0 });
}

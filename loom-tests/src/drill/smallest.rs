//! The smallest drill: a mirror of two granules in a thread, one write of a guest, and main.
//!
//! What is not about two threads is done before there are two: the disks and the job are made, and the
//! job is started, before main hears that the thread is there. From then on the copies, the guest's write,
//! which main asks for, the end of the job, its hop to main and back, and the end of the thread come in
//! every order that there is.

use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::directory::Directory;
use blockjob_jobs::job::Job;
use blockjob_runtime::Resident;

use super::dice::Dice;
use super::disk::{DrillDisk, Store};
use super::facts::{Pair, RequestIds, Unseen, Whereabouts};
use super::guest::{Guest, Soul};
use super::hub::Hub;
use super::life::Life;
use super::model::{Model, UNIT_BYTES, at_first, noise};
use super::monitor::{self, content_of};
use super::plan::GRANULE_BYTES;
use super::shard::Shard;

const GRANULES: u64 = 2;
const JOB: &str = "mirror0-1";

/// Runs it.
///
/// # Panics
///
/// As [`run`](super::run()) does.
pub fn run_smallest(hub: &Arc<Hub>) {
    let life = Life::new();
    let (main, _) = life.context("main", hub);
    let pair = pair();
    hub.add_pair(&pair);
    let settled = Arc::new(Unseen::new(None));
    let (told, there, facts, back) = (settled.clone(), hub.clone(), pair.clone(), main.handle());
    let thread = life.iothread("io0", hub, move |context, looker| {
        let shard = Shard::new(context, &there, &Directory::new(), Some(back));
        *looker.borrow_mut() = Rc::downgrade(&shard);
        let _current = context.make_current();
        furnish(&shard, &there, &facts);
        *told.lock() = Some(context.settle(shard));
    });
    let shard: Option<Resident<Shard>> = settled.lock().take();
    let shard = shard.expect("a thread is furnished before it is there");
    shard.post("kick", |shard| {
        guest(shard).more(1);
        guest(shard).finish();
    });
    let (whom, ending) = (shard.clone(), shard.handle().clone());
    let content = ending.request_co("complete", move |_| async move { complete(whom).await });
    let content = main.run("complete", content);
    let content = content.expect("the thread answers before it is stopped");
    if let Err(illegal) = pair.model.lock().check_all(&content) {
        hub.fail(
            "DATA",
            &format!("in the end the guest's disk holds {illegal}"),
        );
    }
    thread.stop();
    hub.end();
    main.close();
}

fn pair() -> Arc<Pair> {
    let units = GRANULES * GRANULE_BYTES / UNIT_BYTES;
    let [one, other] = Pair::disk_names(0);
    Arc::new(Pair {
        number: 0,
        disks: [
            Store::new(&one, units, at_first),
            Store::new(&other, units, noise),
        ],
        model: Arc::new(Unseen::new(Model::new(units))),
        place: Unseen::new(Whereabouts {
            at: ["io0".to_owned(), "io0".to_owned()],
            bound_for: None,
            source: 0,
        }),
    })
}

/// The disks, the guest, and the job, which has begun.
fn furnish(shard: &Rc<Shard>, hub: &Arc<Hub>, pair: &Arc<Pair>) {
    for store in &pair.disks {
        let disk = DrillDisk::new(store, hub, Dice::new(0, 0), Vec::new());
        shard.add_disk(store.name(), disk);
    }
    let soul = Soul {
        pair: pair.clone(),
        hub: hub.clone(),
        ids: Arc::new(RequestIds::default()),
        dice: Dice::new(0, 0),
        left: 0,
        lanes: 1,
        rests: false,
        stops: false,
        span: 1,
        plain: true,
        again: Vec::new(),
    };
    shard.add_guest(pair.disks[0].name(), soul);
    let [source, target] = pair.disks.each_ref().map(|disk| shard.node(disk.name()));
    let (source, target) = source.zip(target).expect("both were made");
    let options = monitor::options(0, JOB.to_owned(), false);
    let (list, pool) = (&shard.jobs, &shard.pool);
    let started = blockjob_jobs::mirror::mirror_start(list, pool, &source, &target, &options);
    started.expect("nobody is in its way");
}

fn guest(shard: &Shard) -> Rc<Guest> {
    let guest = shard.guests.borrow().get(&0).cloned();
    guest.expect("it was made with the shard")
}

/// Completes the job when it is READY, lets the guest finish, and reads its disk.
async fn complete(whom: Resident<Shard>) -> Vec<u8> {
    let shard = whom.get().expect("the shard stays");
    let job = || shard.job(JOB);
    shard
        .until(|_| job().is_none_or(|job| job.is_ready()))
        .await;
    if let Some(Err(error)) = job().map(|job: Rc<Job>| job.complete()) {
        unreachable!("a READY job completes: {error}");
    }
    shard.until(|_| job().is_none()).await;
    guest(&shard).rested().await;
    let content = content_of(&shard, 0).await;
    content.expect("the disk can be read")
}

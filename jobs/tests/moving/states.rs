//! Jobs in general: in which states they move, what goes along, and who stays.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use blockjob_block::moving::check_move;
use blockjob_jobs::error::JobError;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::txn::JobTxn;

use crate::common::{EIO, manual, scripted};
use crate::disk::Disk;
use crate::worker::Worker;
use crate::world::{MS, Shard, World};

/// A disk in main.
fn with_disk(world: &World) {
    world.on(0, |shard| {
        shard.add("disk", Disk::noise(4096, 1));
    });
}

/// A started job in main.
fn started(world: &World, options: fn() -> JobOptions) -> Worker {
    with_disk(world);
    let worker = Worker::default();
    let made = worker.clone();
    world.on(0, move |shard| {
        made.job(shard, "j0", "disk", options()).start()
    });
    worker
}

fn status(world: &World, place: usize) -> JobStatus {
    world.on(place, |shard| shard.job().status())
}

fn rounds(world: &World, worker: &Worker, place: usize, more: u32) {
    let wanted = worker.notes().rounds + more;
    let worker = worker.clone();
    world.until(place, move |_| worker.notes().rounds >= wanted);
}

in_both_lives! {
    // test-block-iothread: /attach/blockjob
    fn a_running_job_follows_its_node_and_always_runs_where_it_is(world) {
        let worker = started(&world, JobOptions::default);
        for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
            rounds(&world, &worker, from, 3);
            world.send("disk", from, to).expect("it can");
            assert!(world.on(from, |shard| shard.list.is_empty()));
        }
        rounds(&world, &worker, 1, 3);
        worker.notes().should_complete = true;
        world.until_end(1);
        assert_eq!(worker.notes().places, ["main", "io0", "main", "io1", "io0"]);
        assert_eq!(worker.notes().runs, 5);
        assert_eq!(worker.asked(), "prepare in io0, commit in io0");
        // A section is seen, and the move is not.
        let told = world.told().replace("paused, running, ", "");
        assert_eq!(told, "created, running, waiting, pending, BLOCK_JOB_COMPLETED, concluded, null");
    }

    fn a_job_that_was_not_started_moves_and_starts_there(world) {
        with_disk(&world);
        let worker = Worker::default();
        let made = worker.clone();
        world.on(0, move |shard| {
            let job = made.job(shard, "j0", "disk", JobOptions::default());
            job.user_pause().expect("it can be paused");
        });
        world.send("disk", 0, 1).expect("it can");
        world.on(1, |shard| {
            let job = shard.job();
            assert_eq!((job.status(), job.pause_count()), (JobStatus::Created, 2));
            job.user_resume().expect("it was paused");
            job.start();
        });
        rounds(&world, &worker, 1, 2);
        assert_eq!(worker.notes().places, ["io0"]);
    }

    fn what_anybody_could_ask_of_a_job_goes_along(world) {
        let worker = started(&world, manual);
        worker.notes().should_converge = true;
        world.until(0, |shard| shard.job().is_ready());
        let look = |shard: &Rc<Shard>| {
            let job = shard.job();
            let all = (job.status_since_ns(), job.speed_bytes_per_s(), job.progress());
            let flags = (job.auto_finalize(), job.auto_dismiss(), job.is_user_paused());
            (all, flags, job.error_text(), job.pause_count(), job.status())
        };
        world.on(0, |shard| {
            let job = shard.job();
            job.progress_set_remaining(100);
            job.progress_update(42);
            job.set_speed(12345).expect("it can be limited");
            job.user_pause().expect("it can be paused");
        });
        world.until(0, |shard| shard.job().status() == JobStatus::Standby);
        world.on(0, |shard| assert_eq!(shard.job().carry("a word".to_owned()), None));
        let before = world.on(0, look);
        let seen = Arc::new(Mutex::new(String::new()));
        let noted = seen.clone();
        world.on(1, move |shard| {
            shard.list.on_arrival(move |job| {
                assert!(job.pause_count() > 1, "it is still drained");
                *noted.lock().expect("whole") = job.carried::<String>().expect("it has one");
            });
        });
        world.send("disk", 0, 1).expect("it can");
        assert_eq!(world.on(1, look), before);
        assert_eq!(*seen.lock().expect("whole"), "a word");
        // It stands still for its user.
        world.co(1, |shard| async move { shard.graph.context().sleep(20 * MS).await });
        assert_eq!(status(&world, 1), JobStatus::Standby);
        world.on(1, |shard| shard.job().user_resume()).expect("it was paused");
        rounds(&world, &worker, 1, 2);
        assert_eq!(status(&world, 1), JobStatus::Ready);
    }

    fn a_job_that_waits_to_be_finalized_moves_and_is_finalized_there(world) {
        let worker = started(&world, manual);
        worker.notes().should_complete = true;
        world.until(0, |shard| shard.job().status() == JobStatus::Pending);
        world.send("disk", 0, 2).expect("it can");
        assert_eq!(status(&world, 2), JobStatus::Pending);
        world.on(2, |shard| shard.job().finalize()).expect("it is pending");
        assert_eq!(worker.asked(), "prepare in io1, commit in io1");
        // Concluded it still uses its node, and goes along.
        world.send("disk", 2, 1).expect("it can");
        assert_eq!(world.on(1, |shard| shard.job().result()), Some(Ok(())));
        world.on(1, |shard| shard.job().dismiss()).expect("it is concluded");
        assert!(world.on(1, |shard| shard.list.is_empty()));
    }

    fn a_job_that_takes_its_time_to_stand_still_is_waited_for(world) {
        let worker = started(&world, JobOptions::default);
        worker.notes().pause_takes_ns = 5 * MS;
        rounds(&world, &worker, 0, 1);
        world.send("disk", 0, 1).expect("it can");
        rounds(&world, &worker, 1, 1);
    }

    fn a_cancel_after_the_move_ends_the_job_there(world) {
        let worker = started(&world, JobOptions::default);
        world.send("disk", 0, 1).expect("it can");
        world.on(1, |shard| shard.job().cancel(true));
        world.until_end(1);
        assert_eq!(worker.asked(), "abort in io0");
    }

    fn jobs_of_a_transaction_move_together_with_all_their_nodes(world) {
        let (one, other) = (Worker::default(), Worker::default());
        let both = (one.clone(), other.clone());
        world.on(0, move |shard| {
            let txn = JobTxn::new();
            for (id, worker) in [("j0", both.0), ("j1", both.1)] {
                shard.add(&format!("disk-{id}"), Disk::noise(4096, 1));
                let txn = Some(txn.clone());
                let options = JobOptions { txn, ..JobOptions::default() };
                worker.job(shard, id, &format!("disk-{id}"), options).start();
            }
        });
        one.notes().should_complete = true;
        world.until(0, |shard| shard.job().status() == JobStatus::Waiting);
        world.send("disk-j1", 0, 1).expect("they can");
        world.on(1, |shard| {
            let jobs = shard.list.jobs();
            let ids: Vec<_> = jobs.iter().map(|job| job.label().to_string()).collect();
            assert_eq!(ids, ["j1", "j0"], "the newest first");
            let txn = jobs[0].txn().expect("it is not concluded");
            assert!(Rc::ptr_eq(&txn, &jobs[1].txn().expect("nor is this one")));
            assert_eq!(txn.jobs().len(), 2);
            assert!(shard.graph.find_node("disk-j0").is_some());
        });
        other.notes().run_fails = Some(EIO);
        other.notes().should_complete = true;
        world.until_end(1);
        assert_eq!((one.asked(), other.asked()), ("abort in io0".into(), "abort in io0".into()));
    }

    fn a_job_whose_type_cannot_move_says_so_and_nothing_has_changed(world) {
        with_disk(&world);
        world.on(0, |shard| {
            let driver = scripted(|job| Box::pin(async move {
                while !job.is_cancelled() {
                    job.sleep_ns(MS).await;
                }
                Ok(())
            }));
            let node = shard.node("disk");
            let perms = blockjob_block::PermPair::HARMLESS;
            let options = JobOptions::default();
            let job = blockjob_jobs::block_job::BlockJob::create(
                &shard.list, Some("j0"), &node, perms, driver, options);
            job.expect("it can be made").job().start();
        });
        let refused = world.send("disk", 0, 1).expect_err("it cannot");
        let text = "backup job 'j0' cannot change its context: its type does not support it";
        assert_eq!(refused.to_string(), text);
        assert_eq!(status(&world, 0), JobStatus::Running);
        assert_eq!(world.told(), "created, running");
    }

    fn a_transaction_with_a_job_without_nodes_stays(world) {
        with_disk(&world);
        let worker = Worker::default();
        world.on(0, move |shard| {
            let txn = JobTxn::new();
            let in_txn = || JobOptions { txn: Some(txn.clone()), ..JobOptions::default() };
            worker.job(shard, "j0", "disk", in_txn());
            let idle = scripted(|_| Box::pin(async { Ok(()) }));
            Job::create(&shard.list, Some("j1"), idle, in_txn()).expect("it can be made");
        });
        let refused = world.send("disk", 0, 1).expect_err("it cannot").to_string();
        assert!(refused.ends_with("job 'j1' of its transaction uses no nodes and would stay"), "{refused}");
    }

    fn a_job_in_the_middle_of_what_it_has_left_for_main_stays(world) {
        for defers in [false, true] {
            let worker = Worker::default();
            worker.notes().defers = defers;
            let made = worker.clone();
            world.on(1, move |shard| {
                shard.add("disk", Disk::noise(4096, 1));
                let asks = |job: &Rc<Job>| {
                    let nodes = job.block_job().expect("it uses one").nodes();
                    let refused = check_move(&nodes[0], &|_| 9).map(drop);
                    refused.expect_err("it is in the middle").to_string()
                };
                let options = JobOptions::default();
                made.job_that(shard, "j0", "disk", options, Some(asks)).start();
            });
            worker.notes().should_complete = true;
            world.until_end(1);
            let refused = "backup job 'j0' cannot change its context: it is being completed";
            let asked = match defers {
                true => format!("{refused}, prepare in io0, commit in io0"),
                false => format!("prepare in io0, {refused}, commit in io0"),
            };
            assert_eq!(worker.asked(), asked);
            world.on(1, |shard| drop(shard.nodes.take()));
        }
    }

    // test-bdrv-drain: blockjob/iothread/drain and its error cases.
    fn main_drains_a_job_in_a_thread(world) {
        for (run_fails, prepare_fails) in [(None, None), (Some(EIO), None), (None, Some(EIO))] {
            let worker = Worker::default();
            {
                let mut notes = worker.notes();
                (notes.run_fails, notes.prepare_fails) = (run_fails.clone(), prepare_fails.clone());
                notes.pause_takes_ns = 2 * MS;
            }
            let made = worker.clone();
            world.on(1, move |shard| {
                shard.add("disk", Disk::noise(4096, 1));
                made.job(shard, "j0", "disk", JobOptions { auto_dismiss: false, ..JobOptions::default() }).start();
            });
            rounds(&world, &worker, 1, 2);
            let drained = blockjob_block::moving::drained_begin(
                &world.main, &world.shards[1], "disk", "main").expect("it is there");
            let rounds_then = worker.notes().rounds;
            world.on(1, |shard| {
                let job = shard.job();
                assert_eq!((job.pause_count(), job.is_paused(), job.is_busy()), (1, true, false));
            });
            // However long it lasts.
            worker.notes().should_complete = true;
            world.co(1, |shard| async move { shard.graph.context().sleep(20 * MS).await });
            assert_eq!(worker.notes().rounds, rounds_then);
            assert_eq!(worker.asked(), "");
            drop(drained);
            world.until(1, |shard| shard.job().result().is_some());
            let result = world.on(1, |shard| shard.job().result());
            let failed = run_fails.or(prepare_fails);
            assert_eq!(result, Some(failed.map_or(Ok(()), Err)));
            world.on(1, |shard| shard.job().dismiss()).expect("it is concluded");
            world.on(1, |shard| drop(shard.nodes.take()));
        }
    }
}

/// Main is told that a job has ended while it is about to move it.
#[test]
fn a_job_that_is_on_its_way_to_main_ends_before_its_nodes_move() {
    let world = World::virtual_time();
    world.on(1, |shard| {
        shard.add("disk", Disk::noise(4096, 1));
    });
    let worker = Worker::default();
    worker.notes().should_complete = true;
    let made = worker.clone();
    let context = world.contexts[1].clone();
    let shard = {
        let _current = context.make_current();
        world.shards[1].get().expect("it is current")
    };
    let job = {
        let _current = context.make_current();
        let job = made.job(&shard, "j0", "disk", JobOptions::default());
        job.start();
        job
    };
    assert!(job.deferred_to_main_loop() && !job.is_completed());
    world
        .send("disk", 1, 2)
        .expect("nobody is left who could not");
    assert_eq!(worker.asked(), "prepare in io0, commit in io0");
    assert_eq!(job.result(), Some(Ok(())));
    assert!(!job.has_departed());
}

/// Whoever waits in the old context for a job that moves hears that it is not there any more.
#[test]
fn whoever_waits_for_a_job_that_leaves_is_told() {
    let world = World::virtual_time();
    let worker = started(&world, JobOptions::default);
    worker.notes().should_converge = true;
    world.until(0, |shard| shard.job().is_ready());
    let job = {
        let _current = world.main.make_current();
        world.shards[0].get().expect("it is current").job()
    };
    world.send("disk", 0, 1).expect("it can");
    assert!(job.has_departed() && job.result().is_none());
    let _current = world.main.make_current();
    assert_eq!(job.cancel_sync(true), Err(JobError::NotFound));
    job.enter();
    assert!(job.user_pause().is_err());
    assert_eq!(status(&world, 1), JobStatus::Ready);
}

/// Main holds a section over there only once the job has ended, or while it stands still.
#[test]
fn a_section_of_mains_is_not_there_before_an_exit_that_is_on_its_way() {
    let world = World::virtual_time();
    world.on(1, |shard| {
        shard.add("disk", Disk::noise(4096, 1));
    });
    let worker = Worker::default();
    worker.notes().should_complete = true;
    let looks = |job: &Rc<Job>| {
        let nodes = job.block_job().expect("it uses one").nodes();
        let sections = nodes[0].graph().expect("it is there").open_sections();
        let established: Vec<_> = sections.iter().map(|it| it.established()).collect();
        format!("sections {established:?}")
    };
    let made = worker.clone();
    let drained = {
        let current = world.contexts[1].make_current();
        let shard = world.shards[1].get().expect("it is current");
        let job = made.job_that(&shard, "j0", "disk", JobOptions::default(), Some(looks));
        job.start();
        assert!(job.deferred_to_main_loop());
        drop(current);
        blockjob_block::moving::drained_begin(&world.main, &world.shards[1], "disk", "main")
    };
    let _drained = drained.expect("it is there");
    // It was asked for before the exit, and waited for it.
    assert_eq!(
        worker.asked(),
        "prepare in io0, sections [false], commit in io0"
    );
}

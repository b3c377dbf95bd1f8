//! Many mirrors and one pool: together they fill no more memory than it has room for, all of them
//! get on, and none keeps another from standing still.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::driver::mem::MemOptions;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions, mirror_start};

use crate::support::{KIB, MIB, World, content, noise};

const MS: u64 = 1_000_000;

struct Many {
    world: World,
    pool: Rc<BufferPool>,
    mirrors: Vec<(Rc<Job>, Rc<MirrorJob>)>,
    disks: Vec<(
        Rc<blockjob_block::driver::mem::MemDisk>,
        Rc<blockjob_block::driver::mem::MemDisk>,
    )>,
}

/// `jobs` mirrors of 1 MiB each over a pool with room for `room` bytes. The targets of the first
/// `slow` take a virtual hour for each write.
fn many(jobs: usize, slow: usize, room: u64) -> Many {
    let world = World::new();
    let pool = Rc::new(BufferPool::new(4096, room as usize));
    let mut mirrors = Vec::new();
    let mut disks = Vec::new();
    for number in 0..jobs {
        let latency_ns = if number < slow { 3_600_000 * MS } else { MS };
        let options = MemOptions::new(MIB).fill(noise()).latency_ns(MS);
        let (source, from) = world.disk(&format!("source{number}"), options);
        let options = MemOptions::new(MIB).latency_ns(latency_ns);
        let (target, to) = world.disk(&format!("target{number}"), options);
        let mut options = MirrorOptions::new();
        options.job_id = Some(format!("job{number}"));
        options.buf_size = 128 * KIB;
        let started = mirror_start(&world.jobs, &pool, &source, &target, &options);
        mirrors.push(started.expect("it starts"));
        disks.push((from, to));
    }
    Many {
        world,
        pool,
        mirrors,
        disks,
    }
}

#[test]
fn all_of_many_mirrors_end_and_never_fill_more_than_there_is_room_for() {
    let many = many(20, 0, 256 * KIB);
    let most = Cell::new(0);
    many.world.ctx.poll_while(|| {
        most.set(most.get().max(many.pool.room().used_bytes()));
        many.mirrors.iter().any(|(job, _)| !job.is_ready())
    });
    assert_eq!(
        most.get(),
        256 * KIB,
        "all of the room is used, and not more"
    );
    for (job, mirror) in &many.mirrors {
        job.complete().expect("a ready job completes");
        assert_eq!(many.world.until_end(job, mirror).end, MirrorEnd::Pivoted);
        assert_eq!(mirror.stats().copied_bytes, MIB);
        assert_eq!(
            mirror.stats().recopied_bytes,
            0,
            "what had to wait was not copied twice"
        );
    }
    for (from, to) in &many.disks {
        assert!(content(from) == content(to));
    }
    assert_eq!(many.pool.room().used_bytes(), 0);
}

#[test]
fn a_job_that_waits_for_room_can_be_drained_although_another_disk_hangs() {
    let many = many(2, 1, 128 * KIB);
    // The first job has taken all the room, and its target does not answer.
    many.world
        .ctx
        .poll_while(|| many.world.ctx.now_ns() < 100 * MS);
    assert_eq!(many.pool.room().used_bytes(), 128 * KIB);
    let (job, mirror) = &many.mirrors[1];
    assert_eq!(mirror.stats().copied_bytes, 0);
    let node = many.world.graph.find_node("source1").expect("it exists");
    let before_ns = many.world.ctx.now_ns();
    drop(node.drained_begin("test"));
    assert!(
        many.world.ctx.now_ns() - before_ns < 3_600_000 * MS,
        "it waited for the other disk"
    );
    job.user_pause().expect("a running job can be paused");
    many.world.ctx.poll_while(|| !job.is_paused());
    job.cancel_sync(true).expect_err("it was cancelled");
}

#[test]
fn room_that_a_paused_job_could_have_had_goes_to_the_next() {
    let many = many(3, 0, 128 * KIB);
    // The first job has all the room; the others wait in line, and the first of them is paused.
    let (paused, _) = &many.mirrors[1];
    many.world.pass(MS / 2);
    assert_eq!(many.pool.room().used_bytes(), 128 * KIB);
    paused.user_pause().expect("a running job can be paused");
    for number in [0, 2] {
        many.world.until_ready(&many.mirrors[number].0);
    }
    assert!(paused.is_paused());
    paused.user_resume().expect("it was paused");
    many.world.until_ready(paused);
}

/// Each write takes longer than a slice, and so does each wait: room that was waited for is used.
#[test]
fn slow_disks_get_their_turns_one_after_the_other() {
    let world = World::new();
    let pool = Rc::new(BufferPool::new(4096, 128 << 10));
    let mut mirrors = Vec::new();
    for number in 0..4 {
        let options = MemOptions::new(MIB).fill(noise());
        let (source, _) = world.disk(&format!("source{number}"), options);
        let options = MemOptions::new(MIB).latency_ns(150 * MS);
        let (target, _) = world.disk(&format!("target{number}"), options);
        let mut options = MirrorOptions::new();
        options.job_id = Some(format!("job{number}"));
        options.buf_size = 128 * KIB;
        let started = mirror_start(&world.jobs, &pool, &source, &target, &options);
        mirrors.push(started.expect("it starts"));
    }
    world.until_ready(&mirrors[0].0);
    let copied = |mirror: &Rc<MirrorJob>| mirror.stats().copied_bytes;
    for (job, mirror) in &mirrors {
        let done = copied(mirror);
        assert!(done >= MIB / 2, "{job:?} has copied {done} bytes");
    }
}

/// A granule of many pieces, of which no two fit into the room: each time that it waits for room, it
/// goes on where it was.
#[test]
fn a_granule_that_needs_room_again_and_again_is_copied_once() {
    let world = World::new();
    let pool = Rc::new(BufferPool::new(4096, 4 << 10));
    let (source, disk) = world.disk("source", MemOptions::new(MIB).cluster_size(4 * KIB));
    for piece in 0..MIB / (8 * KIB) {
        disk.write_at(piece * 8 * KIB, &vec![piece as u8 + 1; 4 << 10]);
    }
    let options = MemOptions::new(MIB).latency_ns(MS);
    let (target, copy) = world.disk("target", options);
    let mut options = crate::support::options();
    options.granularity = MIB;
    let (job, mirror) =
        mirror_start(&world.jobs, &pool, &source, &target, &options).expect("it starts");
    world.pass(20 * MS);
    // Between two pieces it can be paused, and is not ready.
    job.user_pause().expect("a running job can be paused");
    world.until(|| job.is_paused());
    assert!(!job.is_ready());
    assert!(mirror.is_in_flight(0) && mirror.dirty_bytes() > MIB / 2);
    job.user_resume().expect("it was paused");
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.stats.copied_bytes, MIB / 2);
    assert_eq!(outcome.stats.recopied_bytes, 0);
    assert!(content(&disk) == content(&copy));
    world.assert_nothing_left(job, mirror);
}

#[test]
fn a_job_that_is_cancelled_between_two_pieces_lets_go_of_them() {
    let many = many(4, 0, 64 * KIB);
    many.world.pass(3 * MS / 2);
    for (job, _) in &many.mirrors {
        job.user_cancel(true).expect("a running job can be");
    }
    many.world
        .until(|| many.mirrors.iter().all(|(job, _)| job.is_completed()));
    assert_eq!(many.pool.room().used_bytes(), 0);
    for (_, mirror) in &many.mirrors {
        assert_eq!(mirror.dirty_bytes(), 0);
        assert!((0..16).all(|granule| !mirror.is_in_flight(granule * 64 * KIB)));
    }
    let gone: Vec<_> = many
        .mirrors
        .iter()
        .map(|(_, mirror)| Rc::downgrade(mirror))
        .collect();
    drop(many.mirrors);
    assert!(gone.iter().all(|mirror| mirror.upgrade().is_none()));
}

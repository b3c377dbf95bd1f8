//! Families on their way between main and an iothread, against whoever lets go of something meanwhile.
//!
//! Two things are shared here that are not messages, each behind a lock: where the parts of a section are
//! that main holds (`block/src/moving/remote.rs`), and the luggage of a move that may be given up
//! (`block/src/moving/home.rs`). The move is polled by hand up to the step in question, and
//! then the other thing happens beside it.
//!
//! QEMU: `bdrv_try_change_aio_context` (block.c).

use std::task::Poll;

use blockjob_block::BlockResult;
use blockjob_block::moving::{RemoteDrained, co_set_aio_context, drained_begin};
use blockjob_runtime::Resident;

use crate::check::group;
use crate::home::{DISK, Scene, Shard, write};
use crate::world::{Steps, join, spawn};

group! { "moving" about &["call.rs", "handle.rs", "coroutine.rs", "resident.rs"];
    a_section_let_go_while_its_family_leaves_ends within 1,
    a_section_let_go_while_its_family_arrives_ends within 1,
    a_section_let_go_by_a_third_thread_ends_where_the_family_is within 1,
    a_move_given_up_while_the_family_is_packed_leaves_it_in_one_place within 2,
}

/// Questions of a move: whether everybody can, the section, and the parcel.
const UNTIL_PACKED: usize = 3;
/// And the arrival.
const UNTIL_UNPACKED: usize = 4;

/// A disk in a thread, with a guest on it.
fn scene() -> Scene {
    Scene::new(|shard, _| {
        let disk = shard.add_disk(DISK, None);
        shard.add_drive("drive", &disk);
    })
}

fn drain(scene: &Scene, home: &Resident<Shard>) -> RemoteDrained {
    let section = drained_begin(&scene.main, home, DISK, "main");
    section.expect("the disk is there")
}

fn travel(
    from: &Resident<Shard>,
    to: &Resident<Shard>,
) -> impl Future<Output = BlockResult<()>> + use<> {
    let (from, to) = (from.clone(), to.clone());
    async move { co_set_aio_context(DISK, &from, &to).await }
}

/// Takes so many steps of a move, and runs what main is asked for in between; the outcome, if there is
/// one already.
fn go<F: Future + Unpin>(scene: &Scene, moving: &mut F, count: usize) -> Option<F::Output> {
    let mut steps = Steps::new();
    for _ in 1..count {
        if let Poll::Ready(moved) = steps.take(moving) {
            return Some(moved);
        }
        scene.main.poll(false);
    }
    match steps.take(moving) {
        Poll::Ready(moved) => Some(moved),
        Poll::Pending => None,
    }
}

/// No section is left of the disk, which is in one of the two homes, and a guest's request is served.
fn all_is_well(scene: Scene, in_main: bool) {
    // A section ends by a message, which main may have sent itself.
    scene.main.poll(false);
    let there = scene.ask(|shard| shard.sections_of(DISK));
    let here = scene.here(|shard| shard.sections_of(DISK));
    let places = if in_main {
        (Some(0), None)
    } else {
        (None, Some(0))
    };
    assert_eq!((here, there), places);
    let home = if in_main { &scene.own } else { &scene.there };
    let written = scene.main.run("guest", write(home, "drive"));
    written.expect("both are there");
    scene.end();
}

fn a_section_let_go_while_its_family_leaves_ends() {
    let scene = scene();
    let section = drain(&scene, &scene.there);
    let mut moving = Box::pin(travel(&scene.there, &scene.own));
    let moved = go(&scene, &mut moving, UNTIL_PACKED);
    drop(section);
    let moved = moved.unwrap_or_else(|| scene.main.run("move", moving));
    moved.expect("everybody can move");
    all_is_well(scene, true);
}

fn a_section_let_go_while_its_family_arrives_ends() {
    let scene = Scene::new(|_, _| ());
    scene.here(|shard| {
        let disk = shard.add_disk(DISK, None);
        shard.add_drive("drive", &disk);
    });
    let section = drain(&scene, &scene.own);
    let mut moving = Box::pin(travel(&scene.own, &scene.there));
    let moved = go(&scene, &mut moving, UNTIL_UNPACKED);
    drop(section);
    let moved = moved.unwrap_or_else(|| scene.main.run("move", moving));
    moved.expect("everybody can move");
    all_is_well(scene, false);
}

fn a_section_let_go_by_a_third_thread_ends_where_the_family_is() {
    let scene = scene();
    let section = drain(&scene, &scene.there);
    let other = spawn(move || drop(section));
    let moved = scene.main.run("move", travel(&scene.there, &scene.own));
    moved.expect("everybody can move");
    join(other);
    all_is_well(scene, true);
}

fn a_move_given_up_while_the_family_is_packed_leaves_it_in_one_place() {
    let scene = scene();
    let mut moving = Box::pin(travel(&scene.there, &scene.own));
    // If the thread is quick it has all been done by now.
    drop(go(&scene, &mut moving, UNTIL_PACKED));
    drop(moving);
    // What main was sent of it, and the parcel that comes back.
    scene.ask(|_| ());
    scene.main.poll(false);
    let in_main = scene.here(|shard| shard.sections_of(DISK)).is_some();
    all_is_well(scene, in_main);
}

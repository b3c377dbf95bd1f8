//! A mirror that moves at whichever moment of its life ends with the copy of one that never moved.

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::mirror::MirrorOptions;

use crate::disk::Disk;
use crate::guest::{after_all, plug_in, script};
use crate::world::{MS, World};

const GRANULE: u64 = 4096;
const LEN: u64 = 24 * GRANULE;

fn options(copy_mode: MirrorCopyMode) -> MirrorOptions {
    MirrorOptions {
        copy_mode,
        granularity: GRANULE,
        buf_size: 4 * GRANULE,
        ..MirrorOptions::new()
    }
}

/// A world with a guest and a mirror in `io0`, both of which have just begun.
struct Scene {
    world: World,
    source: Disk,
    target: Disk,
    script: crate::guest::Shared,
}

impl Scene {
    fn new(copy_mode: MirrorCopyMode) -> Scene {
        Self::in_world(World::virtual_time(), copy_mode, 24)
    }

    fn in_world(world: World, copy_mode: MirrorCopyMode, writes: usize) -> Scene {
        let scene = Scene {
            world,
            source: Disk::noise(LEN, 7).slow(MS / 8),
            target: Disk::noise(LEN, 99).slow(MS / 4),
            script: script(LEN, writes, MS / 3),
        };
        let (source, target) = (scene.source.clone(), scene.target.clone());
        let script = scene.script.clone();
        scene.world.on(1, move |shard| {
            shard.add("source", source);
            shard.add("target", target);
            plug_in(shard, script);
            shard.start(&options(copy_mode));
        });
        scene
    }

    /// Has the context of the mirror make that many passes of its loop, unless it ends before. A mirror
    /// that is ready when the guest has done is told to complete.
    fn pass(&self, place: usize, passes: u32) {
        let threads = self.world.threads.as_ref().expect("it is virtual");
        for _ in 0..passes {
            if self.world.told_end() {
                return;
            }
            self.complete_in_the_end(place);
            let passed = threads.pass(place);
            assert!(passed || self.world.told_end(), "nobody can act");
        }
    }

    fn complete_in_the_end(&self, place: usize) {
        let shard = self.world.contexts[place].clone();
        let _current = shard.make_current();
        let shard = self.world.shards[place].get().expect("it is current");
        let Some(job) = shard.list.get("j0").filter(|job| job.is_ready()) else {
            return;
        };
        let told = shard.mirror().is_told_to_complete();
        if !told && self.guest_has_ended() {
            job.complete().expect("a ready job completes");
        }
    }

    fn guest_has_ended(&self) -> bool {
        self.script.lock().expect("whole").has_ended()
    }

    /// Moves both sides, and returns where they are then: in the middle of its completion a mirror stays.
    fn send(&self, from: usize, to: usize) -> usize {
        match self.world.send("source", from, to) {
            Ok(()) => to,
            Err(error) => {
                let text = error.to_string();
                assert!(text.ends_with("it is being completed"), "{text}");
                from
            }
        }
    }

    /// The mirror and the guest end, wherever they are.
    fn finish(self, place: usize) {
        while !self.world.told_end() {
            self.pass(place, 1);
        }
        self.assert_copied();
    }

    fn assert_copied(&self) {
        let expected = after_all(&self.script, Disk::noise(LEN, 7).content());
        assert!(self.source.content() == expected, "the guest's own disk");
        assert!(self.target.content() == expected, "the copy");
    }
}

const MODES: [MirrorCopyMode; 3] = [
    MirrorCopyMode::Background,
    MirrorCopyMode::WriteBlocking,
    MirrorCopyMode::Auto,
];

#[test]
fn one_that_never_moves_ends_well() {
    for mode in MODES {
        Scene::new(mode).finish(1);
    }
}

#[test]
fn one_that_moves_at_any_pass_of_the_loop_ends_with_the_same_copy() {
    for mode in MODES {
        let mut moves = 0;
        for passes in 0.. {
            let scene = Scene::new(mode);
            scene.pass(1, passes);
            if scene.world.told_end() {
                break;
            }
            let place = scene.send(1, 2);
            // If it was about to end, it has ended where it was.
            moves += u32::from(place == 2 && !scene.world.told_end());
            scene.finish(place);
        }
        assert!(moves > 100, "{mode:?} moved at {moves} moments only");
    }
}

#[test]
fn one_that_hardly_stays_anywhere_ends_with_the_same_copy() {
    for mode in MODES {
        for passes in [1, 2, 3, 5, 8, 13] {
            let scene = Scene::new(mode);
            let mut place = 1;
            for _ in 0..60 {
                scene.pass(place, passes);
                place = scene.send(place, (place + 1) % 3);
            }
            scene.finish(place);
        }
    }
}

/// On threads nobody knows at which moment it leaves, nor how often it can before so many writes have
/// been answered: the guest ends when both numbers are there.
#[test]
fn one_that_is_sent_around_while_a_guest_writes_ends_with_every_write() {
    for mode in MODES {
        let scene = Scene::in_world(World::real(), mode, 300);
        scene.script.lock().expect("whole").goes_on = true;
        let (mut place, mut moves) = (1, 0);
        while !scene.guest_has_ended() {
            place = scene.send(place, (place + 1) % 3);
            moves += 1;
            let mut script = scene.script.lock().expect("whole");
            if moves > 12 && script.answered >= 300 {
                script.enough();
            }
        }
        scene.world.complete(place);
        scene.assert_copied();
    }
}

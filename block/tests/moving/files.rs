//! Images in files: content, locks and cached knowledge on the way.

use std::path::PathBuf;

use blockjob_block::driver::file::{FileDriver, OpenOptions};
use blockjob_block::moving::{self, Family, Home, Parcel};
use blockjob_block::{BlockBackend, Perm};

use crate::world::{EXCLUSIVE, World};

const LEN: u64 = 1 << 20;

fn image() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join("image");
    std::fs::write(&path, vec![7; LEN as usize]).expect("there is room");
    (dir, path)
}

fn open(world: &World, path: &std::path::Path) {
    let path = path.to_owned();
    world.on(0, move |here| {
        let driver = FileDriver::open(&OpenOptions::new(path)).expect("it is there");
        here.add("file", driver, &[]);
        here.backend("drive", "file", EXCLUSIVE);
    });
}

/// Why somebody else may not write to the file.
fn second_writer(path: &std::path::Path) -> Option<String> {
    let world = World::real();
    let path = path.to_owned();
    world.on(0, move |here| {
        let driver = FileDriver::open(&OpenOptions::new(path)).expect("it is there");
        here.add("other", driver, &[]);
        let backend = BlockBackend::new(&here.graph, "", EXCLUSIVE).expect("unnamed");
        backend
            .insert(&here.node("other"))
            .err()
            .map(|error| error.to_string())
    })
}

#[test]
fn a_file_is_written_to_from_one_thread_after_the_other() {
    let (_dir, path) = image();
    let world = World::real();
    open(&world, &path);
    for (turn, (from, to)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        let data = [b'a' + turn as u8; 100_000];
        world
            .write(from, "drive", 1 + 200_000 * turn as u64, &data)
            .expect("it is writable");
        world.send("file", from, to).expect("everybody can");
        assert_eq!(
            world.read(to, "drive", 1 + 200_000 * turn as u64, 100_000),
            data
        );
    }
    let written = std::fs::read(&path).expect("it is there");
    assert_eq!(written[400_001], b'c');
    assert_eq!(written[0], 7);
}

#[test]
fn a_file_is_locked_before_while_and_after_it_moves() {
    let (_dir, path) = image();
    let world = World::real();
    open(&world, &path);
    let refused = second_writer(&path).expect("it is in use");
    assert!(
        refused.contains("Failed to get \"write\" lock"),
        "{refused}"
    );
    let parcel: Parcel = world.on(0, |here| {
        let section = moving::FamilySection::begin(&here.node("file"), "test");
        let mut family = Family::of(&here.node("file"));
        family.keep_all(section);
        let holds = |node: &blockjob_block::Node| here.holds(node);
        family.check(&holds).expect("everybody can");
        here.pack(&family);
        moving::pack(family)
    });
    assert_eq!(second_writer(&path), Some(refused.clone()), "on its way");
    world.on(1, move |here| {
        let moved = moving::unpack(parcel, &here.place());
        here.arrived((), &moved);
    });
    assert_eq!(second_writer(&path), Some(refused), "there");
    let perms = world.on(1, |here| here.node("file").cumulative_perms());
    assert_eq!(perms, EXCLUSIVE);
    // And nobody has kept a lock that is not wanted any more.
    world.on(1, |here| {
        here.backends.borrow_mut().clear();
        assert_eq!(here.node("file").cumulative_perms().used, Perm::NONE);
    });
    assert_eq!(second_writer(&path), None, "nobody uses it");
}

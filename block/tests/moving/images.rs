//! Images in the format qcow2: their tables move along, written back or not.

use std::process::Command;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::file::{FileDriver, OpenOptions as FileOptions};
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::qcow2::{CreateOptions, OpenOptions, create, open};

use crate::world::{LAX, World};

const LEN: u64 = 4 << 20;

/// An image on the node `file` of the first context.
fn image(world: &World) {
    world.co(0, |here| async move {
        let file = here.node("file");
        create(&file, CreateOptions::new(LEN))
            .await
            .expect("there is room");
        let opened = open(&file, OpenOptions::default())
            .await
            .expect("it is one");
        here.add("image", opened.driver, &[("file", ChildRole::Data, &file)]);
        here.backend("drive", "image", LAX);
    });
}

fn pattern(turn: usize) -> Vec<u8> {
    vec![b'a' + turn as u8; 150_000]
}

in_both_lives! {
    fn an_image_keeps_what_it_has_not_written_back_yet(world) {
        world.on(0, |here| { here.add("file", MemOptions::new(0).growable(true).build(), &[]); });
        image(&world);
        let place = |turn: usize| 300_000 * turn as u64 + 77;
        for (turn, (from, to)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
            world.write(from, "drive", place(turn), &pattern(turn)).expect("it is writable");
            world.send("image", from, to).expect("everybody can");
            for before in 0..=turn {
                let read = world.read(to, "drive", place(before), 150_000);
                assert!(read == pattern(before), "what was written in turn {before}");
            }
        }
    }
}

#[test]
fn the_peer_finds_nothing_wrong_with_an_image_that_has_moved() {
    if Command::new("qemu-img").arg("--version").output().is_err() {
        println!("skipped: there is no qemu-img on PATH");
        return;
    }
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join("image.qcow2");
    std::fs::write(&path, b"").expect("there is room");
    let (world, to_open) = (World::real(), path.clone());
    world.on(0, move |here| {
        let driver = FileDriver::open(&FileOptions::new(to_open)).expect("it is there");
        here.add("file", driver, &[]);
    });
    image(&world);
    world
        .write(0, "drive", 0, &pattern(0))
        .expect("it is writable");
    world.send("file", 0, 1).expect("everybody can");
    let image = path.to_str().expect("plain");
    // It is in use, and the peer feels that.
    let busy = Command::new("qemu-io")
        .args(["-f", "qcow2", "-c", "write 0 512", image])
        .output()
        .expect("it starts");
    assert!(!busy.status.success(), "the locks are not felt");
    world
        .write(1, "drive", 1 << 20, &pattern(1))
        .expect("it is writable");
    // What is not in the file yet moves along.
    world.send("file", 1, 2).expect("everybody can");
    world
        .co(2, |here| async move { here.node("image").flush().await })
        .expect("it is flushed");
    let check = Command::new("qemu-img")
        .args(["check", "-U", image])
        .output();
    let check = check.expect("it starts");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        check.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&check.stderr)
    );
    drop(world);
    let raw = dir.path().join("raw");
    let converted = Command::new("qemu-img")
        .args(["convert", "-O", "raw", image, raw.to_str().expect("plain")])
        .status();
    assert!(converted.expect("it starts").success());
    let bytes = std::fs::read(raw).expect("it is there");
    assert!(bytes[..150_000] == pattern(0) && bytes[1 << 20..][..150_000] == pattern(1));
}

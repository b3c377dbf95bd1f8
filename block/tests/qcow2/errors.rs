//! Storage that fails: what was acknowledged stays, what failed leaves the image whole.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::{Blkdebug, BlkdebugOptions, Event, InjectError, SetState};
use blockjob_block::driver::mem::{MemDisk, MemOptions};
use blockjob_block::driver::qcow2::CreateOptions;
use blockjob_block::{BlockBackend, ErrorKind, Node};
use bytes::Bytes;

use crate::common::{Folder, World, noise, read};
use crate::peer;

const SIZE: usize = 1 << 20;

struct Failing {
    world: World,
    control: Blkdebug,
    disk: Rc<MemDisk>,
    node: Rc<Node>,
    backend: Rc<BlockBackend>,
}

impl Failing {
    fn new(version: u32, backing: Option<&[u8]>) -> Failing {
        let world = World::simulated();
        let (memory, disk) = world.memory();
        let options = CreateOptions {
            version,
            ..CreateOptions::new(SIZE as u64)
        };
        world.try_create(&memory, options).expect("creates");
        let driver = BlkdebugOptions::new().build(&memory).expect("fits");
        let control = driver.control();
        let children = [("image", ChildRole::Filtered, memory)];
        let file = world
            .graph
            .add_node(None, Box::new(driver), false, &children)
            .expect("nobody objects");
        let backing = backing.map(|bytes| {
            let driver = MemOptions::new(bytes.len() as u64).build();
            driver.disk().write_at(0, bytes);
            world.leaf(driver, false)
        });
        let node = world.image(&file, false, backing.as_ref());
        let backend = world.backend(&node);
        Failing {
            world,
            control,
            disk,
            node,
            backend,
        }
    }

    fn all(&self) -> Vec<u8> {
        self.world.read(&self.backend, 0, SIZE)
    }

    fn check(&self) {
        self.world.flush(&self.node);
        if peer::peer_is_here() {
            peer::check(&Folder::new().dump("image", &self.disk));
        }
    }
}

/// One of the writes to the file fails: which one, the caller says. Every write of the image's past was
/// acknowledged.
fn one_failure(version: u32, backed: bool, which: u32) {
    let below = noise(9, SIZE);
    let failing = Failing::new(version, backed.then_some(&below[..]));
    let mut expected = if backed { below } else { vec![0; SIZE] };
    failing.world.write(&failing.backend, 1000, &noise(1, 100));
    expected[1000..1100].copy_from_slice(&noise(1, 100));
    failing.world.zero(&failing.backend, 262_144, 65536, false);
    expected[262_144..327_680].fill(0);
    for state in 1..20 {
        failing.control.set_state(SetState {
            event: Event::WRITE_AIO,
            state: Some(state),
            new_state: state + 1,
        });
    }
    let error = InjectError::new(Event::WRITE_AIO).errno(nix::libc::ENOSPC);
    failing.control.inject_error(error.in_state(which).once());
    let requests = [
        (200_000, noise(2, 200_000)),
        (500, noise(3, 5000)),
        (800_000, noise(4, 100)),
    ];
    let mut failed = 0;
    for (offset, data) in requests {
        let place = offset as usize..offset as usize + data.len();
        let (backend, bytes) = (failing.backend.clone(), Bytes::from(data.clone()));
        let result = failing
            .world
            .run(async move { backend.write(offset, bytes).await });
        match result {
            Ok(()) => expected[place].copy_from_slice(&data),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoSpace);
                failed += 1;
                // Where the image has room already, a part of the data may be there.
                let got = failing.all();
                for at in place {
                    let is_new = got[at] == data[at - offset as usize];
                    assert!(
                        got[at] == expected[at] || is_new,
                        "{version} {backed} {which}: {at}"
                    );
                    expected[at] = got[at];
                }
            }
        }
        assert!(
            failing.all() == expected,
            "{version} {backed} {which} at {offset}"
        );
    }
    assert!(failed <= 1);
    failing.control.clear_errors();
    failing.check();
    let raw = failing.all();
    assert!(raw == expected);
}

#[test]
fn a_write_that_fails_shows_what_was_there_before_or_what_was_written() {
    for version in [2, 3] {
        for backed in [false, true] {
            for which in 1..16 {
                one_failure(version, backed, which);
            }
        }
    }
}

#[test]
fn an_error_of_the_file_is_the_error_of_the_request() {
    let failing = Failing::new(3, None);
    failing.world.write(&failing.backend, 0, &noise(1, 65536));
    failing.control.inject_error(
        InjectError::new(Event::READ_AIO)
            .errno(nix::libc::ENXIO)
            .once(),
    );
    let backend = failing.backend.clone();
    let error = failing
        .world
        .run(async move { read(&backend, 0, 512).await.expect_err("it fails") });
    assert_eq!(error.errno(), nix::libc::ENXIO);
    assert!(failing.world.read(&failing.backend, 0, 65536) == noise(1, 65536));
    failing.check();
}

#[test]
fn a_flush_that_fails_fails_and_the_next_one_writes_the_tables() {
    let failing = Failing::new(3, None);
    failing.world.write(&failing.backend, 0, &noise(1, 200_000));
    failing
        .control
        .inject_error(InjectError::new(Event::WRITE_AIO).once());
    let node = failing.node.clone();
    let error = failing
        .world
        .run(async move { node.flush().await.expect_err("it fails") });
    assert_eq!(error.kind(), ErrorKind::Io);
    failing.check();
    let (file, disk) = failing.world.memory();
    let mut bytes = vec![0; failing.disk.len() as usize];
    failing.disk.read_at(0, &mut bytes);
    disk.set_len(bytes.len() as u64);
    disk.write_at(0, &bytes);
    let copy = failing.world.image(&file, false, None);
    let user = failing.world.backend(&copy);
    assert!(failing.world.read(&user, 0, 200_000) == noise(1, 200_000));
}

//! What `blkdebug` alone promises.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::blkdebug::{
    Blkdebug, BlkdebugOptions, Event, InjectError, IoType, SetState,
};
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::{BlockBackend, BlockResult, ErrorKind, Node, Perm};
use bytes::Bytes;
use nix::libc;

use super::common::{World, read};

struct Debugged {
    node: Rc<Node>,
    backend: Rc<BlockBackend>,
    control: Blkdebug,
}

fn debugged(world: &World, options: BlkdebugOptions) -> Debugged {
    let image = world.node(MemOptions::new(65536).build(), &[]);
    let driver = options.build(&image).expect("fits");
    let control = driver.control();
    let node = world.node(driver, &[("image", ChildRole::Filtered, image)]);
    Debugged {
        backend: world.backend(&node),
        node,
        control,
    }
}

impl Debugged {
    fn read(&self, world: &World, offset: u64) -> BlockResult<()> {
        let backend = self.backend.clone();
        world.run(async move { read(&backend, offset, 512).await.map(drop) })
    }

    fn write(&self, world: &World, offset: u64) -> BlockResult<()> {
        let backend = self.backend.clone();
        world.run(async move { backend.write(offset, Bytes::from_static(&[1; 512])).await })
    }

    /// Starts a write and lets it run as far as it gets.
    fn start_write(&self, world: &World, offset: u64) {
        let backend = self.backend.clone();
        let writer = world.context.coroutine("writer", async move {
            let data = Bytes::from_static(&[1; 512]);
            backend.write(offset, data).await.expect("writes");
        });
        writer.wake();
        world.settle();
    }
}

fn errno(result: BlockResult<()>) -> i32 {
    result.expect_err("it fails").errno()
}

/// qemu-io 10.0.2 does the same with the same file.
#[test]
fn an_error_for_one_sector_once() {
    let world = World::simulated();
    let options = BlkdebugOptions::new()
        .config(
            "[inject-error]\nevent = \"read_aio\"\nerrno = \"28\"\nonce = \"on\"\n\
             sector = \"1\"\nimmediately = \"on\"\n",
        )
        .expect("well formed");
    let disk = debugged(&world, options);
    disk.read(&world, 0).expect("another sector");
    let error = disk.read(&world, 512).expect_err("its sector");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    disk.read(&world, 512).expect("only once");
    disk.write(&world, 512).expect("only once");
}

/// qemu-io 10.0.2 does the same with the same file: the write fails too.
#[test]
fn a_rule_without_a_kind_stays_in_force_for_all_kinds() {
    let world = World::simulated();
    let options = BlkdebugOptions::new()
        .config(
            "[inject-error]\nevent = \"read_aio\"\nstate = \"2\"\n\
             [set-state]\nevent = \"read_aio\"\nnew_state = \"2\"\n",
        )
        .expect("well formed");
    let disk = debugged(&world, options);
    disk.write(&world, 0).expect("no event yet");
    disk.read(&world, 0).expect("the first state");
    assert_eq!(errno(disk.read(&world, 512)), libc::EIO);
    assert_eq!(errno(disk.write(&world, 512)), libc::EIO);
}

#[test]
fn a_rule_lets_only_its_kinds_fail() {
    let world = World::simulated();
    let kinds = [
        IoType::Read,
        IoType::Write,
        IoType::WriteZeroes,
        IoType::Discard,
        IoType::Flush,
        IoType::BlockStatus,
    ];
    for kind in kinds {
        let rule = InjectError::new(Event::NONE).io_type(kind);
        let disk = debugged(&world, BlkdebugOptions::new().inject_error(rule));
        let (node, backend) = (disk.node.clone(), disk.backend.clone());
        let failed = world.run(async move {
            let data = Bytes::from_static(b"data");
            let flags = ZeroFlags::default();
            [
                read(&backend, 0, 512).await.is_err(),
                backend.write(0, data).await.is_err(),
                backend.write_zeroes(0, 512, flags).await.is_err(),
                backend.discard(0, 512).await.is_err(),
                backend.flush().await.is_err(),
                node.block_status(0, 512).await.is_err(),
            ]
        });
        assert_eq!(failed, kinds.map(|other| other == kind), "{}", kind.name());
    }
}

#[test]
fn a_rule_for_a_range_spares_what_does_not_touch_it() {
    let world = World::simulated();
    let rule = InjectError::new(Event::WRITE_AIO).range(1024..1025);
    let disk = debugged(&world, BlkdebugOptions::new().inject_error(rule));
    disk.write(&world, 512).expect("ends before it");
    disk.write(&world, 1025).expect("begins after it");
    assert_eq!(errno(disk.write(&world, 513)), libc::EIO);
    let backend = disk.backend.clone();
    let flushed = world.run(async move { backend.flush().await });
    flushed.expect("a flush touches no byte");
    disk.control.clear_errors();
    disk.write(&world, 1024).expect("the rules are gone");
}

/// qemu-io 10.0.2 does the same with the same rules.
#[test]
fn the_first_rule_that_fits_counts_also_if_it_injects_nothing() {
    let world = World::simulated();
    let nothing = InjectError::new(Event::NONE).errno(0).once();
    let error = InjectError::new(Event::NONE);
    let options = BlkdebugOptions::new().inject_error(nothing.range(0..1));
    let disk = debugged(&world, options.inject_error(error.clone().once()));
    for _ in 0..2 {
        disk.read(&world, 0).expect("the first rule stays");
    }
    assert_eq!(
        errno(disk.read(&world, 512)),
        libc::EIO,
        "it does not fit here"
    );
    disk.control.clear_errors();
    disk.control
        .inject_error(error.clone().errno(libc::ENOSPC).once());
    disk.control.inject_error(error.errno(libc::EINVAL).once());
    assert_eq!(errno(disk.read(&world, 0)), libc::ENOSPC);
    assert_eq!(errno(disk.read(&world, 0)), libc::EINVAL);
    disk.read(&world, 0).expect("no rule is left");
}

#[test]
fn rules_can_be_added_while_the_node_is_in_use() {
    let world = World::simulated();
    let disk = debugged(&world, BlkdebugOptions::new());
    disk.write(&world, 0).expect("no rule");
    let rule = InjectError::new(Event::PWRITEV)
        .errno(libc::ENOSPC)
        .in_state(3);
    disk.control.inject_error(rule);
    disk.write(&world, 0).expect("another state");
    disk.control.set_state(SetState {
        event: Event::FLUSH_TO_DISK,
        state: Some(1),
        new_state: 3,
    });
    let backend = disk.backend.clone();
    world.run(async move { backend.flush().await.expect("flushes") });
    assert_eq!(errno(disk.write(&world, 0)), libc::ENOSPC);
}

#[test]
fn a_suspended_write_waits_until_it_is_resumed() {
    let world = World::simulated();
    let disk = debugged(&world, BlkdebugOptions::new());
    disk.control.suspend(Event::WRITE_AIO, "A");
    assert!(!disk.control.is_suspended("A"));
    disk.start_write(&world, 0);
    assert!(disk.control.is_suspended("A"));
    disk.start_write(&world, 512);
    assert_eq!(disk.control.held("A"), 1, "only the first one");
    assert_eq!(disk.node.in_flight(), 1);
    assert_eq!(world.read(&disk.backend, 0, 2), [0, 0]);
    assert_eq!(world.read(&disk.backend, 512, 2), [1, 1]);
    let error = disk.control.resume("B").expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    disk.control.resume("A").expect("one is held");
    assert_eq!(
        world.read(&disk.backend, 0, 2),
        [0, 0],
        "its turn comes later"
    );
    disk.node.drain("test");
    assert_eq!(world.read(&disk.backend, 0, 2), [1, 1]);
}

#[test]
fn a_breakpoint_for_every_request_holds_until_it_is_removed() {
    let world = World::simulated();
    let disk = debugged(&world, BlkdebugOptions::new());
    disk.control.suspend_every(Event::PWRITEV_DONE, "done");
    for offset in [0, 512, 1024] {
        disk.start_write(&world, offset);
    }
    assert_eq!(disk.control.held("done"), 3);
    assert_eq!(
        world.read(&disk.backend, 0, 2),
        [1, 1],
        "it was written before"
    );
    disk.control.resume("done").expect("three are held");
    world.settle();
    assert_eq!(disk.node.in_flight(), 2);
    disk.control
        .remove_breakpoint("done")
        .expect("two are held");
    world.settle();
    assert_eq!(disk.node.in_flight(), 0);
    disk.write(&world, 0).expect("nothing holds it");
    assert!(disk.control.remove_breakpoint("done").is_err());
}

#[test]
fn a_suspended_request_whose_future_is_dropped_is_held_no_more() {
    let world = World::simulated();
    let disk = debugged(&world, BlkdebugOptions::new());
    disk.control.suspend(Event::READ_AIO, "A");
    let (node, control) = (disk.node.clone(), disk.control.clone());
    world.run(async move {
        let mut read = Box::pin(node.co_read(0, bytes::BytesMut::zeroed(512)));
        assert!(futures_lite::future::poll_once(&mut read).await.is_none());
        assert_eq!(control.held("A"), 1);
        drop(read);
        assert_eq!(control.held("A"), 0);
        assert_eq!(node.in_flight(), 0);
    });
}

#[test]
fn an_error_comes_after_a_turn_of_the_loop_unless_it_is_immediate() {
    let world = World::simulated();
    let disk = debugged(&world, BlkdebugOptions::new());
    let rule = InjectError::new(Event::READ_AIO).once();
    disk.control.inject_error(rule.clone().immediately());
    disk.control.inject_error(rule);
    let node = disk.node.clone();
    world.run(async move {
        for at_once in [true, false] {
            let mut read = Box::pin(node.co_read(0, bytes::BytesMut::zeroed(512)));
            let first = futures_lite::future::poll_once(&mut read).await;
            assert_eq!(first.is_some(), at_once);
            let (_, result) = match first {
                Some(outcome) => outcome,
                None => read.await,
            };
            result.expect_err("it fails");
        }
    });
}

/// The words are those of qemu-storage-daemon 10.0.2.
#[test]
fn limits_that_contradict_each_other_are_refused_in_qemus_words() {
    let world = World::simulated();
    let image = world.node(MemOptions::new(65536).build(), &[]);
    let new = BlkdebugOptions::new;
    let refused = [
        (new().align(3), "align 3"),
        (new().align(512).max_transfer(1000), "max-transfer 1000"),
        (new().align(512).opt_write_zero(1000), "opt-write-zero 1000"),
        (new().align(512).max_write_zero(1000), "max-write-zero 1000"),
        (new().align(512).opt_discard(1000), "opt-discard 1000"),
        (new().align(512).max_discard(1000), "max-discard 1000"),
        (
            new().opt_write_zero(1024).max_write_zero(1536),
            "max-write-zero 1536",
        ),
    ];
    for (options, what) in refused {
        let error = options.build(&image).err().expect(what);
        assert_eq!(
            error.to_string(),
            format!("Cannot meet constraints with {what}")
        );
    }
    assert!(new().max_transfer(1000).build(&image).is_ok());
}

#[test]
fn its_limits_are_those_it_was_told_or_else_those_of_the_image() {
    let world = World::simulated();
    let options = BlkdebugOptions::new()
        .max_transfer(1024)
        .max_write_zero(2048)
        .max_discard(4096);
    let image = world.node(MemOptions::new(65536).request_alignment(512).build(), &[]);
    let driver = options.build(&image).expect("fits");
    let control = driver.control();
    let node = world.node(driver, &[("image", ChildRole::Filtered, image)]);
    let limits = node.limits();
    // The image pads what is not aligned for it; the filter need not.
    assert_eq!(limits.request_alignment, 1);
    assert_eq!(limits.max_transfer, 1024);
    assert_eq!(limits.max_write_zeroes, 2048);
    assert_eq!(limits.max_discard, 4096);
    // The second of three parts fails.
    let rule = InjectError::new(Event::WRITE_AIO).io_type(IoType::Write);
    control.inject_error(rule.range(1024..1025));
    let backend = world.backend(&node);
    let writing = backend.clone();
    let result = world.run(async move { writing.write(0, Bytes::from_static(&[1; 3072])).await });
    assert_eq!(errno(result), libc::EIO);
    assert_eq!(world.read(&backend, 1023, 2), [1, 0]);
}

#[test]
fn it_uses_and_denies_the_permissions_it_was_told_to() {
    let world = World::simulated();
    let options = BlkdebugOptions::new()
        .take_child_perms(Perm::WRITE)
        .unshare_child_perms(Perm::RESIZE);
    let image = world.node(MemOptions::new(512).build(), &[]);
    let driver = options.build(&image).expect("fits");
    let node = world.node(driver, &[("image", ChildRole::Filtered, image)]);
    let perms = node.child("image").expect("kept").perms();
    assert_eq!(perms.used, Perm::WRITE);
    assert_eq!(perms.shared, Perm::ALL.without(Perm::RESIZE));
}

#[test]
fn every_event_and_kind_is_known_by_its_name() {
    for event in [Event::NONE, Event::PWRITEV_ZERO, Event::FLUSH_TO_OS] {
        assert_eq!(event.name().parse::<Event>().expect("known"), event);
    }
    let error = "foo".parse::<Event>().expect_err("unknown");
    assert_eq!(error.to_string(), "invalid parameter value: foo");
    assert_eq!(
        "write-zeroes".parse::<IoType>().expect("known"),
        IoType::WriteZeroes
    );
}

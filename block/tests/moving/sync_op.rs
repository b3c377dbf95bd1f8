//! The main context asks nodes and backends of another thread for things and waits: the cases `/sync-op/*` of
//! test-block-iothread.c, each with what works and what fails before anything is begun.
//!
//! A negative offset cannot be said here; one that no disk reaches stands for it. There are no compressed
//! writes, no state of a machine in an image, no check of an image in use and no activation after a
//! migration, so `pwrite_compressed`, `load_vmstate`, `save_vmstate`, `check` and `activate` have no
//! counterpart. `preadv`, `pwritev` and their `_part` forms are the same call as `pread` and `pwrite`.

use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};
use blockjob_block::{BlockBackend, BlockError, BlockResult, ErrorKind, Node, Perm, PermPair};
use bytes::{Bytes, BytesMut};

use crate::world::{LAX, World};

const LEN: u64 = 64 << 10;
/// As far as a disk could reach, and then some.
const BEYOND: u64 = u64::MAX - 511;

const EIO: i32 = 5;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;

/// A disk and a backend in another context.
fn prepare(world: &World) {
    world.on(1, |here| {
        here.add("disk", MemOptions::new(LEN).build(), &[]);
        here.backend("drive", "disk", LAX);
    });
}

/// Has something done with the backend, in its context.
fn drive<T: Send + 'static, F: Future<Output = BlockResult<T>> + 'static>(
    world: &World,
    work: impl FnOnce(Rc<BlockBackend>) -> F + Send + 'static,
) -> BlockResult<T> {
    world.co(1, |here| work(here.find_backend("drive")))
}

/// Has something done with the node, in its context.
fn node<T: Send + 'static, F: Future<Output = BlockResult<T>> + 'static>(
    world: &World,
    work: impl FnOnce(Rc<Node>) -> F + Send + 'static,
) -> BlockResult<T> {
    world.co(1, |here| work(here.node("disk")))
}

#[track_caller]
fn fails<T>(result: BlockResult<T>, errno: i32) {
    let error: BlockError = result.err().expect("it must not work");
    assert_eq!(error.errno(), errno, "{error}");
}

in_both_lives! {
    fn pread(world) {
        prepare(&world);
        let read = |at| move |blk: Rc<BlockBackend>| async move {
            let (buf, result) = blk.read(at, BytesMut::zeroed(512)).await;
            result.map(|()| buf.len())
        };
        assert_eq!(drive(&world, read(0)).expect("it lies inside"), 512);
        fails(drive(&world, read(BEYOND)), EIO);
        fails(drive(&world, read(LEN)), EIO);
        let of_node = |at| move |node: Rc<Node>| async move {
            node.co_read(at, BytesMut::zeroed(512)).await.1
        };
        node(&world, of_node(0)).expect("it lies inside");
        fails(node(&world, of_node(BEYOND)), ErrorKind::OutOfRange.errno());
    }

    fn pwrite(world) {
        prepare(&world);
        let write = |at| move |blk: Rc<BlockBackend>| async move {
            blk.write(at, Bytes::from_static(&[1; 512])).await
        };
        drive(&world, write(0)).expect("it lies inside");
        fails(drive(&world, write(BEYOND)), EIO);
        let of_node = |at| move |node: Rc<Node>| async move {
            node.co_write(at, Bytes::from_static(&[1; 512])).await
        };
        node(&world, of_node(0)).expect("it lies inside");
        fails(node(&world, of_node(BEYOND)), ErrorKind::OutOfRange.errno());
    }

    fn pwrite_zeroes(world) {
        prepare(&world);
        let zero = |at| move |blk: Rc<BlockBackend>| async move {
            blk.write_zeroes(at, 512, ZeroFlags::default()).await
        };
        drive(&world, zero(0)).expect("it lies inside");
        fails(drive(&world, zero(BEYOND)), EIO);
    }

    fn pdiscard(world) {
        prepare(&world);
        let discard = |at| move |blk: Rc<BlockBackend>| async move { blk.discard(at, 512).await };
        drive(&world, discard(0)).expect("it lies inside");
        fails(drive(&world, discard(BEYOND)), EIO);
        // A node that does not unmap takes it, and does nothing.
        world.on(1, |here| {
            let disk = here.node("disk");
            let settings = blockjob_block::settings::NodeSettings { unmap: false, ..disk.settings() };
            disk.set_settings(settings);
        });
        drive(&world, discard(0)).expect("it is no error");
    }

    fn truncate(world) {
        prepare(&world);
        let truncate = |len| move |blk: Rc<BlockBackend>| async move { blk.truncate(len).await };
        drive(&world, truncate(2 * LEN)).expect("it can grow");
        assert_eq!(drive(&world, |blk| async move { blk.len() }).expect("it has one"), 2 * LEN);
        fails(drive(&world, truncate(BEYOND)), EINVAL);
    }

    fn truncate_of_what_cannot_be_resized_or_written_to(world) {
        world.on(1, |here| {
            let null = NullCoDriver::new(NullCoOptions { size: LEN, ..Default::default() });
            here.add("null", null, &[]);
            here.backend("fixed", "null", LAX);
            let mem = Box::new(MemOptions::new(LEN).build());
            let disk = here.graph.add_node(Some("ro"), mem, true, &[]).expect("nobody objects");
            here.nodes.borrow_mut().push(disk);
            let read = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);
            here.backend("readonly", "ro", read);
        });
        let truncate = |name: &'static str| {
            world.co(1, move |here| async move { here.find_backend(name).truncate(2 * LEN).await })
        };
        fails(truncate("fixed"), ErrorKind::NotSupported.errno());
        fails(truncate("readonly"), EACCES);
        let write = world.co(1, |here| async move {
            here.find_backend("readonly").write(0, Bytes::from_static(b"no")).await
        });
        assert_eq!(write.expect_err("it is read-only").kind(), ErrorKind::ReadOnly);
    }

    fn block_status(world) {
        prepare(&world);
        let status = |at| move |node: Rc<Node>| async move {
            node.block_status(at, 512).await.map(|status| (status.zero, status.bytes))
        };
        assert_eq!(node(&world, status(0)).expect("it lies inside"), (true, 512));
        // Behind the end everything is zero.
        assert_eq!(node(&world, status(LEN)).expect("it is no error"), (true, 512));
        let above = |node: Rc<Node>| async move {
            node.is_allocated_above(None, 0, LEN).await
        };
        node(&world, above).expect("it lies inside");
    }

    fn flush(world) {
        prepare(&world);
        drive(&world, |blk| async move { blk.flush().await }).expect("it can be flushed");
        node(&world, |node| async move { node.flush().await }).expect("it can be flushed");
        // QEMU's case: also of what is read-only, and of a backend without a medium.
        world.on(1, |here| {
            let empty = BlockBackend::new(&here.graph, "empty", LAX).expect("the name is free");
            here.backends.borrow_mut().push(empty);
        });
        let empty = world.co(1, |here| async move { here.find_backend("empty").flush().await });
        assert_eq!(empty.expect_err("it has no medium").kind(), ErrorKind::NotFound);
    }
}

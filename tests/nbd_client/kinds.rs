//! Servers of all kinds, and what each of them can do.

use std::rc::Rc;

use blockjob::block::driver::ZeroFlags;
use blockjob::block::driver::nbd::NbdDriver;
use blockjob::block::{ErrorKind, Node};
use bytes::{Bytes, BytesMut};

use crate::server::{Server, have, tool};
use crate::world::World;

const MIB: u64 = 1 << 20;

/// Requests of all kinds on the first MiB, drawn from `seed`, several at a time; what is read is what was
/// written. Returns what the disk must hold.
async fn exercise(node: Rc<Node>, seed: u64) -> Vec<u8> {
    let mut model = vec![0; MIB as usize];
    let mut state = seed;
    let mut draw = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..60 {
        // Disjoint quarters, so that what runs at once does not overlap.
        let mut requests = Vec::new();
        for quarter in 0..4 {
            let bytes = draw(40_000) + 1;
            let offset = quarter * (MIB / 4) + draw(MIB / 4 - bytes);
            let range = offset as usize..(offset + bytes) as usize;
            let (node, kind, byte) = (node.clone(), draw(5), draw(256) as u8);
            let expected = model[range.clone()].to_vec();
            match kind {
                0 | 1 => model[range].fill(byte),
                2 => model[range].fill(0),
                _ => {}
            }
            requests.push(async move {
                match kind {
                    0 | 1 => {
                        let data = Bytes::from(vec![byte; bytes as usize]);
                        node.co_write(offset, data).await.expect("a write");
                    }
                    2 => {
                        let may_unmap = byte.is_multiple_of(2);
                        let flags = ZeroFlags {
                            may_unmap,
                            ..ZeroFlags::default()
                        };
                        node.co_write_zeroes(offset, bytes, flags)
                            .await
                            .expect("zeroes");
                    }
                    3 => {
                        let status = node.block_status(offset, bytes).await.expect("a status");
                        let told = &expected[..status.bytes as usize];
                        assert!(!status.zero || told.iter().all(|byte| *byte == 0));
                    }
                    _ => {
                        let (buf, result) =
                            node.co_read(offset, BytesMut::zeroed(bytes as usize)).await;
                        result.expect("a read");
                        assert!(buf == expected, "{bytes} bytes at {offset} are others");
                    }
                }
            });
        }
        let mut requests = requests.into_iter();
        let mut next = || requests.next().expect("there are four");
        let first = futures_lite::future::zip(next(), next());
        let second = futures_lite::future::zip(next(), next());
        futures_lite::future::zip(first, second).await;
    }
    node.flush().await.expect("a flush");
    model
}

fn read_all(world: &World, node: &Rc<Node>) -> Vec<u8> {
    let node = node.clone();
    let (buf, result) =
        world.run(async move { node.co_read(0, BytesMut::zeroed(MIB as usize)).await });
    result.expect("it can be read");
    buf.to_vec()
}

#[test]
fn qemu_nbd_keeps_what_was_written() {
    if !have(&["qemu-nbd", "qemu-img"]) {
        return;
    }
    for format in ["raw", "qcow2"] {
        let world = World::new();
        let image = world.path().join("image");
        let name = image.to_str().expect("a simple name");
        tool("qemu-img", &["create", "-q", "-f", format, name, "1M"]);
        let server = Server::qemu_nbd(world.path(), format, &image);
        let node = world.node(&[]);
        let model = world.run(exercise(node.clone(), 7));
        assert!(
            read_all(&world, &node) == model,
            "{format}: read over the wire"
        );
        drop(node);
        drop(server);
        let model_path = world.path().join("model");
        std::fs::write(&model_path, &model).expect("there is room");
        let model_name = model_path.to_str().expect("a simple name");
        tool(
            "qemu-img",
            &["compare", "-f", "raw", "-F", format, model_name, name],
        );
    }
}

#[test]
fn nbdkit_is_spoken_to_in_the_dialect_that_it_speaks() {
    if !have(&["nbdkit"]) {
        return;
    }
    let dialects: [&[&str]; 6] = [
        &["memory", "1M"],
        // Simple replies, and no block status.
        &["--no-sr", "memory", "1M"],
        // The handshake of old, which cannot say no.
        &["--mask-handshake=0", "memory", "1M"],
        &["--mask-handshake=1", "memory", "1M"],
        // Literal zeroes.
        &["--filter=nozero", "memory", "1M"],
        // Whole blocks alone, and short requests.
        &[
            "--filter=blocksize-policy",
            "memory",
            "1M",
            "blocksize-minimum=4096",
            "blocksize-preferred=4096",
            "blocksize-maximum=32768",
            "blocksize-error-policy=error",
        ],
    ];
    for dialect in dialects {
        let world = World::new();
        let server = Server::nbdkit(world.path(), dialect);
        let node = world.node(&[]);
        let model = world.run(exercise(node.clone(), 11));
        assert!(read_all(&world, &node) == model, "{dialect:?}");
        let driver = node.driver().as_any().downcast_ref::<NbdDriver>();
        assert!(driver.expect("it is one").is_connected(), "{dialect:?}");
        drop(node);
        drop(server);
    }
}

#[test]
fn a_server_that_takes_its_time_has_sixteen_requests_to_work_on() {
    if !have(&["nbdkit"]) {
        return;
    }
    let world = World::new();
    let args = ["--filter=delay", "memory", "1M", "wdelay=20ms"];
    let _server = Server::nbdkit(world.path(), &args);
    let node = world.node(&[]);
    let started: Vec<_> = (0..64u64)
        .map(|index| {
            let node = node.clone();
            let data = Bytes::from(vec![index as u8; 4096]);
            world.start(async move { node.co_write(index * 4096, data).await })
        })
        .collect();
    for started in &started {
        world
            .finish(started)
            .expect("it takes its time, and does it");
    }
    let disk = read_all(&world, &node);
    for (index, block) in disk.chunks(4096).take(64).enumerate() {
        assert!(block.iter().all(|byte| usize::from(*byte) == index));
    }
}

#[test]
fn errors_of_a_server_come_with_its_reasons() {
    if !have(&["nbdkit"]) {
        return;
    }
    let world = World::new();
    let args = [
        "--filter=error",
        "memory",
        "1M",
        "error-pwrite=ENOSPC",
        "error-pread=EIO",
    ];
    let rates = ["error-pwrite-rate=100%", "error-pread-rate=50%"];
    let _server = Server::nbdkit(world.path(), &[&args[..], &rates].concat());
    let node = world.node(&[]);
    world.run(async move {
        let error = node.co_write(0, Bytes::from(vec![1; 512])).await;
        assert_eq!(error.expect_err("it is full").kind(), ErrorKind::NoSpace);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..200 {
            match node.co_read(0, BytesMut::zeroed(512)).await.1 {
                Ok(()) => good += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io);
                    bad += 1;
                }
            }
        }
        // One in two fails: that 200 do so all alike has odds of 2 to the minus 199.
        assert!(good > 0 && bad > 0, "{good} were good and {bad} bad");
    });
}

#[test]
fn an_export_that_is_read_only_is_opened_so_or_not_at_all() {
    if !have(&["nbdkit"]) {
        return;
    }
    let world = World::new();
    let _server = Server::nbdkit(world.path(), &["-r", "memory", "1M"]);
    let error = world.try_node(&[]).expect_err("it cannot be written to");
    assert_eq!(error.desc, "Could not open image: Permission denied");
    assert!(world.node(&[("read-only", "on")]).is_read_only());
    assert!(world.node(&[("auto-read-only", "on")]).is_read_only());
}

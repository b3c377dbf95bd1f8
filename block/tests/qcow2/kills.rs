//! The program is killed at some moment: what was flushed is there, and no cluster that is in use is
//! free, or the image says that it must be looked at.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::qcow2::CreateOptions;
use blockjob_block::{BlockBackend, Node};
use blockjob_runtime::AioContext;
use bytes::Bytes;

use crate::common::{Folder, World, noise};
use crate::peer;
use crate::random::Dice;

const SIZE: usize = 2 << 20;
/// Each round has this much of the disk for itself.
const ROUND_BYTES: usize = 20_000;

/// Says whether an image is marked; finds nothing lost if it is not.
fn look(path: &Path) -> bool {
    let bytes = std::fs::read(path).expect("it is there");
    if bytes[79] & 1 != 0 {
        return true;
    }
    let output = Command::new("qemu-img")
        .args(["check", "-q", "-f", "qcow2"])
        .arg(path)
        .output()
        .expect("the tool starts");
    let text = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    // 3 is for clusters that nobody uses any more: they cost room.
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {text}");
    false
}

async fn round(node: Rc<Node>, backend: Rc<BlockBackend>, number: usize, safe: Rc<Cell<usize>>) {
    let offset = (number * ROUND_BYTES) as u64;
    let data = Bytes::from(noise(number as u8, ROUND_BYTES));
    backend.write(offset, data).await.expect("writes");
    let flags = ZeroFlags {
        may_unmap: true,
        no_fallback: false,
    };
    // So that clusters are given up, too, and given out again.
    let scratch = ((SIZE as u64 / 2) + offset / 2) & !511;
    backend
        .write_zeroes(scratch, 9000, flags)
        .await
        .expect("zeroes");
    let data = Bytes::from(vec![1; 5000]);
    backend.write(scratch + 512, data).await.expect("writes");
    backend.discard(scratch, 8192).await.expect("discards");
    if number % 3 == 2 {
        node.flush().await.expect("flushes");
        safe.set(number + 1);
    }
}

/// Somebody else opens the image: what was flushed is there, and it can be written to.
fn open_again(path: &Path, is_marked: bool, safe: usize) {
    let other = World::real();
    let copy = other.image(&other.file(path, false), false, None);
    let user = other.backend(&copy);
    // Whoever writes to it first repairs it.
    other.write(&user, SIZE as u64 - 512, b"a new life");
    other.flush(&copy);
    if is_marked {
        peer::check(path);
    }
    for number in 0..safe {
        let seen = other.read(&user, (number * ROUND_BYTES) as u64, ROUND_BYTES);
        assert!(seen == noise(number as u8, ROUND_BYTES), "round {number}");
    }
}

#[test]
fn an_image_whose_program_was_killed_is_whole_or_marked() {
    if !peer::peer_is_here() {
        return;
    }
    let folder = Folder::new();
    let (mut marked, mut clean) = (0, 0);
    for (seed, cluster_size) in [(1, 512), (2, 4096), (3, 65536)] {
        let context = AioContext::builder()
            .virtual_time()
            .decide(Rc::new(Dice::new(seed)))
            .build();
        let world = World::on(context);
        let driver = MemOptions::new(0).growable(true).latency_ns(1000).build();
        let disk = driver.disk();
        let file = world.leaf(driver, false);
        let options = CreateOptions {
            cluster_size,
            ..CreateOptions::new(SIZE as u64)
        };
        world.try_create(&file, options).expect("creates");
        let node = world.image(&file, false, None);
        let backend = world.backend(&node);
        let safe = Rc::new(Cell::new(0));
        let ended = Rc::new(Cell::new(false));
        let worker = {
            let (safe, ended) = (safe.clone(), ended.clone());
            world.context.coroutine("guest", async move {
                for number in 0..40 {
                    round(node.clone(), backend.clone(), number, safe.clone()).await;
                }
                ended.set(true);
            })
        };
        worker.wake();
        let mut polls = 0;
        while !ended.get() {
            world.context.poll(true);
            polls += 1;
            if polls % 29 != 0 {
                continue;
            }
            let path = folder.dump("killed", &disk);
            let is_marked = look(&path);
            if is_marked {
                marked += 1;
            } else {
                clean += 1;
            }
            open_again(&path, is_marked, safe.get());
        }
    }
    assert!(
        marked > 5 && clean > 5,
        "both are seen: {marked} and {clean}"
    );
}

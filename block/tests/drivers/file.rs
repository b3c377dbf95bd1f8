//! What `file` alone promises, on real files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use blockjob_block::driver::file::{FileDriver, OpenOptions};
use blockjob_block::driver::{BlockStatus, ZeroFlags};
use blockjob_block::{BlockBackend, ErrorKind, Node, Perm, PermPair};
use bytes::{Bytes, BytesMut};
use tempfile::TempDir;

use super::common::{World, noise};

struct Image {
    _folder: TempDir,
    path: PathBuf,
}

fn image(len: usize) -> Image {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("image");
    std::fs::write(&path, noise(1, len)).expect("the image can be written");
    Image {
        _folder: folder,
        path,
    }
}

fn open(world: &World, path: &Path) -> Rc<Node> {
    world.node(
        FileDriver::open(&OpenOptions::new(path)).expect("opens"),
        &[],
    )
}

fn contents(image: &Image) -> Vec<u8> {
    std::fs::read(&image.path).expect("the image can be read")
}

#[test]
fn a_write_whose_future_is_dropped_goes_on_and_a_drained_section_waits_for_it() {
    // In virtual time the pool runs a job only when the loop has nothing else to do.
    let world = World::simulated();
    let image = image(4096);
    let node = open(&world, &image.path);
    let writing = node.clone();
    world.run(async move {
        let mut write = Box::pin(writing.co_write(5, Bytes::from_static(b"dropped")));
        assert!(futures_lite::future::poll_once(&mut write).await.is_none());
        assert_eq!(writing.in_flight(), 1);
        drop(write);
        assert_eq!(writing.in_flight(), 1, "the system still works on it");
    });
    assert_ne!(
        contents(&image)[5..12],
        *b"dropped",
        "the job has not run yet"
    );
    node.drain("test");
    assert_eq!(node.in_flight(), 0);
    assert_eq!(contents(&image)[5..12], *b"dropped");
}

#[test]
fn many_dropped_writes_all_reach_the_file_before_a_drained_section_begins() {
    let world = World::real();
    let image = image(0);
    let node = open(&world, &image.path);
    let writing = node.clone();
    world.run(async move {
        for index in 0..200u64 {
            let data = Bytes::from(vec![index as u8 + 1; 4096]);
            let mut write = Box::pin(writing.co_write(index * 4096, data));
            // A fast pool may have done with it; then there is nothing to drop.
            let _ = futures_lite::future::poll_once(&mut write).await;
        }
    });
    node.drain("test");
    let contents = contents(&image);
    assert_eq!(contents.len(), 200 * 4096);
    for (index, block) in contents.chunks(4096).enumerate() {
        assert!(block.iter().all(|byte| *byte == index as u8 + 1), "{index}");
    }
    assert_eq!(node.len().expect("has one"), 200 * 4096);
}

#[test]
fn a_context_can_be_closed_while_the_system_works_on_a_request() {
    let world = World::simulated();
    let image = image(4096);
    let node = open(&world, &image.path);
    let writing = node.clone();
    let writer = world.context.coroutine("writer", async move {
        let result = writing.co_write(0, Bytes::from_static(b"x")).await;
        result.expect("nobody sees it");
    });
    {
        let _current = world.context.make_current();
        writer.enter();
    }
    assert_eq!(node.in_flight(), 1);
    drop(world);
    assert_eq!(node.in_flight(), 0, "nobody is left who could wait");
    assert_eq!(Rc::strong_count(&node), 1, "nothing keeps the image open");
}

#[test]
fn a_written_buffer_is_free_again_when_the_write_is_done() {
    let world = World::real();
    let image = image(65536);
    let backend = world.backend(&open(&world, &image.path));
    world.run(async move {
        for _ in 0..100 {
            let data = BytesMut::zeroed(65536).freeze();
            backend.write(0, data.clone()).await.expect("writes");
            data.try_into_mut().expect("nobody else has it");
        }
    });
}

#[test]
fn zeroes_that_may_unmap_make_a_hole_that_block_status_sees() {
    let world = World::real();
    let image = image(1 << 20);
    let node = open(&world, &image.path);
    let backend = world.backend(&node);
    let occupied = || {
        std::fs::metadata(&image.path)
            .expect("it is there")
            .blocks()
    };
    let occupied_before = occupied();
    let [before, hole, after] = world.run(async move {
        let flags = ZeroFlags {
            may_unmap: true,
            no_fallback: false,
        };
        let status = |offset| {
            let node = node.clone();
            async move { node.block_status(offset, 1 << 20).await.expect("answers") }
        };
        let before = status(0).await;
        let result = backend.write_zeroes(65536, 131_072, flags).await;
        result.expect("zeroes");
        [before, status(65536).await, status(196_608).await]
    });
    assert_eq!(before, BlockStatus::data(1 << 20));
    if occupied() == occupied_before {
        println!("skipped: the filesystem of temporary files knows no holes");
        return;
    }
    assert_eq!(hole, BlockStatus::zero(131_072));
    assert_eq!(after, BlockStatus::data((1 << 20) - 196_608));
    assert_eq!(contents(&image)[65536..196_608], [0; 131_072]);
}

#[test]
fn only_zeroes_that_may_unmap_give_storage_back() {
    let world = World::real();
    let image = image(1 << 20);
    let backend = world.backend(&open(&world, &image.path));
    world.run({
        let backend = backend.clone();
        async move { backend.flush().await.expect("flushes") }
    });
    let zero_half = |may_unmap| {
        let backend = backend.clone();
        world.run(async move {
            let flags = ZeroFlags {
                may_unmap,
                no_fallback: false,
            };
            let result = backend.write_zeroes(0, 1 << 19, flags).await;
            result.expect("zeroes");
            backend.flush().await.expect("flushes");
        });
    };
    let storage = || std::fs::metadata(&image.path).expect("exists").blocks() * 512;
    zero_half(false);
    assert!(storage() >= 1 << 20);
    let discarding = backend.clone();
    world.run(async move {
        discarding
            .discard(1 << 19, 1 << 19)
            .await
            .expect("discards")
    });
    if storage() >= 1 << 20 {
        println!("skipped: the filesystem of temporary files cannot punch holes");
        return;
    }
    zero_half(true);
    assert!(storage() < 1 << 18, "{} bytes", storage());
}

#[test]
fn its_length_is_known_and_follows_what_it_does_itself() {
    let world = World::real();
    let image = image(1000);
    let driver = FileDriver::open(&OpenOptions::new(&image.path)).expect("opens");
    let node = world.node(driver, &[]);
    let len = || node.len().expect("has one");
    let writing = node.clone();
    world.run(async move {
        let data = Bytes::from_static(b"longer");
        writing.co_write(1500, data).await.expect("writes");
    });
    assert_eq!(len(), 1506);
    let backend = world.backend(&node);
    world.run(async move { backend.truncate(10).await.expect("resizes") });
    assert_eq!(len(), 10);
    // Somebody else's change is seen when it is asked for.
    std::fs::write(&image.path, [0; 77]).expect("writes");
    assert_eq!(len(), 10);
    let driver: &FileDriver = node.driver().as_any().downcast_ref().expect("is one");
    assert_eq!(driver.refresh_length().expect("answers"), 77);
    assert_eq!(len(), 77);
}

#[test]
fn two_users_that_do_not_get_on_are_told_apart_by_image_locks() {
    let (first, second) = (World::real(), World::real());
    let image = image(4096);
    let exclusive = PermPair::new(Perm::WRITE, Perm::ALL.without(Perm::WRITE));
    let insert = |world: &World| {
        let node = open(world, &image.path);
        let backend = BlockBackend::new(&world.graph, "", exclusive).expect("unnamed");
        backend.insert(&node).map(|()| (node, backend))
    };
    let (node, holder) = insert(&first).expect("nobody else is there");
    let error = insert(&second).expect_err("somebody is there");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(error.to_string(), "Failed to get \"write\" lock");
    first.write(&holder, 0, b"still works");
    drop(holder);
    insert(&second).expect("he has gone");
    drop(node);
}

#[test]
fn an_image_that_is_open_read_only_is_not_written_to() {
    let world = World::real();
    let image = image(4096);
    let options = OpenOptions::new(&image.path).read_only(true);
    let driver = FileDriver::open(&options).expect("opens");
    let node = world.node(driver, &[]);
    let writing = node.clone();
    world.run(async move {
        let error = writing.co_write(0, Bytes::from_static(b"x")).await;
        assert_eq!(error.expect_err("refused").kind(), ErrorKind::ReadOnly);
        writing.flush().await.expect("there is nothing to flush");
    });
    assert_eq!(contents(&image), noise(1, 4096));
}

#[test]
fn past_the_page_cache_odd_requests_are_padded() {
    let world = World::real();
    let image = image(8192);
    let options = OpenOptions::new(&image.path).direct(true);
    let driver = match FileDriver::open(&options) {
        Ok(driver) => driver,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    let node = world.node(driver, &[]);
    assert!(node.limits().request_alignment >= 512);
    let backend = world.backend(&node);
    world.write(&backend, 511, b"over the border");
    let mut expected = noise(1, 8192);
    expected[511..526].copy_from_slice(b"over the border");
    assert_eq!(world.read(&backend, 1, 8191), &expected[1..]);
    assert_eq!(contents(&image), expected);
}

const SMALL_FILESYSTEM: &str = "BLOCKJOB_TEST_SMALL_FILESYSTEM";
const CANNOT_MOUNT: i32 = 77;

/// Runs itself again in a mount namespace of its own, where a filesystem of 1 MiB is mounted.
#[test]
fn a_full_filesystem_is_told_as_no_space_and_what_fitted_is_there() {
    if let Some(folder) = std::env::var_os(SMALL_FILESYSTEM) {
        fill_up(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs \"$1\" || exit {CANNOT_MOUNT}\n\
         {SMALL_FILESYSTEM}=\"$1\" exec \"$2\" --exact --nocapture \"$3\""
    );
    let output = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("known"))
        .arg("file::a_full_filesystem_is_told_as_no_space_and_what_fitted_is_there")
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("1 passed"), "it ran no test:\n{text}");
        }
        Ok(output) if output.status.code() != Some(101) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            println!("skipped: no small filesystem can be mounted: {reason}");
        }
        Ok(output) => panic!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: unshare cannot be run: {error}"),
    }
}

fn fill_up(folder: &Path) {
    let path = folder.join("image");
    let file = std::fs::File::create(&path).expect("the image can be made");
    file.set_len(4 << 20).expect("it is sparse");
    let world = World::real();
    let node = open(&world, &path);
    let backend = world.backend(&node);
    let written = world.run({
        let backend = backend.clone();
        async move {
            let mut written = 0;
            loop {
                let data = Bytes::from(noise(2, 65536));
                match backend.write(written, data).await {
                    Ok(()) => written += 65536,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                        break written;
                    }
                }
            }
        }
    });
    assert!((1 << 19..=1 << 20).contains(&written), "{written} bytes");
    assert_eq!(
        world.read(&backend, written - 65536, 65536),
        noise(2, 65536)
    );
    assert_eq!(node.len().expect("has one"), 4 << 20);
}

#[test]
fn a_file_of_odd_length_does_not_grow_when_its_last_block_is_written_past_the_page_cache() {
    let world = World::real();
    let len = 3 * 4096 + 1234;
    let image = image(len);
    let driver = match FileDriver::open(&OpenOptions::new(&image.path).direct(true)) {
        Ok(driver) => driver,
        Err(error) => {
            println!("skipped: no direct I/O here: {error}");
            return;
        }
    };
    let node = world.node(driver, &[]);
    let writing = node.clone();
    world.run(async move {
        let tail = Bytes::from(vec![7; 2000]);
        let offset = len as u64 - 2000;
        writing.co_write(offset, tail).await.expect("writes");
        let zeroes = writing.co_write_zeroes(len as u64 - 100, 100, ZeroFlags::default());
        zeroes.await.expect("zeroes");
    });
    assert_eq!(node.len().expect("is known"), len as u64);
    let mut expected = noise(1, len);
    expected[len - 2000..].fill(7);
    expected[len - 100..].fill(0);
    assert!(contents(&image) == expected);
}

/// An image in memory, if there is a place for one here.
fn image_in_memory(len: usize) -> Option<Image> {
    let folder = tempfile::tempdir_in("/dev/shm").ok()?;
    let path = folder.path().join("image");
    std::fs::write(&path, noise(1, len)).ok()?;
    Some(Image {
        _folder: folder,
        path,
    })
}

#[test]
fn small_requests_that_wait_for_nothing_are_done_at_once_and_not_too_many_in_a_row() {
    let Some(image) = image_in_memory(1 << 20) else {
        eprintln!("nothing was tried: there is no /dev/shm");
        return;
    };
    // In virtual time the pool runs a job only when the loop has nothing else to do.
    let world = World::simulated();
    let driver = FileDriver::open(&OpenOptions::new(&image.path)).expect("opens");
    let node = world.node(driver, &[]);
    let driver = |node: &Node| {
        let driver = node.driver().as_any().downcast_ref::<FileDriver>();
        driver.expect("it was made here").requests_at_once()
    };
    world.run(async move {
        let data = || Bytes::from(vec![7; 4096]);
        let mut write = Box::pin(node.co_write(4096, data()));
        let written = futures_lite::future::poll_once(&mut write).await;
        written.expect("at once").expect("the image can be written");
        assert_eq!(driver(&node), 1);
        let mut read = Box::pin(node.co_read(4096, BytesMut::zeroed(4096)));
        let (read, result) = futures_lite::future::poll_once(&mut read)
            .await
            .expect("at once");
        result.expect("the image can be read");
        assert_eq!(read, data());
        assert_eq!(driver(&node), 2);
        // A long one takes the long way, and a short one then waits for its turn.
        let mut long = Box::pin(node.co_write(0, Bytes::from(vec![1; 1 << 20])));
        assert!(futures_lite::future::poll_once(&mut long).await.is_none());
        let mut short = Box::pin(node.co_write(0, data()));
        assert!(futures_lite::future::poll_once(&mut short).await.is_none());
        let (long, short) = futures_lite::future::zip(long, short).await;
        long.and(short).expect("the image can be written");
        // Whoever goes on without a pause lets others have their turn.
        let mut at_once = 0;
        loop {
            let mut write = Box::pin(node.co_write(0, data()));
            if futures_lite::future::poll_once(&mut write).await.is_none() {
                write.await.expect("the image can be written");
                break;
            }
            at_once += 1;
            assert!(at_once < 1000, "it keeps the loop to itself");
        }
    });
}

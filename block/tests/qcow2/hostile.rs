//! Images that are broken, or made to break us: refused in the peer's words, and never more than
//! refused.

use std::path::Path;

use blockjob_block::ErrorKind;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::qcow2::{CreateOptions, Qcow2Driver, probe};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::common::{Folder, World, noise};
use crate::peer;

fn word32(value: u32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn word64(value: u64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// Says how an image is refused, if it is.
fn refused(world: &World, path: &Path, read_only: bool) -> Option<String> {
    let file = world.file(path, true);
    let opened = world.try_open(&file, read_only);
    opened.err().map(|error| error.to_string())
}

type Edits = Vec<(usize, Vec<u8>)>;

fn broken_headers() -> Vec<(&'static str, Edits)> {
    vec![
        ("no magic", vec![(0, b"X".to_vec())]),
        ("version 1", vec![(4, word32(1))]),
        ("version 4", vec![(4, word32(4))]),
        ("small clusters", vec![(20, word32(8))]),
        ("large clusters", vec![(20, word32(22))]),
        ("clusters of no size", vec![(20, word32(64))]),
        ("short header", vec![(100, word32(100))]),
        ("long header", vec![(100, word32(70_000))]),
        ("far backing file", vec![(8, word64(70_000))]),
        (
            "long backing file",
            vec![(8, word64(1000)), (16, word32(2000))],
        ),
        ("unknown feature", vec![(72, word64(1 << 5))]),
        ("unknown features", vec![(72, word64(1 << 5 | 1 << 63))]),
        ("named feature", vec![(72, word64(1 << 5)), (0x79, vec![5])]),
        (
            "feature named far away",
            vec![(72, word64(1 << 5)), (0x79, vec![200])],
        ),
        ("compression without need", vec![(72, word64(1 << 3))]),
        (
            "compression of type 5",
            vec![(72, word64(1 << 3)), (104, vec![5])],
        ),
        ("compression without the bit", vec![(104, vec![1])]),
        ("wide refcounts", vec![(96, word32(7))]),
        ("encryption of type 3", vec![(32, word32(3))]),
        ("no refcount table", vec![(56, word32(0))]),
        ("large refcount table", vec![(56, word32(1000))]),
        ("crooked refcount table", vec![(48, word64(1))]),
        (
            "far refcount table",
            vec![(48, word64(0xffff_ffff_ffff_0000))],
        ),
        ("many snapshots", vec![(60, word32(70_000))]),
        ("crooked snapshots", vec![(60, word32(1)), (64, word64(3))]),
        ("large L1 table", vec![(36, word32(5_000_000))]),
        ("crooked L1 table", vec![(40, word64(5))]),
        ("small L1 table", vec![(36, word32(0))]),
        ("large disk", vec![(24, word64(1 << 62))]),
        ("negative disk", vec![(24, word64(1 << 63))]),
        (
            "disk that is a little too large",
            vec![(24, word64(1 << 60))],
        ),
        ("large extension", vec![(0x74, word32(0x7fff_ffff))]),
    ]
}

#[test]
fn a_broken_header_is_refused_in_the_words_of_the_peer() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let good = folder.path("good");
    peer::make(&good, "", "10M");
    let good = std::fs::read(&good).expect("it is there");
    for (name, edits) in broken_headers() {
        let mut bytes = good.clone();
        for (at, edit) in edits {
            bytes[at..at + edit.len()].copy_from_slice(&edit);
        }
        let path = folder.file("broken", &bytes);
        let theirs = peer::refusal(&path);
        assert!(theirs.is_some(), "{name}: the peer takes it");
        assert_eq!(refused(&world, &path, true), theirs, "{name}");
        assert_eq!(refused(&world, &path, false), theirs, "{name}, for writing");
    }
    for len in [0, 4, 8, 71, 72, 100, 103] {
        let path = folder.file("cut", &good[..len]);
        assert_eq!(
            refused(&world, &path, true),
            peer::refusal(&path),
            "cut at {len}"
        );
    }
}

#[test]
fn what_is_not_supported_is_named() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let data = folder.path("data");
    for (options, text) in [
        (
            "extended_l2=on",
            "Unsupported qcow2 feature(s): extended L2 entries",
        ),
        (
            "compression_type=zstd",
            "Unsupported qcow2 feature(s): compression type",
        ),
        (
            &*format!("data_file={}", data.to_str().expect("plain")),
            "Unsupported qcow2 feature(s): external data file",
        ),
    ] {
        let path = folder.path("image");
        peer::make(&path, options, "1M");
        assert_eq!(refused(&world, &path, true).as_deref(), Some(text));
    }
    let path = folder.path("secret");
    peer::tool(
        "qemu-img",
        &[
            "create",
            "-q",
            "--object",
            "secret,id=s,data=abc",
            "-f",
            "qcow2",
            "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
            path.to_str().expect("plain"),
            "1M",
        ],
    );
    let text = "Images encrypted with LUKS are not supported";
    assert_eq!(refused(&world, &path, true).as_deref(), Some(text));
}

#[test]
fn an_image_that_writes_would_damage_is_read_and_not_written() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let path = folder.path("image");
    peer::make(&path, "", "1M");
    peer::io(&path, &["write -P 9 0 64k"]);
    let plain = std::fs::read(&path).expect("it is there");
    let name = path.to_str().expect("plain");
    peer::tool("qemu-img", &["bitmap", "--add", "-f", "qcow2", name, "b"]);
    let with_bitmap = std::fs::read(&path).expect("it is there");
    let marked = |bits: u64| {
        let mut bytes = plain.clone();
        bytes[72..80].copy_from_slice(&bits.to_be_bytes());
        bytes
    };
    for (bytes, word) in [
        (with_bitmap, "persistent bitmaps"),
        (
            marked(2),
            "qcow2: Image is corrupt; cannot be opened read/write",
        ),
    ] {
        let path = folder.file("marked", &bytes);
        let text = refused(&world, &path, false).expect("it is refused");
        assert!(text.contains(word), "{text}");
        let node = world.image(&world.file(&path, true), true, None);
        let backend = world.backend(&node);
        assert!(world.read(&backend, 0, 65536).iter().all(|byte| *byte == 9));
        let driver = node.driver().as_any().downcast_ref::<Qcow2Driver>();
        assert!(driver.expect("it is one").check_writable().is_err());
        drop(backend);
        drop(node);
        assert!(
            std::fs::read(&path).expect("it is there") == bytes,
            "nothing is written"
        );
    }
}

#[test]
fn it_is_told_by_its_first_bytes() {
    assert_eq!(probe(b"QFI\xfb\0\0\0\x02"), 100);
    assert_eq!(probe(b"QFI\xfb\0\0\0\x03 and more"), 100);
    assert_eq!(probe(b"QFI\xfb\0\0\0\x01"), 0);
    assert_eq!(probe(b"QFI\xfb"), 0);
    assert_eq!(probe(b""), 0);
    assert_eq!(probe(&[0; 512]), 0);
}

/// An image with all kinds of clusters, of 64 KiB in clusters of 512 bytes.
fn specimen(world: &World, version: u32) -> Vec<u8> {
    let (file, disk) = world.memory();
    let options = CreateOptions {
        cluster_size: 512,
        version,
        ..CreateOptions::new(64 << 10)
    };
    world.try_create(&file, options).expect("creates");
    let node = world.image(&file, false, None);
    let backend = world.backend(&node);
    world.write(&backend, 1000, &noise(1, 20_000));
    world.zero(&backend, 4096, 2048, false);
    world.discard(&backend, 10_240, 1024);
    world.flush(&node);
    let mut bytes = vec![0; disk.len() as usize];
    disk.read_at(0, &mut bytes);
    bytes
}

/// Uses an image for all that one can do with it. Errors are fine.
fn use_it(world: &World, bytes: &[u8], read_only: bool) {
    let driver = MemOptions::new(bytes.len() as u64).growable(true).build();
    driver.disk().write_at(0, bytes);
    let file = world.leaf(driver, read_only);
    let Ok(opened) = world.try_open(&file, read_only) else {
        return;
    };
    let children = [("file", blockjob_block::child::ChildRole::Data, file)];
    let node = world
        .graph
        .add_node(None, Box::new(opened.driver), read_only, &children)
        .expect("nobody objects");
    world.run(async move {
        let len = node.len().expect("a length").min(64 << 10);
        for offset in [0, 777, 5000, 20_000, 60_000] {
            let bytes = 9000.min(len.saturating_sub(offset));
            let _ = node.co_read(offset, BytesMut::zeroed(bytes as usize)).await;
            let _ = node.block_status(offset, bytes).await;
            if !read_only {
                let flags = ZeroFlags::default();
                let data = Bytes::from(noise(3, bytes as usize));
                let _ = node.co_write(offset, data).await;
                let _ = node.co_write_zeroes(offset + 100, bytes / 2, flags).await;
                let _ = node.co_discard(offset, bytes).await;
                let _ = node.flush().await;
            }
        }
        if !read_only {
            let _ = node.co_truncate(128 << 10).await;
            let _ = node.co_truncate(512).await;
            let _ = node.flush().await;
        }
    });
}

#[derive(Clone, Debug)]
struct Edit {
    /// Which word of the metadata, from its beginning.
    word: usize,
    value: u64,
    /// Whether the value replaces the word, or is mixed into it.
    replace: bool,
}

fn edit() -> impl Strategy<Value = Edit> {
    let value = prop_oneof![
        (0_u32..64).prop_map(|bit| 1 << bit),
        any::<u64>(),
        (0_u64..200).prop_map(|cluster| (cluster * 512) | (1 << 63)),
        (0_u64..200).prop_map(|cluster| cluster * 512),
        Just(u64::MAX),
        Just(0),
    ];
    // Most words of the first clusters are used: header, tables, refcounts.
    let word = prop_oneof![0_usize..20, 0_usize..1024, 0_usize..8000];
    (word, value, any::<bool>()).prop_map(|(word, value, replace)| Edit {
        word,
        value,
        replace,
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_mangled_image_gives_errors_at_worst(
        version in 2_u32..=3,
        edits in prop::collection::vec(edit(), 1..6),
        read_only in any::<bool>(),
    ) {
        let world = World::simulated();
        let mut bytes = specimen(&world, version);
        let words = bytes.len() / 8;
        for Edit { word, value, replace } in edits {
            let at = word % words * 8;
            let old = u64::from_be_bytes(bytes[at..at + 8].try_into().expect("a word"));
            let new = if replace { value } else { old ^ value };
            bytes[at..at + 8].copy_from_slice(&new.to_be_bytes());
        }
        use_it(&world, &bytes, read_only);
    }
}

#[test]
fn bad_options_are_refused_in_the_words_of_the_peer() {
    let world = World::simulated();
    let (file, disk) = world.memory();
    let refused = |change: fn(&mut CreateOptions)| {
        let mut options = CreateOptions::new(1 << 20);
        change(&mut options);
        let error = world.try_create(&file, options).expect_err("it is refused");
        assert_eq!(disk.len(), 0, "nothing was written");
        (error.kind(), error.to_string())
    };
    let level = "compatibility level 1.1 and above (use version=v3 or greater)";
    let invalid = |text: &str| (ErrorKind::Invalid, text.to_owned());
    assert_eq!(
        refused(|o| o.size = 1000),
        invalid("Image size must be a multiple of 512 bytes")
    );
    for size in [0, 256, 500, 100 << 10, 4 << 20] {
        let mut options = CreateOptions::new(1 << 20);
        options.cluster_size = size;
        let error = world.try_create(&file, options).expect_err("it is refused");
        let text = "Cluster size must be a power of two between 512 and 2048k";
        assert_eq!(error.to_string(), text);
    }
    let text = "Refcount width must be a power of two and may not exceed 64 bits";
    assert_eq!(refused(|o| o.refcount_bits = 3), invalid(text));
    assert_eq!(refused(|o| o.refcount_bits = 128), invalid(text));
    assert_eq!(refused(|o| o.refcount_bits = 0), invalid(text));
    assert_eq!(
        refused(|o| (o.version, o.refcount_bits) = (2, 8)),
        invalid(
            "Different refcount widths than 16 bits require compatibility level 1.1 or above \
             (use version=v3 or greater)"
        )
    );
    assert_eq!(
        refused(|o| (o.version, o.lazy_refcounts) = (2, true)),
        invalid(&format!("Lazy refcounts only supported with {level}"))
    );
    assert_eq!(
        refused(|o| (o.version, o.extended_l2) = (2, true)),
        invalid(&format!(
            "Extended L2 entries are only supported with {level}"
        ))
    );
    assert_eq!(
        refused(|o| o.backing_format = Some("raw".into())),
        invalid("Backing format cannot be used without backing file")
    );
    assert_eq!(
        refused(|o| (o.size, o.cluster_size) = (200 << 30, 512)),
        (
            ErrorKind::OutOfRange,
            "The image size is too large for file format 'qcow2' (try using a larger cluster size)"
                .to_owned()
        )
    );
    assert_eq!(
        refused(|o| o.compression_type = "zstd".into()).0,
        ErrorKind::NotSupported
    );
    assert_eq!(refused(|o| o.extended_l2 = true).0, ErrorKind::NotSupported);
}

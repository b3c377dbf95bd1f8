//! Images that the peer has made, and images that it is shown.

use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::qcow2::{CreateOptions, Preallocation};
use blockjob_block::driver::raw::{RawDriver, RawOptions};

use crate::common::{Folder, World, noise};
use crate::peer;

/// Every cluster size, and what it is called.
const CLUSTER_SIZES: [u64; 13] = [
    512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131_072, 262_144, 524_288, 1_048_576,
    2_097_152,
];

#[test]
fn an_image_of_the_peer_reads_as_it_was_written_in_each_cluster_size() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    for (index, cluster_size) in CLUSTER_SIZES.into_iter().enumerate() {
        for compat in ["1.1", "0.10"] {
            let path = folder.path(&format!("{cluster_size}-{compat}"));
            let options = format!("cluster_size={cluster_size},compat={compat}");
            peer::make(&path, &options, "5M");
            peer::io(
                &path,
                &[
                    "write -P 7 100k 1234k",
                    "write -P 9 3M 512",
                    "write -P 3 5119k 1k",
                ],
            );
            let mut expected = vec![0; 5 << 20];
            expected[100 << 10..1334 << 10].fill(7);
            expected[3 << 20..(3 << 20) + 512].fill(9);
            expected[5119 << 10..].fill(3);
            let file = world.file(&path, true);
            let node = world.image(&file, true, None);
            let backend = world.backend(&node);
            assert_eq!(node.len().expect("a length"), 5 << 20);
            let got = world.read(&backend, 0, 5 << 20);
            assert!(got == expected, "{options}");
            let odd = 100_000 + index;
            assert!(world.read(&backend, odd as u64, 77_777) == expected[odd..odd + 77_777]);
        }
    }
}

#[test]
fn what_is_written_to_an_image_is_read_by_the_peer_in_each_cluster_size() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    for cluster_size in CLUSTER_SIZES {
        for (version, refcount_bits) in [(3, 16), (2, 16), (3, 1), (3, 64)] {
            let path = folder.file(&format!("{cluster_size}-{version}-{refcount_bits}"), b"");
            let file = world.file(&path, false);
            let options = CreateOptions {
                cluster_size,
                version,
                refcount_bits,
                ..CreateOptions::new(5 << 20)
            };
            world.try_create(&file, options).expect("creates");
            peer::check(&path);
            let node = world.image(&file, false, None);
            let backend = world.backend(&node);
            let mut expected = vec![0; 5 << 20];
            for (seed, offset, len) in [
                (1, 12_345, 1_234_567),
                (2, 3 << 20, 512),
                (3, (5 << 20) - 99, 99),
            ] {
                let data = noise(seed, len);
                world.write(&backend, offset as u64, &data);
                expected[offset..offset + len].copy_from_slice(&data);
            }
            assert!(world.read(&backend, 0, 5 << 20) == expected);
            world.flush(&node);
            peer::check(&path);
            let raw = folder.file("raw", &expected);
            peer::compare(&path, &raw);
        }
    }
}

#[test]
fn an_image_that_is_preallocated_is_good_and_reads_as_zeroes() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    for preallocation in [
        Preallocation::Metadata,
        Preallocation::Falloc,
        Preallocation::Full,
    ] {
        let path = folder.file(&format!("{preallocation:?}"), b"left over");
        let file = world.file(&path, false);
        let options = CreateOptions {
            preallocation,
            cluster_size: 4096,
            ..CreateOptions::new((3 << 20) + 512)
        };
        world.try_create(&file, options).expect("creates");
        peer::check(&path);
        let raw = folder.file("raw", &vec![0; (3 << 20) + 512]);
        peer::compare(&path, &raw);
        let len = std::fs::metadata(&path).expect("it is there").len();
        assert!(len >= 3 << 20, "{len}");
    }
}

#[test]
fn an_image_on_a_device_that_cannot_be_resized_shows_nothing_of_what_was_there() {
    let world = World::simulated();
    for preallocation in [Preallocation::Off, Preallocation::Metadata] {
        let driver = MemOptions::new(2 << 20).fill(Fill::Noise(7)).build();
        let disk = driver.disk();
        let memory = world.leaf(driver, false);
        let window = RawOptions {
            offset: 0,
            size: Some(2 << 20),
        };
        let driver = RawDriver::new(window, 2 << 20).expect("it fits");
        let children = [("file", RawDriver::child_role(window), memory)];
        let file = world
            .graph
            .add_node(None, Box::new(driver), false, &children)
            .expect("nobody objects");
        let options = CreateOptions {
            preallocation,
            ..CreateOptions::new(1 << 20)
        };
        world.try_create(&file, options).expect("creates");
        let node = world.image(&file, false, None);
        let backend = world.backend(&node);
        assert!(world.read(&backend, 0, 1 << 20) == vec![0; 1 << 20]);
        world.write(&backend, 100_000, b"data");
        let mut expected = vec![0; 1 << 20];
        expected[100_000..100_004].copy_from_slice(b"data");
        assert!(world.read(&backend, 0, 1 << 20) == expected);
        world.flush(&node);
        if peer::peer_is_here() {
            let folder = Folder::new();
            let path = folder.dump("image", &disk);
            peer::check(&path);
            peer::compare(&path, &folder.file("raw", &expected));
        }
    }
}

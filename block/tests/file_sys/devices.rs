//! Block devices, by way of a loop device where the tests may make one.

use std::path::{Path, PathBuf};
use std::process::Command;

use blockjob_block::driver::file::{FileKind, OpenOptions, ZeroFlags};
use blockjob_block::error::ErrorKind;
use rustix::fs::{CWD, FileType, Mode};

use crate::common::{Scratch, noise};

const LENGTH: usize = 1 << 20;

/// A block device on a file, taken away with the test.
struct LoopDevice(PathBuf);

impl LoopDevice {
    fn on(file: &Path, arguments: &[&str]) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .args(arguments)
            .arg(file)
            .output();
        match output {
            Ok(output) if output.status.success() => {
                let name = String::from_utf8(output.stdout).expect("a path");
                Some(Self(PathBuf::from(name.trim())))
            }
            _ => {
                println!("skipped: no loop device can be made here (it needs root)");
                None
            }
        }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn a_block_device_has_a_fixed_length_and_takes_all_requests() {
    let scratch = Scratch::with(&noise(LENGTH));
    let Some(device) = LoopDevice::on(&scratch.image, &[]) else {
        return;
    };
    let handle = OpenOptions::new(&device.0).open().expect("opens");
    assert_eq!(handle.kind(), FileKind::BlockDevice);
    assert_eq!(handle.size().expect("a length"), LENGTH as u64);

    handle.pwrite(4096, &[7; 4096]).expect("written");
    for (offset, may_unmap) in [(8192, false), (16_384, true)] {
        let flags = ZeroFlags {
            may_unmap,
            no_fallback: false,
        };
        handle.write_zeroes(offset, 4096, flags).expect("zeroed");
    }
    handle.flush().expect("flushed");
    let mut expected = noise(LENGTH);
    expected[4096..8192].fill(7);
    expected[8192..12_288].fill(0);
    expected[16_384..20_480].fill(0);
    let mut buffer = vec![0; LENGTH];
    handle.pread(0, &mut buffer).expect("read");
    assert!(buffer == expected);

    // An unaligned discard is not possible there, and no error.
    handle.discard(100, 1000).expect("ignored");
    let end = LENGTH as u64;
    handle
        .truncate(end - 512)
        .expect("a device may be longer than asked");
    let error = handle.truncate(end + 512).expect_err("it cannot grow");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = handle.pwrite(end, &[1; 512]).expect_err("behind the end");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let error = handle
        .write_zeroes(end - 512, 1024, ZeroFlags::default())
        .expect_err("behind the end");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(handle.size().expect("a length"), end);
}

#[test]
fn two_nodes_of_one_device_are_the_same_image() {
    let scratch = Scratch::with(&noise(LENGTH));
    let Some(device) = LoopDevice::on(&scratch.image, &[]) else {
        return;
    };
    let number = rustix::fs::stat(&device.0).expect("exists").st_rdev;
    let node = scratch.folder.path().join("node");
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, &node, FileType::BlockDevice, mode, number)
        .expect("who makes loop devices makes nodes");
    let handle = OpenOptions::new(&device.0).open().expect("opens");
    let other = match OpenOptions::new(&node).direct(true).read_only(true).open() {
        Ok(other) => other,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            println!("skipped: the temporary folder's filesystem has no device nodes");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(handle.identity(), other.identity());
    assert_ne!(handle.identity(), scratch.open().identity());
    assert_eq!(other.alignment().request_bytes, 512);
}

#[test]
fn a_device_that_somebody_has_to_himself_is_not_opened_for_writing() {
    let scratch = Scratch::with(&noise(LENGTH));
    let Some(device) = LoopDevice::on(&scratch.image, &[]) else {
        return;
    };
    // As a mount does, and as any open for writing of ours.
    let held = OpenOptions::new(&device.0).open().expect("opens");
    let error = OpenOptions::new(&device.0).open().expect_err("held");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.hint().expect("says why").contains("mounted"));
    drop(held);
    OpenOptions::new(&device.0).open().expect("free again");
}

#[test]
fn a_write_protected_device_is_refused_when_it_is_opened_not_at_the_first_write() {
    let scratch = Scratch::with(&noise(LENGTH));
    let Some(device) = LoopDevice::on(&scratch.image, &["--read-only"]) else {
        return;
    };
    let error = OpenOptions::new(&device.0).open().expect_err("protected");
    assert!(
        matches!(
            error.kind(),
            ErrorKind::ReadOnly | ErrorKind::PermissionDenied
        ),
        "{error}"
    );
    OpenOptions::new(&device.0)
        .read_only(true)
        .open()
        .expect("may be read");
}

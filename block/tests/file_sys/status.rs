//! Data and holes.

use blockjob_block::driver::file::{BlockStatus, Extent, FileHandle};

use crate::common::{Scratch, noise};

const MIB: u64 = 1 << 20;

fn all_extents(handle: &FileHandle, length: u64) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut offset = 0;
    while offset < length {
        let extent = handle
            .block_status(offset, length - offset)
            .expect("a status");
        assert!(
            extent.bytes > 0 && extent.bytes <= length - offset,
            "{extent:?}"
        );
        offset += extent.bytes;
        match extents.last_mut() {
            Some(last) if last.status == extent.status => last.bytes += extent.bytes,
            _ => extents.push(extent),
        }
    }
    extents
}

fn extent(status: BlockStatus, bytes: u64) -> Extent {
    Extent { status, bytes }
}

/// 4 MiB with data in the second one; none where the filesystem does not tell its holes.
fn sparse_image() -> Option<Scratch> {
    let scratch = Scratch::with(b"");
    let handle = scratch.open();
    handle.truncate(4 * MIB).expect("grown");
    handle.pwrite(MIB, &noise(MIB as usize)).expect("written");
    // Asked past the code under test, or a driver that finds no holes would skip its own test.
    if rustix::fs::seek(&handle, rustix::fs::SeekFrom::Data(0)) != Ok(MIB) {
        println!("skipped: the filesystem of the temporary folder does not tell its holes");
        return None;
    }
    Some(scratch)
}

#[test]
fn data_between_two_holes_is_found_with_its_borders() {
    let Some(scratch) = sparse_image() else {
        return;
    };
    assert_eq!(
        all_extents(&scratch.open(), 4 * MIB),
        [
            extent(BlockStatus::Zero, MIB),
            extent(BlockStatus::Data, MIB),
            extent(BlockStatus::Zero, 2 * MIB),
        ]
    );
}

#[test]
fn an_answer_reaches_no_further_than_the_question() {
    let Some(scratch) = sparse_image() else {
        return;
    };
    let handle = scratch.open();
    let status = |offset, length| handle.block_status(offset, length).expect("a status");
    assert_eq!(status(4096, 512), extent(BlockStatus::Zero, 512));
    assert_eq!(status(MIB + 4096, 512), extent(BlockStatus::Data, 512));
    assert_eq!(status(3 * MIB, 512), extent(BlockStatus::Zero, 512));
}

#[test]
fn behind_the_end_all_is_zero() {
    let scratch = Scratch::with(&noise(1000));
    let handle = scratch.open();
    assert_eq!(
        handle.block_status(0, 4096).expect("a status"),
        extent(BlockStatus::Data, 1000)
    );
    for offset in [1000, 1 << 40] {
        assert_eq!(
            handle.block_status(offset, 4096).expect("a status"),
            extent(BlockStatus::Zero, 4096)
        );
    }
}

#[test]
#[should_panic(expected = "empty range")]
fn a_question_about_nothing_is_a_bug_of_the_asker() {
    let _ = Scratch::with(b"x").open().block_status(0, 0);
}

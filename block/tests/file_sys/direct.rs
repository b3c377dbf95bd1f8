//! `O_DIRECT`: how it wants its requests, and that buffers of any alignment will do.

use std::io::{IoSlice, IoSliceMut};

use blockjob_block::driver::file::{Alignment, FileHandle, OpenOptions, probe_by_reading};
use blockjob_block::error::ErrorKind;
use rustix::io::Errno;

use crate::common::{Scratch, noise};

fn open_direct(scratch: &Scratch) -> Option<FileHandle> {
    match OpenOptions::new(&scratch.image).direct(true).open() {
        Ok(handle) => Some(handle),
        Err(error) if error.kind() == ErrorKind::NotSupported => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn through_the_page_cache_nothing_need_be_aligned() {
    let handle = Scratch::with(b"x").open();
    assert_eq!(handle.alignment(), Alignment::NONE);
    assert!(!handle.is_direct());
}

#[test]
fn direct_io_takes_buffers_of_any_alignment() {
    let scratch = Scratch::with(&noise(64 << 10));
    let Some(handle) = open_direct(&scratch) else {
        return;
    };
    let align = handle.alignment().request_bytes as usize;
    assert!(align.is_power_of_two() && align <= 64 << 10, "{align}");
    for shift in 0..3 {
        let data: Vec<u8> = noise(shift + 2 * align).into_iter().rev().collect();
        handle
            .pwrite(align as u64, &data[shift..])
            .expect("written");
        let mut buffer = vec![0; shift + 2 * align];
        handle
            .pread(align as u64, &mut buffer[shift..])
            .expect("read");
        assert!(buffer[shift..] == data[shift..]);
    }
}

#[test]
fn direct_io_takes_odd_pieces_that_make_up_an_aligned_whole() {
    let scratch = Scratch::with(&noise(64 << 10));
    let Some(handle) = open_direct(&scratch) else {
        return;
    };
    let align = handle.alignment().request_bytes as usize;
    let data: Vec<u8> = noise(align).into_iter().rev().collect();
    let (head, tail) = data.split_at(7);
    let pieces = [IoSlice::new(head), IoSlice::new(&[]), IoSlice::new(tail)];
    handle.pwritev(align as u64, &pieces).expect("written");
    let mut head = vec![0; align - 5];
    let mut tail = [0; 5];
    let mut pieces = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    handle.preadv(align as u64, &mut pieces).expect("read");
    assert!([&head[..], &tail].concat() == data);
    assert!(scratch.contents()[..align] == noise(64 << 10)[..align]);
}

#[test]
fn a_direct_read_across_an_odd_end_is_filled_with_zeroes() {
    let scratch = Scratch::with(&noise(5000));
    let Some(handle) = open_direct(&scratch) else {
        return;
    };
    let mut buffer = vec![0xee; 16 << 10];
    handle.pread(0, &mut buffer).expect("read");
    assert!(buffer[..5000] == noise(5000));
    assert!(buffer[5000..].iter().all(|byte| *byte == 0));
    // The data ends within a unit of alignment, which counts as data to its end.
    let extent = handle.block_status(0, 16 << 10).expect("a status");
    assert_eq!(
        extent.bytes % u64::from(handle.alignment().request_bytes),
        0
    );
}

/// A device that wants requests in multiples of `request` and buffers at multiples of `memory`.
fn device(request: usize, memory: usize) -> impl FnMut(usize, usize) -> Result<(), Errno> {
    move |skip, length| {
        if length.is_multiple_of(request) && skip.is_multiple_of(memory) {
            Ok(())
        } else {
            Err(Errno::INVAL)
        }
    }
}

#[test]
fn the_smallest_alignments_that_work_are_found() {
    let alignment = |request_bytes, memory_bytes| {
        Some(Alignment {
            request_bytes,
            memory_bytes,
        })
    };
    assert_eq!(probe_by_reading(device(512, 512)), alignment(512, 512));
    assert_eq!(probe_by_reading(device(4096, 512)), alignment(4096, 512));
    assert_eq!(probe_by_reading(device(2048, 4)), alignment(2048, 512));
    assert_eq!(
        probe_by_reading(device(1, 1)),
        alignment(4096, 4096),
        "a read that cannot fail proves nothing"
    );
    assert_eq!(probe_by_reading(device(8192, 1)), None);
    assert_eq!(
        probe_by_reading(|_, _| Err(Errno::IO)),
        alignment(4096, 4096),
        "a broken sector says nothing about alignment"
    );
}

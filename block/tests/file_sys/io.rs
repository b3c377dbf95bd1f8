//! Reading and writing, whole and in the pieces that a kernel may hand out.

use std::io::{IoSlice, IoSliceMut};

use blockjob_block::driver::file::OpenOptions;
use blockjob_block::driver::transfer::{Errno, read_full, write_full};
use blockjob_block::error::ErrorKind;
use proptest::prelude::*;

use crate::common::{Scratch, noise};

/// Reads of `disk` that hand out at most `limits[k]` bytes at the k-th call, then as many as asked;
/// a limit of 0 is an interruption.
fn short_reads<'d>(
    disk: &'d [u8],
    limits: &'d [usize],
) -> impl FnMut(u64, &mut [IoSliceMut<'_>]) -> Result<usize, Errno> + 'd {
    let mut limits = limits.iter();
    move |offset, slices| {
        let limit = limits.next().copied().unwrap_or(usize::MAX);
        if limit == 0 {
            return Err(Errno::INTR);
        }
        let mut source = disk.get(offset as usize..).unwrap_or(&[]);
        source = &source[..source.len().min(limit)];
        let mut count = 0;
        for slice in slices {
            let n = slice.len().min(source.len() - count);
            slice[..n].copy_from_slice(&source[count..count + n]);
            count += n;
        }
        Ok(count)
    }
}

#[test]
fn a_read_that_comes_short_twice_goes_on_where_it_ended() {
    let disk = noise(4096);
    let mut buffer = vec![0; 2048];
    let done = read_full(
        1024,
        &mut [IoSliceMut::new(&mut buffer)],
        false,
        short_reads(&disk, &[512, 300]),
    );
    assert_eq!(done, Ok(2048));
    assert!(
        buffer == disk[1024..3072],
        "a part came from the wrong place"
    );
}

#[test]
fn a_direct_read_that_ends_within_a_block_takes_einval_for_the_end() {
    let disk = noise(700);
    let mut buffer = vec![0xee; 1024];
    let mut first = true;
    let done = read_full(0, &mut [IoSliceMut::new(&mut buffer)], true, |_, slices| {
        if !std::mem::take(&mut first) {
            return Err(Errno::INVAL);
        }
        slices[0][..700].copy_from_slice(&disk);
        Ok(700)
    });
    assert_eq!(done, Ok(700));
    assert_eq!(buffer[..700], disk[..]);
    assert!(buffer[700..].iter().all(|byte| *byte == 0));
}

#[test]
fn einval_is_an_error_where_it_does_not_mean_the_end() {
    let read = |direct, count_before: usize| {
        let mut buffer = [0; 1024];
        let mut calls = 0;
        read_full(0, &mut [IoSliceMut::new(&mut buffer)], direct, |_, _| {
            calls += 1;
            if calls == 1 && count_before > 0 {
                Ok(count_before)
            } else {
                Err(Errno::INVAL)
            }
        })
    };
    assert_eq!(read(true, 0), Err(Errno::INVAL));
    assert_eq!(read(false, 512), Err(Errno::INVAL));
}

proptest! {
    /// Whatever the kernel hands out, a read returns the disk's bytes, and zeroes behind its end.
    #[test]
    fn reads_in_any_pieces_return_the_bytes_of_the_disk(
        offset in 0usize..6000,
        lengths in prop::collection::vec(0usize..900, 0..6),
        limits in prop::collection::vec(0usize..700, 0..12),
    ) {
        let disk = noise(4000);
        let mut buffers: Vec<_> = lengths.iter().map(|length| vec![0xee; *length]).collect();
        let mut slices: Vec<_> = buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        let done = read_full(offset as u64, &mut slices, false, short_reads(&disk, &limits));
        let got = buffers.concat();
        let mut expected = disk;
        expected.resize(offset.max(4000) + got.len(), 0);
        prop_assert_eq!(done, Ok(got.len().min(4000usize.saturating_sub(offset)) as u64));
        prop_assert_eq!(&got[..], &expected[offset..offset + got.len()]);
    }

    /// Whatever the kernel takes, all bytes arrive at their places.
    #[test]
    fn writes_in_any_pieces_change_just_their_range(
        offset in 0usize..2000,
        lengths in prop::collection::vec(0usize..900, 0..6),
        limits in prop::collection::vec(0usize..700, 0..12),
    ) {
        let mut disk = vec![0; 8000];
        let data = noise(lengths.iter().sum());
        let mut rest = &data[..];
        let mut slices = Vec::new();
        for length in lengths {
            let (head, tail) = rest.split_at(length);
            slices.push(IoSlice::new(head));
            rest = tail;
        }
        let mut limits = limits.into_iter();
        let done = write_full(offset as u64, &mut slices, |at, slices| {
            let limit = limits.next().unwrap_or(usize::MAX);
            if limit == 0 {
                return Err(Errno::INTR);
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            let count = bytes.len().min(limit);
            disk[at as usize..at as usize + count].copy_from_slice(&bytes[..count]);
            Ok(count)
        });
        prop_assert_eq!(done, Ok(data.len() as u64));
        prop_assert_eq!(&disk[offset..offset + data.len()], &data[..]);
        prop_assert!(disk[..offset].iter().all(|byte| *byte == 0));
        prop_assert!(disk[offset + data.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_kernel_that_takes_nothing_ends_the_write_instead_of_hanging_it() {
    let done = write_full(0, &mut [IoSlice::new(b"abc")], |_, _| Ok(0));
    assert_eq!(done, Ok(0));
}

#[test]
fn what_is_written_is_read_back_and_grows_the_file() {
    let scratch = Scratch::with(b"");
    let handle = scratch.open();
    let data = noise(5000);
    handle.pwrite(3000, &data).expect("written");
    assert_eq!(handle.size().expect("a length"), 8000);
    let mut buffer = vec![0xee; 9000];
    handle.pread(0, &mut buffer).expect("read");
    assert!(buffer[..3000].iter().all(|byte| *byte == 0));
    assert!(buffer[3000..8000] == data[..]);
    assert!(
        buffer[8000..].iter().all(|byte| *byte == 0),
        "behind the end an image reads as zeroes"
    );
}

#[test]
fn many_buffers_are_one_range_even_more_than_one_call_takes() {
    let scratch = Scratch::with(b"");
    let handle = scratch.open();
    let data = noise(3 * 2500);
    let pieces: Vec<_> = data.chunks(3).map(IoSlice::new).collect();
    handle.pwritev(17, &pieces).expect("written");
    assert!(scratch.contents()[17..] == data[..]);
    let mut buffers = vec![[0u8; 5]; 1500];
    let mut slices: Vec<_> = buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
    handle.preadv(17, &mut slices).expect("read");
    assert!(
        slices.iter().all(|slice| slice.len() == 5),
        "the caller's slices moved"
    );
    assert!(buffers.concat() == data[..]);
}

#[test]
fn a_range_beyond_what_an_offset_can_express_is_refused() {
    let handle = Scratch::with(b"").open();
    let error = handle.pwrite(i64::MAX as u64, b"ab").expect_err("too far");
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    let error = handle.pread(u64::MAX, &mut [0; 2]).expect_err("too far");
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
}

#[test]
fn a_read_only_handle_refuses_all_that_changes_the_image() {
    let scratch = Scratch::with(&noise(100));
    let handle = OpenOptions::new(&scratch.image)
        .read_only(true)
        .open()
        .expect("opens");
    let results = [
        handle.pwrite(0, b"x"),
        handle.write_zeroes(0, 10, Default::default()),
        handle.discard(0, 10),
        handle.truncate(5),
    ];
    for result in results {
        assert_eq!(result.expect_err("refused").kind(), ErrorKind::ReadOnly);
    }
    assert_eq!(scratch.contents(), noise(100));
}

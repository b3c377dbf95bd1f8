//! Zeroes without data: what is asked of the kernel, in which order, and what comes of it.

use blockjob_block::driver::file::{
    BlockStatus, FileKind, ZeroFlags, ZeroRange, ZeroSupport, write_zeroes_with,
};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::common::{Scratch, noise};

const PUNCH: FallocateFlags = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);
const ZERO: FallocateFlags = FallocateFlags::ZERO_RANGE;
const ALLOCATE: FallocateFlags = FallocateFlags::empty();

const KEEP: ZeroFlags = ZeroFlags {
    may_unmap: false,
    no_fallback: false,
};
const UNMAP: ZeroFlags = ZeroFlags {
    may_unmap: true,
    no_fallback: false,
};

/// A call of `fallocate`: mode, offset, length.
type Call = (FallocateFlags, u64, u64);

/// Storage that answers each mode in its own way, and takes notes.
struct Storage {
    support: ZeroSupport,
    punch: Result<(), Errno>,
    zero: Result<(), Errno>,
    allocate: Result<(), Errno>,
}

impl Storage {
    fn new(punch: Result<(), Errno>, zero: Result<(), Errno>, allocate: Result<(), Errno>) -> Self {
        Self {
            support: ZeroSupport::default(),
            punch,
            zero,
            allocate,
        }
    }

    /// Zeroes 100 bytes at `offset` of a file of 1000 bytes, and returns the calls that made.
    fn write_zeroes(
        &self,
        kind: FileKind,
        offset: u64,
        flags: ZeroFlags,
    ) -> (Result<(), Errno>, Vec<Call>) {
        let range = ZeroRange {
            offset_bytes: offset,
            length_bytes: 100,
            file_bytes: 1000,
            kind,
        };
        let mut calls = Vec::new();
        let result = write_zeroes_with(&self.support, range, flags, |mode, offset, length| {
            calls.push((mode, offset, length));
            match mode {
                PUNCH => self.punch,
                ZERO => self.zero,
                _ => self.allocate,
            }
        });
        (result, calls)
    }
}

const NO: Result<(), Errno> = Err(Errno::OPNOTSUPP);
const FILE: FileKind = FileKind::Regular;
const DEVICE: FileKind = FileKind::BlockDevice;

#[test]
fn a_range_that_may_be_unmapped_is_punched_and_nothing_else() {
    let (result, calls) = Storage::new(Ok(()), Ok(()), Ok(())).write_zeroes(FILE, 0, UNMAP);
    assert_eq!((result, calls), (Ok(()), vec![(PUNCH, 0, 100)]));
}

#[test]
fn a_punched_range_beyond_the_end_grows_the_file_by_its_last_byte() {
    let (result, calls) = Storage::new(Ok(()), Ok(()), Ok(())).write_zeroes(FILE, 950, UNMAP);
    assert_eq!(
        (result, calls),
        (Ok(()), vec![(PUNCH, 950, 100), (ALLOCATE, 1049, 1)])
    );
}

#[test]
fn a_range_that_must_keep_its_storage_is_zeroed_in_place() {
    let (result, calls) = Storage::new(Ok(()), Ok(()), Ok(())).write_zeroes(FILE, 950, KEEP);
    assert_eq!((result, calls), (Ok(()), vec![(ZERO, 950, 100)]));
}

#[test]
fn what_is_not_supported_is_remembered_and_not_tried_again() {
    let storage = Storage::new(Ok(()), NO, Ok(()));
    let (result, calls) = storage.write_zeroes(FILE, 0, KEEP);
    let punch_and_allocate = vec![(PUNCH, 0, 100), (ALLOCATE, 0, 100)];
    assert_eq!(result, Ok(()));
    assert_eq!(
        calls,
        [vec![(ZERO, 0, 100)], punch_and_allocate.clone()].concat()
    );
    let (result, calls) = storage.write_zeroes(FILE, 0, KEEP);
    assert_eq!((result, calls), (Ok(()), punch_and_allocate));
}

#[test]
fn a_range_that_the_filesystem_finds_badly_aligned_rules_nothing_out_for_others() {
    let storage = Storage::new(Err(Errno::INVAL), Err(Errno::INVAL), Ok(()));
    for _ in 0..2 {
        let (result, calls) = storage.write_zeroes(FILE, 0, UNMAP);
        assert_eq!(result, Err(Errno::OPNOTSUPP));
        assert_eq!(calls.len(), 3, "{calls:?}");
    }
}

#[test]
fn storage_without_any_way_leaves_it_to_the_caller_and_is_soon_not_asked_at_all() {
    let storage = Storage::new(NO, NO, NO);
    let (result, _) = storage.write_zeroes(FILE, 2000, UNMAP);
    assert_eq!(result, Err(Errno::OPNOTSUPP));
    let (result, calls) = storage.write_zeroes(FILE, 2000, UNMAP);
    assert_eq!((result, calls), (Err(Errno::OPNOTSUPP), vec![]));
}

#[test]
fn a_range_wholly_behind_the_end_needs_only_allocation() {
    let (result, calls) = Storage::new(NO, NO, Ok(())).write_zeroes(FILE, 1000, KEEP);
    assert_eq!(result, Ok(()));
    assert_eq!(calls.last(), Some(&(ALLOCATE, 1000, 100)));
    let (result, _) = Storage::new(NO, NO, Ok(())).write_zeroes(FILE, 999, KEEP);
    assert_eq!(
        result,
        Err(Errno::OPNOTSUPP),
        "its first byte keeps its data"
    );
}

#[test]
fn a_full_disk_is_an_error_and_no_reason_to_try_slower_ways() {
    let storage = Storage::new(Ok(()), Err(Errno::NOSPC), Ok(()));
    let (result, calls) = storage.write_zeroes(FILE, 0, KEEP);
    assert_eq!((result, calls.len()), (Err(Errno::NOSPC), 1));
}

#[test]
fn a_busy_range_that_cannot_be_punched_is_zeroed_in_place() {
    let storage = Storage::new(Err(Errno::BUSY), Ok(()), Ok(()));
    let (result, calls) = storage.write_zeroes(FILE, 0, UNMAP);
    assert_eq!(
        (result, calls),
        (Ok(()), vec![(PUNCH, 0, 100), (ZERO, 0, 100)])
    );
}

#[test]
fn without_slow_fallback_a_device_may_only_unmap() {
    let fast = |may_unmap| ZeroFlags {
        may_unmap,
        no_fallback: true,
    };
    let storage = Storage::new(NO, Ok(()), Ok(()));
    let (result, calls) = storage.write_zeroes(DEVICE, 0, fast(true));
    assert_eq!(
        (result, calls),
        (Err(Errno::OPNOTSUPP), vec![(PUNCH, 0, 100)])
    );
    let (result, calls) = storage.write_zeroes(DEVICE, 0, fast(false));
    assert_eq!((result, calls), (Err(Errno::OPNOTSUPP), vec![]));
    let (result, _) = storage.write_zeroes(DEVICE, 0, UNMAP);
    assert_eq!(result, Ok(()), "with fallback it may be zeroed in place");
}

/// Writes zeroes to an image of noise, and returns it with what it was before. None where the
/// filesystem cannot do it, which it says.
fn on_noise(
    length: usize,
    offset: u64,
    bytes: u64,
    flags: ZeroFlags,
) -> Option<(Scratch, Vec<u8>)> {
    let scratch = Scratch::with(&noise(length));
    match scratch.open().write_zeroes(offset, bytes, flags) {
        Ok(()) => Some((scratch, noise(length))),
        Err(error) if error.kind() == blockjob_block::error::ErrorKind::NotSupported => {
            println!("skipped: the temporary folder's filesystem has no fallocate: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn zeroes_on_a_real_file_change_just_their_range() {
    for flags in [KEEP, UNMAP] {
        let Some((scratch, mut expected)) = on_noise(1 << 20, 5000, 70_000, flags) else {
            return;
        };
        expected[5000..75_000].fill(0);
        assert!(scratch.contents() == expected, "{flags:?}");
    }
}

#[test]
fn zeroes_beyond_the_end_grow_a_real_file() {
    for flags in [KEEP, UNMAP] {
        // Once across the end, once with a gap behind it.
        for offset in [9000, 50_000] {
            let Some((scratch, mut expected)) = on_noise(10_000, offset, 70_000, flags) else {
                return;
            };
            expected.resize(offset as usize + 70_000, 0);
            expected[offset as usize..].fill(0);
            assert!(scratch.contents() == expected, "{flags:?} at {offset}");
        }
    }
}

#[test]
fn unmapped_zeroes_give_storage_back_and_kept_ones_do_not() {
    const LENGTH: usize = 1 << 20;
    let Some((kept, _)) = on_noise(LENGTH, 0, LENGTH as u64, KEEP) else {
        return;
    };
    let Some((unmapped, _)) = on_noise(LENGTH, 0, LENGTH as u64, UNMAP) else {
        return;
    };
    assert!(kept.allocated_bytes() >= LENGTH as u64);
    assert!(unmapped.allocated_bytes() < 1 << 16);
    let handle = unmapped.open();
    let status = handle.block_status(0, LENGTH as u64).expect("a status");
    assert_eq!(status.status, BlockStatus::Zero);
}

#[test]
fn zeroes_of_no_length_do_nothing() {
    let scratch = Scratch::with(&noise(100));
    let handle = scratch.open();
    handle.write_zeroes(1000, 0, UNMAP).expect("nothing to do");
    handle.discard(1000, 0).expect("nothing to do");
    assert_eq!(scratch.contents(), noise(100));
}

#[test]
fn a_discard_keeps_the_length_and_the_bytes_around_it() {
    let scratch = Scratch::with(&noise(1 << 20));
    let before = scratch.allocated_bytes();
    // It reaches beyond the end, and must not grow the file.
    scratch.open().discard(65_536, 2 << 20).expect("discarded");
    let contents = scratch.contents();
    assert_eq!(contents.len(), 1 << 20);
    assert!(contents[..65_536] == noise(1 << 20)[..65_536]);
    if scratch.allocated_bytes() == before {
        println!("the temporary folder's filesystem does not punch holes");
    } else {
        assert!(contents[65_536..].iter().all(|byte| *byte == 0));
    }
}

//! Memory for requests: aligned buffers, and a pool that many jobs share.
//!
//! QEMU: `qemu_memalign` (util/memalign.c), `qemu_blockalign` (block/io.c). The pool has no
//! counterpart there: each mirror job of QEMU allocates its own buffers and keeps them until its end.

mod room;

use std::cell::RefCell;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

pub use room::{Room, RoomUser, RoomWait, Taken};

/// A zeroed buffer of `len` bytes that begins at a multiple of `alignment` in memory.
///
/// # Panics
///
/// If `alignment` is not a power of two.
pub fn aligned(len: usize, alignment: usize) -> BytesMut {
    let mut buf = with_room(len, alignment);
    buf.truncate(len);
    buf
}

/// Allocates a little more than `len` and gives away the bytes before the first aligned one. The
/// allocator hands out large pieces of zeroes without touching them.
fn with_room(len: usize, alignment: usize) -> BytesMut {
    assert!(alignment.is_power_of_two(), "alignment {alignment}");
    let mut buf = BytesMut::zeroed(len + alignment - 1);
    buf.advance(misalignment(&buf, alignment));
    buf
}

/// How many bytes are missing to the next multiple of `alignment`.
fn misalignment(buf: &BytesMut, alignment: usize) -> usize {
    buf.as_ptr().addr().wrapping_neg() & (alignment - 1)
}

/// The size of the smallest buffers that are kept, in bytes: smaller ones cost less to allocate
/// than to find.
const SMALLEST_CLASS: usize = 4096;

/// Buffers that were used and can be used again, by all jobs of a context.
///
/// A thousand jobs that copy in turns need the memory of those that copy at the same time. Sizes
/// are rounded up to powers of two, and what is given back last is handed out first, because the
/// processor still has it at hand.
pub struct BufferPool {
    alignment: usize,
    max_kept_bytes: usize,
    room: Room,
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// By size: the index is the power of two.
    classes: Vec<Vec<BytesMut>>,
}

impl BufferPool {
    /// A pool whose buffers begin at multiples of `alignment`, and which keeps at most
    /// `max_kept_bytes` that nobody uses. As much is the [room](Self::room) that its users share.
    ///
    /// # Panics
    ///
    /// If `alignment` is not a power of two.
    pub fn new(alignment: usize, max_kept_bytes: usize) -> Self {
        assert!(alignment.is_power_of_two(), "alignment {alignment}");
        BufferPool {
            alignment,
            max_kept_bytes,
            room: Room::new(max_kept_bytes as u64),
            kept: RefCell::default(),
        }
    }

    /// The room that its users share: who fills many buffers takes some before each.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// A buffer of `len` bytes. What it contains is left over from earlier users, or zeroes.
    pub fn get(&self, len: usize) -> BytesMut {
        let class = len.next_power_of_two().max(SMALLEST_CLASS);
        let mut buf = self
            .take(class)
            .unwrap_or_else(|| with_room(class, self.alignment));
        if buf.len() < len {
            buf.resize(len, 0);
        } else {
            buf.truncate(len);
        }
        buf
    }

    fn take(&self, class: usize) -> Option<BytesMut> {
        let mut kept = self.kept.borrow_mut();
        let buf = kept
            .classes
            .get_mut(class.trailing_zeros() as usize)?
            .pop()?;
        kept.bytes -= class;
        Some(buf)
    }

    /// Takes a buffer back, whoever made it. One that is too small, misaligned, or more than the
    /// pool may keep is freed.
    pub fn put(&self, buf: BytesMut) {
        let capacity = buf.capacity();
        if capacity < SMALLEST_CLASS || misalignment(&buf, self.alignment) != 0 {
            return;
        }
        // Rounded down: whoever takes it from the class finds at least that much room.
        let power = capacity.ilog2() as usize;
        let mut kept = self.kept.borrow_mut();
        if kept.bytes + (1 << power) > self.max_kept_bytes {
            return;
        }
        kept.bytes += 1 << power;
        if kept.classes.len() <= power {
            kept.classes.resize_with(power + 1, Vec::new);
        }
        kept.classes[power].push(buf);
    }

    /// Takes the buffer of a finished write back, if nobody else has a part of it.
    pub fn put_bytes(&self, data: Bytes) {
        if let Ok(buf) = data.try_into_mut() {
            self.put(buf);
        }
    }

    /// The bytes that are kept and used by nobody.
    pub fn kept_bytes(&self) -> usize {
        self.kept.borrow().bytes
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("alignment", &self.alignment)
            .field("kept_bytes", &self.kept_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_where_it_should_and_is_zeroed() {
        for alignment in [1, 512, 4096, 65536] {
            for len in [0, 1, 511, 4096, 1 << 20] {
                let buf = aligned(len, alignment);
                assert_eq!(buf.len(), len);
                assert_eq!(buf.as_ptr().addr() % alignment, 0, "{len} at {alignment}");
                assert!(buf.iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn what_was_given_back_is_handed_out_again() {
        let pool = BufferPool::new(4096, 1 << 20);
        let first = pool.get(60_000);
        let place = first.as_ptr();
        pool.put(first);
        assert_eq!(pool.kept_bytes(), 65536);
        let second = pool.get(65536);
        assert_eq!(second.as_ptr(), place);
        assert_eq!(second.len(), 65536);
        assert_eq!(pool.kept_bytes(), 0);
    }

    #[test]
    fn a_written_buffer_comes_back_once_its_last_clone_is_gone() {
        let pool = BufferPool::new(4096, 1 << 20);
        for len in [65536, 65535, 40_000] {
            let buf = pool.get(len);
            let place = buf.as_ptr();
            let data = buf.freeze();
            let clone = data.clone();
            pool.put_bytes(data);
            assert_eq!(pool.kept_bytes(), 0, "somebody still reads it");
            pool.put_bytes(clone);
            assert_eq!(pool.kept_bytes(), 65536, "length {len}");
            let again = pool.get(65536);
            assert_eq!(again.as_ptr(), place, "length {len}");
            pool.put(again);
            assert_eq!(pool.kept_bytes(), 65536);
            drop(pool.get(65536));
        }
    }

    #[test]
    fn the_pool_keeps_no_more_than_it_may() {
        let pool = BufferPool::new(512, 16 * 4096);
        let buffers: Vec<_> = (0..100).map(|_| pool.get(4096)).collect();
        for buf in buffers {
            pool.put(buf);
        }
        assert_eq!(pool.kept_bytes(), 16 * 4096);
    }

    #[test]
    fn a_part_of_a_buffer_that_begins_elsewhere_is_not_kept() {
        let pool = BufferPool::new(4096, 1 << 20);
        let mut buf = pool.get(65536);
        buf.advance(512);
        pool.put(buf);
        assert_eq!(pool.kept_bytes(), 0);
    }
}

//! What has come in and nobody has taken yet.

use bytes::{Buf, Bytes, BytesMut};

/// Room for reads from a socket. What is taken from it as [`Bytes`] shares its memory, so a small
/// payload is never copied; memory that nobody shares any more is used again.
#[derive(Debug)]
pub struct Inbox {
    /// All of it may be read into; the first `filled` bytes are there.
    buf: BytesMut,
    filled: usize,
    chunk_bytes: usize,
    /// Chunks of which requests under way may still have parts.
    spent: Vec<BytesMut>,
}

/// So much room is worth a read; with less, the rest moves to another chunk.
const MIN_ROOM_BYTES: usize = 4 << 10;
/// Spent chunks that are kept to be used again.
const MAX_SPENT: usize = 4;

impl Inbox {
    /// One that reads up to `chunk_bytes` at a time.
    pub fn new(chunk_bytes: usize) -> Self {
        Inbox {
            buf: BytesMut::new(),
            filled: 0,
            chunk_bytes,
            spent: Vec::new(),
        }
    }

    /// Reads up to `chunk_bytes` at a time from now on.
    pub fn set_chunk(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    /// Where to read into; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.buf.len() - self.filled < MIN_ROOM_BYTES {
            self.next_chunk();
        }
        &mut self.buf[self.filled..]
    }

    fn next_chunk(&mut self) {
        let wanted = self.chunk_bytes.max(self.filled + MIN_ROOM_BYTES);
        let mut next = self.unspent(wanted).unwrap_or_default();
        // Memory that was used before is cleared again: it costs little, and there is no other way
        // to say that a buffer may be read into.
        next.resize(wanted, 0);
        next[..self.filled].copy_from_slice(&self.buf[..self.filled]);
        let mut before = std::mem::replace(&mut self.buf, next);
        before.clear();
        if self.spent.len() < MAX_SPENT {
            self.spent.push(before);
        }
    }

    /// A spent chunk that is nobody's any more, if there is one.
    fn unspent(&mut self, wanted: usize) -> Option<BytesMut> {
        let found = self
            .spent
            .iter_mut()
            .position(|chunk| chunk.try_reclaim(wanted))?;
        Some(self.spent.swap_remove(found))
    }

    /// So many bytes have come into [`space`](Self::space).
    ///
    /// # Panics
    ///
    /// If there was not room for as many.
    pub fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
        assert!(self.filled <= self.buf.len(), "{bytes} did not fit");
    }

    /// What has come.
    pub fn peek(&self) -> &[u8] {
        &self.buf[..self.filled]
    }

    /// The first `N` bytes, if as many have come.
    pub fn peek_array<const N: usize>(&self) -> Option<&[u8; N]> {
        self.peek().first_chunk()
    }

    /// Forgets the first bytes of what has come; at most all of it.
    pub fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.filled);
        self.buf.advance(bytes);
        self.filled -= bytes;
    }

    /// Takes the first bytes of what has come, if there are as many.
    pub fn take(&mut self, bytes: usize) -> Option<Bytes> {
        if self.filled < bytes {
            return None;
        }
        self.filled -= bytes;
        Some(self.buf.split_to(bytes).freeze())
    }

    /// Copies bytes into it, for who has them already: tests, and a codec without a socket.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let part = space.len().min(bytes.len());
            space[..part].copy_from_slice(&bytes[..part]);
            self.filled(part);
            bytes = &bytes[part..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_stays_when_more_comes() {
        let mut inbox = Inbox::new(8192);
        inbox.feed(&[1; 5000]);
        let first = inbox.take(5000).expect("as much has come");
        inbox.feed(&[2; 9000]);
        assert_eq!(inbox.take(9001), None);
        let second = inbox.take(9000).expect("as much has come");
        assert_eq!((&first[..], &second[..]), (&[1; 5000][..], &[2; 9000][..]));
    }

    #[test]
    fn memory_is_used_again_once_nobody_has_a_part_of_it() {
        let mut inbox = Inbox::new(8192);
        let mut chunks = std::collections::BTreeSet::new();
        for round in 0..100 {
            inbox.feed(&[round; 6000]);
            let taken = inbox.take(6000).expect("as much has come");
            chunks.insert(taken.as_ptr().addr());
        }
        assert!(chunks.len() < 8, "{} chunks were made", chunks.len());
    }
}

//! The transmission phase, outbound: replies to bytes.
//!
//! QEMU: `nbd_co_send_simple_reply`, `nbd_co_send_chunk_*` (nbd/server.c).

use bytes::BytesMut;

use super::{Outbox, Refusal};
use crate::nbd::proto::{ChunkHeader, Extent, MAX_STRING, SimpleReplyHeader, chunk, chunk_flag};

/// Extents in one reply at most. A client that wants to know more asks again; looking further would
/// keep others waiting.
pub const MAX_EXTENTS: usize = 8192;

/// The number by which block status names the one meta context.
pub(super) const BASE_ALLOCATION_ID: u32 = 0;

/// Writes replies of a connection to its outbox.
#[derive(Debug)]
pub struct Replies<'a> {
    /// Where they go.
    pub outbox: &'a mut Outbox,
    /// The client has asked for structured replies.
    pub structured: bool,
}

impl Replies<'_> {
    fn simple(&mut self, cookie: u64, error: u32) {
        self.outbox
            .put(&SimpleReplyHeader { error, cookie }.encode());
    }

    fn chunk(&mut self, cookie: u64, kind: u16, done: bool, len: usize) {
        let header = ChunkHeader {
            flags: if done { chunk_flag::DONE } else { 0 },
            kind,
            cookie,
            len: u32::try_from(len).expect("a chunk is no longer than a request"),
        };
        self.outbox.put(&header.encode());
    }

    /// It is done, and there is nothing more to say. A read of nothing gets a chunk, as the protocol
    /// wants it; for the rest a simple reply is shorter.
    pub fn done(&mut self, cookie: u64, was_read: bool) {
        if self.structured && was_read {
            self.chunk(cookie, chunk::NONE, true, 0);
        } else {
            self.simple(cookie, 0);
        }
    }

    /// It failed. With `at`, an offset that the error belongs to.
    pub fn error(&mut self, cookie: u64, refusal: &Refusal, at: Option<u64>) {
        if !self.structured {
            return self.simple(cookie, refusal.error);
        }
        let mut text = refusal.text.as_bytes();
        if text.len() > MAX_STRING as usize {
            text = &text[..MAX_STRING as usize];
        }
        let (kind, tail) = match at {
            Some(_) => (chunk::ERROR_OFFSET, 8),
            None => (chunk::ERROR, 0),
        };
        self.chunk(cookie, kind, true, 6 + text.len() + tail);
        self.outbox.put(&refusal.error.to_be_bytes());
        self.outbox.put(&(text.len() as u16).to_be_bytes());
        self.outbox.put(text);
        if let Some(at) = at {
            self.outbox.put(&at.to_be_bytes());
        }
    }

    /// Data that was read at `offset`; with a simple reply it must be all of it. Returns the buffer if
    /// a copy was made.
    pub fn data(
        &mut self,
        cookie: u64,
        offset: u64,
        data: BytesMut,
        done: bool,
    ) -> Option<BytesMut> {
        if self.structured {
            self.chunk(cookie, chunk::OFFSET_DATA, done, 8 + data.len());
            self.outbox.put(&offset.to_be_bytes());
        } else {
            self.simple(cookie, 0);
        }
        self.outbox.put_data(data)
    }

    /// Zeroes that were read at `offset`. Only for structured replies.
    pub fn hole(&mut self, cookie: u64, offset: u64, len: u32, done: bool) {
        self.chunk(cookie, chunk::OFFSET_HOLE, done, 12);
        self.outbox.put(&offset.to_be_bytes());
        self.outbox.put(&len.to_be_bytes());
    }

    /// What is known of a range, for the one meta context. Only for structured replies.
    pub fn block_status(&mut self, cookie: u64, extents: &[Extent]) {
        let len = 4 + extents.len() * Extent::LEN;
        self.chunk(cookie, chunk::BLOCK_STATUS, true, len);
        self.outbox.put(&BASE_ALLOCATION_ID.to_be_bytes());
        for extent in extents {
            self.outbox.put(&extent.encode());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nbd::proto::error;

    fn written(structured: bool, write: impl FnOnce(&mut Replies<'_>)) -> Vec<u8> {
        let mut outbox = Outbox::new();
        write(&mut Replies {
            outbox: &mut outbox,
            structured,
        });
        outbox.take()
    }

    #[test]
    fn an_error_takes_its_words_along_only_where_there_is_room_for_them() {
        let refusal = Refusal::new(error::EIO, "no luck");
        let simple = written(false, |replies| replies.error(7, &refusal, None));
        let expected = SimpleReplyHeader {
            error: error::EIO,
            cookie: 7,
        };
        assert_eq!(simple, expected.encode());

        let structured = written(true, |replies| replies.error(7, &refusal, Some(512)));
        let header = ChunkHeader::decode(structured[..20].try_into().expect("20 bytes"));
        let header = header.expect("it is a chunk");
        assert_eq!(
            (header.flags, header.kind, header.len),
            (chunk_flag::DONE, chunk::ERROR_OFFSET, 6 + 7 + 8)
        );
        assert_eq!(structured[20..26], [0, 0, 0, 5, 0, 7]);
        assert_eq!(&structured[26..33], b"no luck");
        assert_eq!(structured[33..], 512_u64.to_be_bytes());
    }

    #[test]
    fn the_words_of_an_error_are_cut_where_the_protocol_ends_them() {
        let refusal = Refusal::new(error::EIO, "x".repeat(70_000));
        let structured = written(true, |replies| replies.error(7, &refusal, None));
        assert_eq!(structured.len(), 20 + 6 + 4096);
    }

    #[test]
    fn a_sparse_read_is_chunks_of_which_the_last_is_marked() {
        let bytes = written(true, |replies| {
            replies.hole(1, 0, 4096, false);
            replies.data(1, 4096, BytesMut::from(&b"data"[..]), true);
        });
        let first = ChunkHeader::decode(bytes[..20].try_into().expect("20 bytes"));
        let first = first.expect("it is a chunk");
        assert_eq!((first.flags, first.kind), (0, chunk::OFFSET_HOLE));
        let second = ChunkHeader::decode(bytes[32..52].try_into().expect("20 bytes"));
        let second = second.expect("it is a chunk");
        assert_eq!(
            (second.flags, second.kind, second.len),
            (chunk_flag::DONE, chunk::OFFSET_DATA, 12)
        );
        assert_eq!(&bytes[60..], b"data");
    }
}

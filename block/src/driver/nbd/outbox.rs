//! Bytes on their way out: requests in order, written as many at a time as the stream takes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::transport::ByteStream;
use crate::nbd::proto::RequestHeader;

/// Pieces that are handed to the stream at a time.
const MAX_SLICES: usize = 2 * crate::nbd::proto::MAX_REQUESTS;

enum Piece {
    Header([u8; RequestHeader::LEN]),
    Data(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Header(header) => header,
            Piece::Data(data) => data,
        }
    }
}

/// What is to be written.
#[derive(Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// How much of the first piece was written.
    written: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, header: [u8; RequestHeader::LEN], data: Option<Bytes>) {
        self.pieces.push_back(Piece::Header(header));
        let data = data.filter(|data| !data.is_empty());
        self.pieces.extend(data.map(Piece::Data));
    }

    /// True if all is written.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// True in between two requests.
    pub(super) fn is_at_a_boundary(&self) -> bool {
        self.written == 0 && !matches!(self.pieces.front(), Some(Piece::Data(_)))
    }

    /// Writes until all is written, which returns whether that was anything, or until the stream is
    /// full.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut dyn ByteStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut any = false;
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                let skip = if count == 0 { self.written } else { 0 };
                *slice = IoSlice::new(&piece.bytes()[skip..]);
                count += 1;
            }
            let written = Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]);
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
            any = true;
        }
        Poll::Ready(Ok(any))
    }

    fn advance(&mut self, written: usize) {
        self.written += written;
        while let Some(first) = self.pieces.front() {
            let bytes = first.bytes().len();
            if self.written < bytes {
                return;
            }
            self.written -= bytes;
            self.pieces.pop_front();
        }
    }
}

//! What is to go out and has not gone yet.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::BytesMut;

/// Data up to this length is copied behind what goes before it: that costs less than a piece of its
/// own does.
const COPY_BYTES: usize = 4 << 10;
/// Copies end in a piece of at most about this length.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Piece {
    bytes: BytesMut,
    /// It was given as a whole, and whoever gave it may want it back.
    is_data: bool,
}

/// Bytes on their way to the client, to be gathered into few system calls.
#[derive(Debug, Default)]
pub struct Outbox {
    pieces: VecDeque<Piece>,
    /// How much of the first piece has gone.
    first_sent: usize,
    len_bytes: usize,
    /// A piece that was sent, to be filled again.
    spare: BytesMut,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that have not gone.
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// True if all has gone.
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// Adds a copy of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.len_bytes += bytes.len();
        match self.pieces.back_mut() {
            Some(last) if !last.is_data && last.bytes.len() + bytes.len() <= PIECE_BYTES => {
                last.bytes.extend_from_slice(bytes);
            }
            _ => {
                let mut piece = std::mem::take(&mut self.spare);
                piece.extend_from_slice(bytes);
                self.pieces.push_back(Piece {
                    bytes: piece,
                    is_data: false,
                });
            }
        }
    }

    /// Adds data. Returns the buffer if a copy was made of it.
    pub fn put_data(&mut self, data: BytesMut) -> Option<BytesMut> {
        if data.len() <= COPY_BYTES {
            self.put(&data);
            return Some(data);
        }
        self.len_bytes += data.len();
        self.pieces.push_back(Piece {
            bytes: data,
            is_data: true,
        });
        None
    }

    /// Fills `slices` with what is to go first; returns how many were filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut skip = self.first_sent;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(&piece.bytes[skip..]);
            skip = 0;
            filled += 1;
        }
        filled
    }

    /// So many bytes have gone. Buffers of data that have gone as a whole are given to `recycle`.
    ///
    /// # Panics
    ///
    /// If there were not as many.
    pub fn sent(&mut self, mut bytes: usize, mut recycle: impl FnMut(BytesMut)) {
        self.len_bytes -= bytes;
        while let Some(first) = self.pieces.front_mut() {
            let left = first.bytes.len() - self.first_sent;
            if left > bytes {
                self.first_sent += bytes;
                return;
            }
            bytes -= left;
            self.first_sent = 0;
            let piece = self.pieces.pop_front().expect("it was looked at");
            if piece.is_data {
                recycle(piece.bytes);
            } else if piece.bytes.capacity() >= self.spare.capacity() {
                self.spare = piece.bytes;
                self.spare.clear();
            }
        }
        assert_eq!(bytes, 0, "more was sent than there was");
    }

    /// Takes all that is to go, as one copy: for tests, and a codec without a socket.
    pub fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len_bytes);
        let mut skip = std::mem::take(&mut self.first_sent);
        for piece in self.pieces.drain(..) {
            all.extend_from_slice(&piece.bytes[skip..]);
            skip = 0;
        }
        self.len_bytes = 0;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_out_in_any_pieces_is_what_was_put_in() {
        for step in [1, 7, 4096, 1 << 20] {
            let mut outbox = Outbox::new();
            let mut expected = Vec::new();
            let mut recycled = 0;
            for round in 0..50_u8 {
                outbox.put(&[round; 16]);
                expected.extend([round; 16]);
                let data = BytesMut::from(&vec![round; usize::from(round) * 300][..]);
                expected.extend_from_slice(&data);
                recycled += usize::from(outbox.put_data(data).is_some());
            }
            let mut gone = Vec::new();
            while !outbox.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = outbox.slices(&mut slices);
                let mut part = 0;
                for slice in &slices[..filled] {
                    let take = slice.len().min(step - part);
                    gone.extend_from_slice(&slice[..take]);
                    part += take;
                }
                outbox.sent(part, |_| recycled += 1);
            }
            assert_eq!(gone, expected);
            assert_eq!(recycled, 50, "every buffer comes back once");
        }
    }
}

//! The light guest: it sends requests that are ready, sixteen in one piece, and takes their replies
//! without looking at them.
//!
//! `fio` needs many times the processor that a daemon needs for a request, so on few cores it measures
//! itself. This guest costs next to nothing, and what it is given is the server's own limit.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{DEPTH, DISK_BYTES, REQUEST_BYTES};
use crate::Failure;
use crate::clock::Stopwatch;

/// How many prepared pieces there are, which are sent again and again.
const PIECES: usize = 64;
/// How long is not counted, so that both guests are at work.
const WARM_UP_S: f64 = 0.2;
/// A daemon that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(20);

// The protocol's numbers: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
const FIXED_NEWSTYLE_NO_ZEROES: u32 = 3;
const OPTION_MAGIC: &[u8] = b"IHAVEOPT";
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_IS_ERROR: u32 = 1 << 31;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_BYTES: usize = 16;
/// The server's greeting: two magic words and its flags.
const GREETING_BYTES: usize = 18;

/// What the guest was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// Requests in a second, after the warm-up.
    pub(super) iops: f64,
    /// All requests, those of the warm-up among them.
    pub(super) requests: u64,
}

/// A guest that has chosen its export and not begun.
pub(super) struct LightGuest {
    stream: UnixStream,
    pieces: Vec<Vec<u8>>,
    /// The length of all replies to one piece.
    replies_bytes: usize,
}

impl LightGuest {
    /// Connects, and prepares requests at places that follow from `seed`.
    pub(super) fn connect(
        socket: &Path,
        export: &str,
        writes: bool,
        seed: u64,
    ) -> Result<Self, Failure> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        choose(&mut stream, export)?;
        let mut places = Places(seed);
        let pieces = (0..PIECES).map(|_| piece(writes, &mut places)).collect();
        let payload_bytes = if writes { 0 } else { REQUEST_BYTES };
        Ok(Self {
            stream,
            pieces,
            replies_bytes: DEPTH * (SIMPLE_REPLY_BYTES + payload_bytes),
        })
    }

    /// Works for so long, and ends its connection.
    pub(super) fn work(mut self, seconds: f64) -> Result<Given, Failure> {
        let warm_up = self.send_for(WARM_UP_S)?;
        let watch = Stopwatch::start();
        let counted = self.send_for(seconds)?;
        Ok(Given {
            iops: counted as f64 / watch.seconds(),
            requests: warm_up + counted,
        })
    }

    fn send_for(&mut self, seconds: f64) -> Result<u64, Failure> {
        let mut replies = vec![0; self.replies_bytes];
        let mut requests = 0;
        let watch = Stopwatch::start();
        while watch.seconds() < seconds {
            for piece in &self.pieces {
                self.stream.write_all(piece)?;
                self.stream.read_exact(&mut replies)?;
                requests += DEPTH as u64;
            }
            // All replies have their length only if none of them is an error.
            if replies[4..8] != [0; 4] {
                return Err("the light guest met an error".into());
            }
        }
        Ok(requests)
    }
}

/// The handshake: simple replies, and the export.
fn choose(stream: &mut UnixStream, export: &str) -> Result<(), Failure> {
    stream.read_exact(&mut [0; GREETING_BYTES])?;
    stream.write_all(&FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes())?;
    let name_bytes = u32::try_from(export.len())?;
    let mut go = OPTION_MAGIC.to_vec();
    go.extend(OPT_GO.to_be_bytes());
    // The name with its length, and that nothing more is asked about it.
    go.extend((name_bytes + 6).to_be_bytes());
    go.extend(name_bytes.to_be_bytes());
    go.extend(export.as_bytes());
    go.extend(0_u16.to_be_bytes());
    stream.write_all(&go)?;
    loop {
        let mut head = [0; 20];
        stream.read_exact(&mut head)?;
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four"));
        let (reply, length) = (word(12), word(16));
        let mut rest = vec![0; length as usize];
        stream.read_exact(&mut rest)?;
        if reply == REP_ACK {
            return Ok(());
        }
        if reply & REP_IS_ERROR != 0 {
            let why = String::from_utf8_lossy(&rest);
            return Err(format!("no export {export:?}: {why}").into());
        }
    }
}

/// As many requests as are under way at once, one after the other.
fn piece(writes: bool, places: &mut Places) -> Vec<u8> {
    let mut piece = Vec::new();
    for cookie in 0..DEPTH as u64 {
        piece.extend(REQUEST_MAGIC.to_be_bytes());
        piece.extend(0_u16.to_be_bytes());
        piece.extend(u16::from(writes).to_be_bytes());
        piece.extend(cookie.to_be_bytes());
        piece.extend(places.next_offset().to_be_bytes());
        piece.extend((REQUEST_BYTES as u32).to_be_bytes());
        if writes {
            piece.extend([b'x'; REQUEST_BYTES]);
        }
    }
    piece
}

/// Places on the disk in no order, from a seed (splitmix64).
struct Places(u64);

impl Places {
    fn next_offset(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let blocks = DISK_BYTES / REQUEST_BYTES as u64;
        (mixed ^ (mixed >> 31)) % blocks * REQUEST_BYTES as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_its_requests_one_after_the_other_inside_the_disk() {
        let reads = piece(false, &mut Places(1));
        assert_eq!(reads.len(), DEPTH * 28);
        for request in reads.chunks(28) {
            let offset = u64::from_be_bytes(request[16..24].try_into().unwrap());
            assert!(offset + REQUEST_BYTES as u64 <= DISK_BYTES && offset % 4096 == 0);
        }
        assert_eq!(piece(true, &mut Places(1)).len(), DEPTH * (28 + 4096));
        assert_ne!(reads, piece(false, &mut Places(2)));
    }
}

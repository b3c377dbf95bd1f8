//! The sample disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The length of the disk: not a multiple of any block, as real ones may be.
const DISK_BYTES: usize = (64 << 20) + 1000;
/// Data and holes take turns in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Makes the disk at `path`, and returns what it holds.
pub(super) fn make(path: &Path, seed: u64) -> io::Result<Vec<u8>> {
    let file = File::create_new(path)?;
    file.set_len(DISK_BYTES as u64)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut contents = vec![0; DISK_BYTES];
    let pieces = contents.chunks_mut(PIECE_BYTES);
    for (number, piece) in pieces.enumerate().step_by(2) {
        random.fill_bytes(piece);
        file.write_all_at(piece, (number * PIECE_BYTES) as u64)?;
    }
    Ok(contents)
}

//! The disks that are copied: files with data in known places.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::Failure;

/// The bytes that get a number of their own, so that no two pages of a disk are the same.
const PAGE_BYTES: usize = 4096;
/// The bytes of noise at each place that the check looks at.
const NOISE_BYTES: usize = 512;

/// Where a disk holds data: a piece at the start of each stride.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) size_bytes: u64,
    pub(crate) piece_bytes: u64,
    pub(crate) stride_bytes: u64,
}

/// Makes a disk with this layout and brings it to the storage. A file of that name is replaced.
pub(crate) fn make(path: &Path, layout: Layout) -> Result<(), Failure> {
    let file = File::create(path)?;
    file.set_len(layout.size_bytes)?;
    let mut piece = noise(layout.piece_bytes as usize);
    let mut offset_bytes = 0;
    while offset_bytes < layout.size_bytes {
        // The noise repeats in each piece and the number of the page does not: cheap to make,
        // and data in the wrong place is seen.
        for (index, page) in piece.chunks_mut(PAGE_BYTES).enumerate() {
            let page_offset_bytes = offset_bytes + (index * PAGE_BYTES) as u64;
            page[..8].copy_from_slice(&page_offset_bytes.to_le_bytes());
        }
        file.write_all_at(&piece, offset_bytes)?;
        offset_bytes += layout.stride_bytes;
    }
    file.sync_all()?;
    Ok(())
}

/// Makes a disk of that length that is one hole.
pub(crate) fn make_empty(path: &Path, size_bytes: u64) -> Result<(), Failure> {
    File::create(path)?.set_len(size_bytes)?;
    Ok(())
}

/// Overwrites the start of each place with bytes that no disk here holds.
pub(crate) fn write_noise(path: &Path, offsets_bytes: &[u64]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).open(path)?;
    let size_bytes = file.metadata()?.len();
    for &offset_bytes in offsets_bytes {
        let room_bytes = (size_bytes - offset_bytes).min(NOISE_BYTES as u64) as usize;
        file.write_all_at(&[0xff; NOISE_BYTES][..room_bytes], offset_bytes)?;
    }
    file.sync_all()?;
    Ok(())
}

/// Waits until the file is on the storage.
pub(crate) fn sync(path: &Path) -> Result<(), Failure> {
    let file = File::open(path).map_err(|error| format!("no copy was made: {error}"))?;
    file.sync_all()?;
    Ok(())
}

/// The bytes that the file occupies.
pub(crate) fn allocated_bytes(path: &Path) -> Result<u64, Failure> {
    Ok(fs::metadata(path)?.blocks() * 512)
}

/// The bytes that are free for us on the file system of a folder.
pub(crate) fn free_bytes(dir: &Path) -> Result<u64, Failure> {
    let state = nix::sys::statvfs::statvfs(dir)?;
    Ok(state.blocks_available() * state.fragment_size())
}

/// Removes the file if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Bytes without a run of zeroes, from a fixed start (Marsaglia's xorshift).
fn noise(length_bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length_bytes);
    while bytes.len() < length_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length_bytes);
    bytes
}

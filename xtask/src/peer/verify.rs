//! Whether a copy equals its source.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use crate::Failure;

/// How many places a sampled check looks at.
const PROBES: u64 = 256;
/// The bytes that are compared at a time, and at each place of a sampled check.
const CHUNK_BYTES: u64 = 64 << 10;
/// How far before its place a sampled check begins, so that it sees the hole before a piece.
const MARGIN_BYTES: u64 = 4096;

/// How much of the copy is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Around the places given.
    Sampled,
    /// Every byte that is not a hole on both sides.
    Full,
}

/// A range of bytes, its end excluded.
type Range = (u64, u64);

/// Places in the data of a disk, evenly spread over it, the first and the last byte among them.
pub(crate) fn probes(path: &Path) -> Result<Vec<u64>, Failure> {
    let extents = data_extents(&File::open(path)?)?;
    let data_bytes: u64 = extents.iter().map(|(start, end)| end - start).sum();
    let mut places = Vec::new();
    let mut passed_bytes = 0;
    for (start, end) in extents {
        let length_bytes = end - start;
        while let index = places.len() as u64
            && index < PROBES
            && let wanted_bytes = data_bytes.saturating_sub(1) * index / (PROBES - 1)
            && wanted_bytes < passed_bytes + length_bytes
        {
            places.push(start + wanted_bytes - passed_bytes);
        }
        passed_bytes += length_bytes;
    }
    Ok(places)
}

/// Compares the copy with its source; the error says where they differ.
pub(crate) fn same(
    source: &Path,
    target: &Path,
    probes: &[u64],
    depth: Depth,
) -> Result<(), Failure> {
    let source = File::open(source)?;
    let target = File::open(target).map_err(|error| format!("no copy was made: {error}"))?;
    let (source_bytes, target_bytes) = (source.metadata()?.len(), target.metadata()?.len());
    if source_bytes != target_bytes {
        return Err(format!("the copy has {target_bytes} bytes, not {source_bytes}").into());
    }
    let ranges = match depth {
        Depth::Sampled => probes
            .iter()
            .map(|place| {
                let end = place + CHUNK_BYTES + MARGIN_BYTES;
                (place.saturating_sub(MARGIN_BYTES), end.min(source_bytes))
            })
            .collect(),
        Depth::Full => {
            let mut ranges = data_extents(&source)?;
            ranges.extend(data_extents(&target)?);
            ranges
        }
    };
    ranges
        .into_iter()
        .try_for_each(|range| same_range(&source, &target, range))
}

/// Reads all data of a disk once, so that it is in the page cache as far as it fits.
pub(crate) fn warm(path: &Path) -> Result<(), Failure> {
    let file = File::open(path)?;
    let mut chunk = vec![0; 1 << 20];
    for (start, end) in data_extents(&file)? {
        let mut offset_bytes = start;
        while offset_bytes < end {
            let length_bytes = (end - offset_bytes).min(chunk.len() as u64) as usize;
            file.read_exact_at(&mut chunk[..length_bytes], offset_bytes)?;
            offset_bytes += length_bytes as u64;
        }
    }
    Ok(())
}

fn same_range(source: &File, target: &File, (start, end): Range) -> Result<(), Failure> {
    let mut ours = vec![0; CHUNK_BYTES as usize];
    let mut theirs = ours.clone();
    let mut offset_bytes = start;
    while offset_bytes < end {
        let length_bytes = (end - offset_bytes).min(CHUNK_BYTES) as usize;
        source.read_exact_at(&mut ours[..length_bytes], offset_bytes)?;
        target.read_exact_at(&mut theirs[..length_bytes], offset_bytes)?;
        if ours[..length_bytes] != theirs[..length_bytes] {
            return Err(format!(
                "the copy differs within {length_bytes} bytes at offset {offset_bytes}"
            )
            .into());
        }
        offset_bytes += length_bytes as u64;
    }
    Ok(())
}

/// The ranges of a file that are not holes, in order.
fn data_extents(file: &File) -> Result<Vec<Range>, Failure> {
    let mut extents = Vec::new();
    let mut end = 0;
    loop {
        let start = match lseek(file, end, Whence::SeekData) {
            Err(Errno::ENXIO) => return Ok(extents),
            other => other?,
        };
        end = lseek(file, start, Whence::SeekHole)?;
        extents.push((start as u64, end as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::{Layout, make};
    use super::*;

    const LAYOUT: Layout = Layout {
        size_bytes: 32 << 20,
        piece_bytes: 64 << 10,
        stride_bytes: 4 << 20,
    };

    fn two_disks(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        let (source, target) = (folder.join("source"), folder.join("target"));
        make(&source, LAYOUT).unwrap();
        make(&target, LAYOUT).unwrap();
        (source, target)
    }

    fn write(path: &Path, byte: u8, offset_bytes: u64) {
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(&[byte], offset_bytes).unwrap();
    }

    #[test]
    fn equal_disks_pass_both_checks() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = two_disks(folder.path());
        let probes = probes(&source).unwrap();
        assert_eq!(probes.len(), 256);
        same(&source, &target, &probes, Depth::Sampled).unwrap();
        same(&source, &target, &probes, Depth::Full).unwrap();
    }

    #[test]
    fn the_full_check_finds_a_byte_in_a_hole_far_from_any_data() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = two_disks(folder.path());
        write(&target, 1, (6 << 20) + 17);
        assert!(same(&source, &target, &[], Depth::Full).is_err());
    }

    #[test]
    fn the_sampled_check_finds_a_piece_that_was_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = two_disks(folder.path());
        write(&target, 0, (28 << 20) + 100);
        let probes = probes(&source).unwrap();
        assert!(same(&source, &target, &probes, Depth::Sampled).is_err());
    }

    #[test]
    fn a_copy_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = two_disks(folder.path());
        let file = File::options().write(true).open(&target).unwrap();
        file.set_len(LAYOUT.size_bytes + 1).unwrap();
        assert!(same(&source, &target, &[], Depth::Sampled).is_err());
    }
}

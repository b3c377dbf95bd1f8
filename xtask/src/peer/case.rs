//! The situations that are measured, and how large their disks are.

use super::disk::Layout;
use crate::{Failure, size};

/// The bytes of one piece of data on the sparse disk.
const PIECE_BYTES: u64 = 64 << 10;
/// On the sparse disk one byte in so many holds data.
const SPARSENESS: u64 = 64;
/// The extra granularity that the sparse disk is mirrored with.
pub(crate) const LARGE_GRANULARITY_BYTES: u64 = 1 << 20;

/// The situation that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// A disk full of data onto a target whose blocks are allocated already.
    Allocated,
    /// A disk full of data onto a new file.
    Fresh,
    /// A large disk with a little data spread over it onto a new file.
    Sparse,
}

/// A case with its sizes.
pub(crate) struct Geometry {
    pub(crate) case: Case,
    pub(crate) size_bytes: u64,
}

impl Geometry {
    /// The case with the size that the options give for its kind of disk, in bytes.
    pub(crate) fn of(case: Case, full_bytes: u64, sparse_bytes: u64) -> Result<Self, Failure> {
        let (size_bytes, unit) = match case {
            Case::Allocated | Case::Fresh => (full_bytes, 1 << 20),
            Case::Sparse => (sparse_bytes, PIECE_BYTES * SPARSENESS),
        };
        if size_bytes == 0 || size_bytes % unit != 0 {
            return Err(format!(
                "the size of this disk must be a multiple of {}",
                size::spell(unit)
            )
            .into());
        }
        Ok(Self { case, size_bytes })
    }

    /// Where the source holds data.
    pub(crate) fn layout(&self) -> Layout {
        let (piece_bytes, stride_bytes) = match self.case {
            Case::Allocated | Case::Fresh => (1 << 20, 1 << 20),
            Case::Sparse => (PIECE_BYTES, PIECE_BYTES * SPARSENESS),
        };
        Layout {
            size_bytes: self.size_bytes,
            piece_bytes,
            stride_bytes,
        }
    }

    /// How many bytes of the source are data.
    fn data_bytes(&self) -> u64 {
        let layout = self.layout();
        layout.size_bytes / layout.stride_bytes * layout.piece_bytes
    }

    /// The bytes of the target when every granule of this size that holds data is written whole.
    pub(crate) fn written_bytes(&self, granularity_bytes: u64) -> u64 {
        let layout = self.layout();
        let granule = granularity_bytes.clamp(layout.piece_bytes, layout.stride_bytes);
        layout.size_bytes / layout.stride_bytes * granule
    }

    /// Fails when source and target do not fit into the free bytes of the file system.
    pub(crate) fn check_space(&self, free_bytes: u64) -> Result<(), Failure> {
        let needed_bytes = 2 * self.data_bytes() + (64 << 20);
        if free_bytes < needed_bytes {
            return Err(format!(
                "source and target need {} MiB, and {} MiB are free: choose a smaller size or another --dir",
                needed_bytes >> 20,
                free_bytes >> 20
            )
            .into());
        }
        Ok(())
    }

    /// One line that says what is copied onto what.
    pub(crate) fn title(&self) -> String {
        let size = size::spell(self.size_bytes);
        match self.case {
            Case::Allocated => {
                format!("allocated: {size} of data onto a file of that size, all allocated")
            }
            Case::Fresh => format!("fresh: {size} of data onto a new file"),
            Case::Sparse => format!(
                "sparse: a disk of {size} with {} of data in pieces of {}, onto a new file",
                size::spell(self.data_bytes()),
                size::spell(PIECE_BYTES)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sparse_disk_of_64_gib_holds_1_gib() {
        let geometry = Geometry::of(Case::Sparse, 0, 64 << 30).unwrap();
        assert_eq!(geometry.data_bytes(), 1 << 30);
        assert_eq!(geometry.written_bytes(LARGE_GRANULARITY_BYTES), 16 << 30);
    }

    #[test]
    fn a_disk_that_does_not_fit_is_refused_before_it_is_made() {
        let geometry = Geometry::of(Case::Fresh, 1 << 30, 0).unwrap();
        assert!(geometry.check_space(1 << 30).is_err());
        assert!(geometry.check_space(3 << 30).is_ok());
    }
}

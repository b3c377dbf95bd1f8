//! What several of these tests need.

use std::path::PathBuf;

use blockjob_block::driver::file::{FileHandle, OpenOptions};
use tempfile::TempDir;

/// A folder that goes away with the test, and one image in it.
pub(crate) struct Scratch {
    pub(crate) folder: TempDir,
    pub(crate) image: PathBuf,
}

impl Scratch {
    /// The image holds `contents`.
    pub(crate) fn with(contents: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let image = folder.path().join("image");
        std::fs::write(&image, contents).expect("the image can be written");
        Self { folder, image }
    }

    pub(crate) fn open(&self) -> FileHandle {
        OpenOptions::new(&self.image).open().expect("opens")
    }

    pub(crate) fn contents(&self) -> Vec<u8> {
        std::fs::read(&self.image).expect("the image can be read")
    }

    /// How much storage the image occupies.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        let metadata = std::fs::metadata(&self.image).expect("exists");
        std::os::unix::fs::MetadataExt::blocks(&metadata) * 512
    }
}

/// Bytes of which no two neighbouring blocks of 512 are equal, and none is 0.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| 1 + ((i * 7 + i / 512 * 31) % 255) as u8)
        .collect()
}

//! The door through which the crate `imago` does its I/O.
//!
//! `imago` asks its storage through the trait [`imago::Storage`], some of whose methods are marked
//! `unsafe`: whoever *calls* them must have checked alignments and overlaps before. Whoever
//! *implements* them promises nothing, but must still write the word. So that no crate with
//! something to lose has to allow it, the word stands here, in one file, and what is below it is
//! the trait [`Port`], which is safe.
#![deny(unsafe_code)]

use std::fmt::Debug;
use std::future::Future;
use std::io;

use bytes::Bytes;

mod storage;

pub use storage::PortStorage;

/// Who does the I/O of a [`PortStorage`]. All offsets and lengths are in bytes.
///
/// The futures may be dropped at any await; a request that has begun may go on, if
/// [`settle`](Self::settle) then waits for it.
pub trait Port: Debug + Send + Sync {
    /// Reads `len` bytes from `offset` on; behind the end of the file are zeroes.
    fn read(&self, offset: u64, len: usize) -> impl Future<Output = io::Result<Bytes>>;

    /// Writes `data` at `offset`. The file grows for it.
    fn write(&self, offset: u64, data: Bytes) -> impl Future<Output = io::Result<()>>;

    /// Makes a range read as zeroes.
    fn write_zeroes(&self, offset: u64, len: u64) -> impl Future<Output = io::Result<()>>;

    /// Returns when what was written before is safe from a crash.
    fn flush(&self) -> impl Future<Output = io::Result<()>>;

    /// Returns when every request that changes something and was made before has ended, also those
    /// whose future was dropped.
    fn settle(&self) -> impl Future<Output = io::Result<()>>;
}

//! `imago`'s storage on a [`Port`]. The one file that says `unsafe`.
//!
//! There is no unsafe block and no unsafe call in it: each method marked `unsafe` only passes its
//! request on. What the trait asks of the callers, that a request is aligned to
//! [`Storage::req_align`] and does not overlap others, is of no use to a port: it takes any
//! alignment, and nothing that it does could touch memory that is not its own.
#![allow(unsafe_code)]

use std::fmt;
use std::io;

use bytes::{Bytes, BytesMut};
use imago::io_buffers::{IoVector, IoVectorMut};
use imago::storage::drivers::CommonStorageHelper;
use imago::storage::{PreallocateMode, Storage};

use crate::Port;

/// A storage object for `imago` that does its I/O through `P`.
#[derive(Debug)]
pub struct PortStorage<P> {
    port: P,
    helper: CommonStorageHelper,
}

impl<P: Port> PortStorage<P> {
    /// A storage object on `port`.
    pub fn new(port: P) -> Self {
        PortStorage {
            port,
            helper: CommonStorageHelper::default(),
        }
    }
}

impl<P: Port> fmt::Display for PortStorage<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.port)
    }
}

impl<P: Port> Storage for PortStorage<P> {
    /// Asked only by what creates images, and for messages.
    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }

    async unsafe fn pure_readv(&self, mut bufv: IoVectorMut<'_>, offset: u64) -> io::Result<()> {
        let data = self.port.read(offset, bufv.len() as usize).await?;
        bufv.copy_from_slice(&data);
        Ok(())
    }

    async unsafe fn pure_writev(&self, bufv: IoVector<'_>, offset: u64) -> io::Result<()> {
        let mut data = BytesMut::zeroed(bufv.len() as usize);
        bufv.copy_into_slice(&mut data);
        self.port.write(offset, Bytes::from(data)).await
    }

    async unsafe fn pure_write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.port.write_zeroes(offset, length).await
    }

    async unsafe fn pure_write_allocated_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.port.write_zeroes(offset, length).await
    }

    /// A port has no buffers: what was written is in the file.
    async fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    async fn sync(&self) -> io::Result<()> {
        self.port.flush().await
    }

    async fn settle_writes(&self) -> io::Result<()> {
        self.port.settle().await
    }

    async unsafe fn invalidate_cache(&self) -> io::Result<()> {
        Ok(())
    }

    fn get_storage_helper(&self) -> &CommonStorageHelper {
        &self.helper
    }

    async fn resize(&self, _new_size: u64, _prealloc_mode: PreallocateMode) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

//! What a client asks for.

use bytes::{Bytes, BytesMut};

use crate::nbd::proto::{RequestHeader, cmd, cmd_flag};

/// A request with its buffer, which belongs to the connection until the request has ended.
///
/// QEMU: `NBDRequest` (include/block/nbd.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Fills `buf` from `offset`.
    Read {
        /// Where, in bytes.
        offset: u64,
        /// What is filled; at most `u32::MAX` bytes.
        buf: BytesMut,
    },
    /// Writes `data` at `offset`.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What; at most `u32::MAX` bytes.
        data: Bytes,
        /// It must be safe from a crash before the reply.
        fua: bool,
    },
    /// Makes a range read as zeroes.
    WriteZeroes {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        bytes: u32,
        /// The range may be deallocated.
        may_unmap: bool,
        /// Rather fail than be slow.
        fast: bool,
    },
    /// Gives a range up.
    Trim {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        bytes: u32,
    },
    /// Makes safe what was written.
    Flush,
    /// Asks what is known of the beginning of a range.
    BlockStatus {
        /// Where, in bytes.
        offset: u64,
        /// How much at most, in bytes.
        bytes: u32,
    },
}

impl Command {
    /// The header of the request that `cookie` names.
    pub(super) fn header(&self, cookie: u64) -> RequestHeader {
        let (kind, flags, offset, len) = match self {
            Command::Read { offset, buf } => (cmd::READ, 0, *offset, buf.len() as u32),
            Command::Write { offset, data, fua } => {
                let flags = if *fua { cmd_flag::FUA } else { 0 };
                (cmd::WRITE, flags, *offset, data.len() as u32)
            }
            Command::WriteZeroes {
                offset,
                bytes,
                may_unmap,
                fast,
            } => {
                let mut flags = if *may_unmap { 0 } else { cmd_flag::NO_HOLE };
                if *fast {
                    flags |= cmd_flag::FAST_ZERO;
                }
                (cmd::WRITE_ZEROES, flags, *offset, *bytes)
            }
            Command::Trim { offset, bytes } => (cmd::TRIM, 0, *offset, *bytes),
            Command::Flush => (cmd::FLUSH, 0, 0, 0),
            Command::BlockStatus { offset, bytes } => {
                (cmd::BLOCK_STATUS, cmd_flag::REQ_ONE, *offset, *bytes)
            }
        };
        RequestHeader {
            flags,
            kind,
            cookie,
            offset,
            len,
        }
    }

    /// What follows the header on the wire.
    pub fn payload(&self) -> Option<&Bytes> {
        match self {
            Command::Write { data, .. } => Some(data),
            _ => None,
        }
    }

    /// The range that replies may speak of.
    pub(super) fn range(&self) -> (u64, u64) {
        match self {
            Command::Read { offset, buf } => (*offset, buf.len() as u64),
            Command::Write { offset, data, .. } => (*offset, data.len() as u64),
            Command::WriteZeroes { offset, bytes, .. }
            | Command::Trim { offset, bytes }
            | Command::BlockStatus { offset, bytes } => (*offset, u64::from(*bytes)),
            Command::Flush => (0, 0),
        }
    }
}

//! The headers of fixed length, to and from bytes.
//!
//! Each has `LEN`, `encode` into an array, and `decode` from one: the caller decides when there are
//! enough bytes, so nothing here can run past an end.

use super::{
    INIT_MAGIC, OPTION_REPLY_MAGIC, OPTS_MAGIC, REQUEST_MAGIC, SIMPLE_REPLY_MAGIC,
    STRUCTURED_REPLY_MAGIC,
};

/// The zeroes after the reply to `opt::EXPORT_NAME`, unless both sides leave them out, in bytes.
pub const EXPORT_NAME_PADDING: usize = 124;

/// A header that does not begin as it must: the other side speaks something else, or has lost its
/// place. Nothing that follows can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid magic 0x{got:x}, expected 0x{expected:x}")]
pub struct BadMagic {
    /// What came.
    pub got: u64,
    /// What should have come.
    pub expected: u64,
}

/// `N` bytes of `from` at `at`; the callers' offsets are constants inside of their arrays.
fn piece<const L: usize, const N: usize>(from: &[u8; L], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&from[at..at + N]);
    out
}

fn u16_at<const L: usize>(from: &[u8; L], at: usize) -> u16 {
    u16::from_be_bytes(piece(from, at))
}

fn u32_at<const L: usize>(from: &[u8; L], at: usize) -> u32 {
    u32::from_be_bytes(piece(from, at))
}

fn u64_at<const L: usize>(from: &[u8; L], at: usize) -> u64 {
    u64::from_be_bytes(piece(from, at))
}

fn expect(got: u64, expected: u64) -> Result<(), BadMagic> {
    if got == expected {
        Ok(())
    } else {
        Err(BadMagic { got, expected })
    }
}

/// What a newstyle server says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// Handshake flags, `handshake::*`.
    pub flags: u16,
}

impl Greeting {
    /// Its length in bytes.
    pub const LEN: usize = 18;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&INIT_MAGIC.to_be_bytes());
        out[8..16].copy_from_slice(&OPTS_MAGIC.to_be_bytes());
        out[16..].copy_from_slice(&self.flags.to_be_bytes());
        out
    }

    /// From bytes. An oldstyle server is a [`BadMagic`] whose `got` is
    /// [`CLIENT_MAGIC`](super::CLIENT_MAGIC).
    pub fn decode(from: &[u8; Self::LEN]) -> Result<Self, BadMagic> {
        expect(u64_at(from, 0), INIT_MAGIC)?;
        expect(u64_at(from, 8), OPTS_MAGIC)?;
        Ok(Greeting {
            flags: u16_at(from, 16),
        })
    }
}

/// Begins an option; `len` bytes of data follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionHeader {
    /// Which, `opt::*`.
    pub option: u32,
    /// Bytes that follow.
    pub len: u32,
}

impl OptionHeader {
    /// Its length in bytes.
    pub const LEN: usize = 16;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&OPTS_MAGIC.to_be_bytes());
        out[8..12].copy_from_slice(&self.option.to_be_bytes());
        out[12..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    /// From bytes.
    pub fn decode(from: &[u8; Self::LEN]) -> Result<Self, BadMagic> {
        expect(u64_at(from, 0), OPTS_MAGIC)?;
        Ok(OptionHeader {
            option: u32_at(from, 8),
            len: u32_at(from, 12),
        })
    }
}

/// Begins a reply to an option; `len` bytes of data follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionReplyHeader {
    /// The option that is answered.
    pub option: u32,
    /// What kind of reply, `rep::*`.
    pub reply: u32,
    /// Bytes that follow.
    pub len: u32,
}

impl OptionReplyHeader {
    /// Its length in bytes.
    pub const LEN: usize = 20;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&OPTION_REPLY_MAGIC.to_be_bytes());
        out[8..12].copy_from_slice(&self.option.to_be_bytes());
        out[12..16].copy_from_slice(&self.reply.to_be_bytes());
        out[16..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    /// From bytes.
    pub fn decode(from: &[u8; Self::LEN]) -> Result<Self, BadMagic> {
        expect(u64_at(from, 0), OPTION_REPLY_MAGIC)?;
        Ok(OptionReplyHeader {
            option: u32_at(from, 8),
            reply: u32_at(from, 12),
            len: u32_at(from, 16),
        })
    }
}

/// Begins a request; after `cmd::WRITE` follow `len` bytes of data.
///
/// QEMU: `NBDRequest` (include/block/nbd.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// `cmd_flag::*`.
    pub flags: u16,
    /// Which, `cmd::*`.
    pub kind: u16,
    /// The client's name for it; each reply carries it back.
    pub cookie: u64,
    /// Where, in bytes.
    pub offset: u64,
    /// How much, in bytes.
    pub len: u32,
}

impl RequestHeader {
    /// Its length in bytes.
    pub const LEN: usize = 28;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&REQUEST_MAGIC.to_be_bytes());
        out[4..6].copy_from_slice(&self.flags.to_be_bytes());
        out[6..8].copy_from_slice(&self.kind.to_be_bytes());
        out[8..16].copy_from_slice(&self.cookie.to_be_bytes());
        out[16..24].copy_from_slice(&self.offset.to_be_bytes());
        out[24..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    /// From bytes.
    pub fn decode(from: &[u8; Self::LEN]) -> Result<Self, BadMagic> {
        expect(u32_at(from, 0).into(), REQUEST_MAGIC.into())?;
        Ok(RequestHeader {
            flags: u16_at(from, 4),
            kind: u16_at(from, 6),
            cookie: u64_at(from, 8),
            offset: u64_at(from, 16),
            len: u32_at(from, 24),
        })
    }
}

/// A simple reply; after that to a successful read follows the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimpleReplyHeader {
    /// 0, or `error::*`.
    pub error: u32,
    /// The request that is answered.
    pub cookie: u64,
}

impl SimpleReplyHeader {
    /// Its length in bytes.
    pub const LEN: usize = 16;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&SIMPLE_REPLY_MAGIC.to_be_bytes());
        out[4..8].copy_from_slice(&self.error.to_be_bytes());
        out[8..].copy_from_slice(&self.cookie.to_be_bytes());
        out
    }

    /// From bytes.
    pub fn decode(from: &[u8; Self::LEN]) -> Result<Self, BadMagic> {
        expect(u32_at(from, 0).into(), SIMPLE_REPLY_MAGIC.into())?;
        Ok(SimpleReplyHeader {
            error: u32_at(from, 4),
            cookie: u64_at(from, 8),
        })
    }
}

/// Begins a chunk of a structured reply; `len` bytes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// `chunk_flag::*`.
    pub flags: u16,
    /// What kind, `chunk::*`.
    pub kind: u16,
    /// The request that is answered.
    pub cookie: u64,
    /// Bytes that follow.
    pub len: u32,
}

impl ChunkHeader {
    /// Its length in bytes.
    pub const LEN: usize = 20;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&STRUCTURED_REPLY_MAGIC.to_be_bytes());
        out[4..6].copy_from_slice(&self.flags.to_be_bytes());
        out[6..8].copy_from_slice(&self.kind.to_be_bytes());
        out[8..16].copy_from_slice(&self.cookie.to_be_bytes());
        out[16..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    /// From bytes.
    pub fn decode(from: &[u8; Self::LEN]) -> Result<Self, BadMagic> {
        expect(u32_at(from, 0).into(), STRUCTURED_REPLY_MAGIC.into())?;
        Ok(ChunkHeader {
            flags: u16_at(from, 4),
            kind: u16_at(from, 6),
            cookie: u64_at(from, 8),
            len: u32_at(from, 16),
        })
    }
}

/// One extent of a meta context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How long, in bytes.
    pub len: u32,
    /// For `base:allocation`, `base_allocation::HOLE` and `base_allocation::ZERO`.
    pub flags: u32,
}

impl Extent {
    /// Its length in bytes.
    pub const LEN: usize = 8;

    /// To bytes.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.len.to_be_bytes());
        out[4..].copy_from_slice(&self.flags.to_be_bytes());
        out
    }

    /// From bytes.
    pub fn decode(from: &[u8; Self::LEN]) -> Self {
        Extent {
            len: u32_at(from, 0),
            flags: u32_at(from, 4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_looks_on_the_wire_as_the_protocol_draws_it() {
        let request = RequestHeader {
            flags: 1,
            kind: 6,
            cookie: 0x0102_0304_0506_0708,
            offset: 0x1000,
            len: 0x200,
        };
        let bytes = request.encode();
        assert_eq!(bytes[..4], [0x25, 0x60, 0x95, 0x13]);
        assert_eq!(bytes[4..8], [0, 1, 0, 6]);
        assert_eq!(bytes[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(RequestHeader::decode(&bytes), Ok(request));
    }

    #[test]
    fn each_header_comes_back_from_its_bytes() {
        let greeting = Greeting { flags: 3 };
        assert_eq!(Greeting::decode(&greeting.encode()), Ok(greeting));
        let option = OptionHeader { option: 7, len: 9 };
        assert_eq!(OptionHeader::decode(&option.encode()), Ok(option));
        let reply = OptionReplyHeader {
            option: 7,
            reply: 1 << 31 | 6,
            len: 3,
        };
        assert_eq!(OptionReplyHeader::decode(&reply.encode()), Ok(reply));
        let simple = SimpleReplyHeader {
            error: 22,
            cookie: u64::MAX,
        };
        assert_eq!(SimpleReplyHeader::decode(&simple.encode()), Ok(simple));
        let chunk = ChunkHeader {
            flags: 1,
            kind: 0x8001,
            cookie: 5,
            len: 6,
        };
        assert_eq!(ChunkHeader::decode(&chunk.encode()), Ok(chunk));
        let extent = Extent { len: 512, flags: 3 };
        assert_eq!(Extent::decode(&extent.encode()), extent);
    }

    #[test]
    fn another_magic_is_told_with_both_sides() {
        let error = SimpleReplyHeader::decode(&[0; 16]).expect_err("zeroes are no reply");
        assert_eq!(error.to_string(), "invalid magic 0x0, expected 0x67446698");
    }
}

//! The numbers of the protocol under their names, and the limits that both sides keep.
//!
//! A name such as `NBD_OPT_GO` of the protocol's document is `opt::GO` here. All numbers are
//! big-endian on the wire.
//!
//! QEMU: include/block/nbd.h.

mod errno;
mod header;
mod names;

pub use errno::{errno_from_wire, errno_to_wire};
pub use header::{
    BadMagic, ChunkHeader, EXPORT_NAME_PADDING, Extent, Greeting, OptionHeader, OptionReplyHeader,
    RequestHeader, SimpleReplyHeader,
};
pub use names::{cmd_name, info_name, opt_name, rep_name};

/// The first eight bytes of a server: `NBDMAGIC`.
pub const INIT_MAGIC: u64 = 0x4e42_444d_4147_4943;
/// What follows them in the newstyle handshake, and begins each option: `IHAVEOPT`.
pub const OPTS_MAGIC: u64 = 0x4948_4156_454f_5054;
/// What follows them in the oldstyle handshake, which neither side speaks.
pub const CLIENT_MAGIC: u64 = 0x0000_4202_8186_1253;
/// Begins each reply to an option.
pub const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// Begins each request.
pub const REQUEST_MAGIC: u32 = 0x2560_9513;
/// Begins each simple reply.
pub const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// Begins each chunk of a structured reply.
pub const STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;

/// The port that belongs to the protocol (`NBD_DEFAULT_PORT`).
pub const DEFAULT_PORT: u16 = 10809;

/// The longest read or write, in bytes (`NBD_MAX_BUFFER_SIZE`): what every server takes and no
/// client exceeds unless the server says otherwise.
pub const MAX_PAYLOAD: u32 = 32 << 20;
/// The longest name of an export or a meta context, or description of an export, in bytes
/// (`NBD_MAX_STRING_SIZE`).
pub const MAX_STRING: u32 = 4096;
/// Requests of one connection that are under way at most (`MAX_NBD_REQUESTS` in nbd/server.c and
/// block/nbd.c).
pub const MAX_REQUESTS: usize = 16;
/// The longest data of an option that a server of ours reads: a name, and as many names of meta
/// contexts as anybody could mean. Longer data is skipped and answered with `rep::ERR_TOO_BIG`.
pub const MAX_OPTION_DATA: u32 = 3 * MAX_STRING;
/// The longest data of a reply to an option that a client of ours reads: a description and a name
/// with their lengths.
pub const MAX_OPTION_REPLY: u32 = 2 * MAX_STRING + 64;
/// Options that a client may send in one handshake before it is sent away.
pub const MAX_OPTIONS: u32 = 4096;

/// What a request allows for the size of block, in bytes, when nothing was said.
pub const DEFAULT_MIN_BLOCK: u32 = 1;
/// The block size that a client may count on when nothing was said, in bytes.
pub const DEFAULT_PREFERRED_BLOCK: u32 = 4096;

/// Handshake flags of the server (`NBD_FLAG_FIXED_NEWSTYLE`, `NBD_FLAG_NO_ZEROES`).
pub mod handshake {
    /// The server answers options that it does not know.
    pub const FIXED_NEWSTYLE: u16 = 1 << 0;
    /// The server can leave out the zeroes after the reply to `opt::EXPORT_NAME`.
    pub const NO_ZEROES: u16 = 1 << 1;
}

/// Handshake flags of the client (`NBD_FLAG_C_*`).
pub mod client_flag {
    /// The client speaks fixed newstyle.
    pub const FIXED_NEWSTYLE: u32 = 1 << 0;
    /// The zeroes after the reply to `opt::EXPORT_NAME` are left out.
    pub const NO_ZEROES: u32 = 1 << 1;
}

/// Transmission flags of an export (`NBD_FLAG_*`).
pub mod flag {
    /// Always set.
    pub const HAS_FLAGS: u16 = 1 << 0;
    /// Nothing can be written.
    pub const READ_ONLY: u16 = 1 << 1;
    /// `cmd::FLUSH` is known.
    pub const SEND_FLUSH: u16 = 1 << 2;
    /// `cmd_flag::FUA` is known.
    pub const SEND_FUA: u16 = 1 << 3;
    /// The medium turns.
    pub const ROTATIONAL: u16 = 1 << 4;
    /// `cmd::TRIM` is known.
    pub const SEND_TRIM: u16 = 1 << 5;
    /// `cmd::WRITE_ZEROES` and `cmd_flag::NO_HOLE` are known.
    pub const SEND_WRITE_ZEROES: u16 = 1 << 6;
    /// `cmd_flag::DF` is known.
    pub const SEND_DF: u16 = 1 << 7;
    /// A flush on one connection covers the writes that were answered on all of them.
    pub const CAN_MULTI_CONN: u16 = 1 << 8;
    /// `cmd::RESIZE` is known.
    pub const SEND_RESIZE: u16 = 1 << 9;
    /// `cmd::CACHE` is known.
    pub const SEND_CACHE: u16 = 1 << 10;
    /// `cmd_flag::FAST_ZERO` is known.
    pub const SEND_FAST_ZERO: u16 = 1 << 11;
    /// `cmd_flag::PAYLOAD_LEN` is known to `cmd::BLOCK_STATUS`.
    pub const BLOCK_STAT_PAYLOAD: u16 = 1 << 12;
}

/// Options of the handshake (`NBD_OPT_*`).
pub mod opt {
    /// Chooses the export and ends the handshake; has no reply that could say no.
    pub const EXPORT_NAME: u32 = 1;
    /// Ends the handshake without a transmission.
    pub const ABORT: u32 = 2;
    /// Asks for the names of the exports.
    pub const LIST: u32 = 3;
    /// Withdrawn from the protocol.
    pub const PEEK_EXPORT: u32 = 4;
    /// Asks for an encrypted connection.
    pub const STARTTLS: u32 = 5;
    /// Asks about one export.
    pub const INFO: u32 = 6;
    /// Chooses the export, with what `INFO` tells, and ends the handshake.
    pub const GO: u32 = 7;
    /// Asks for structured replies.
    pub const STRUCTURED_REPLY: u32 = 8;
    /// Asks which meta contexts an export has.
    pub const LIST_META_CONTEXT: u32 = 9;
    /// Chooses the meta contexts that block status is to tell of.
    pub const SET_META_CONTEXT: u32 = 10;
    /// Asks for requests and replies with long headers.
    pub const EXTENDED_HEADERS: u32 = 11;
}

/// Replies to options (`NBD_REP_*`).
pub mod rep {
    /// Done.
    pub const ACK: u32 = 1;
    /// One export, for `opt::LIST`.
    pub const SERVER: u32 = 2;
    /// One piece of information, for `opt::INFO` and `opt::GO`.
    pub const INFO: u32 = 3;
    /// One meta context.
    pub const META_CONTEXT: u32 = 4;
    /// Set in each reply that is an error.
    pub const FLAG_ERROR: u32 = 1 << 31;
    /// The option is not known.
    pub const ERR_UNSUP: u32 = FLAG_ERROR | 1;
    /// The server's owner does not want it.
    pub const ERR_POLICY: u32 = FLAG_ERROR | 2;
    /// The option contradicts itself or comes at the wrong time.
    pub const ERR_INVALID: u32 = FLAG_ERROR | 3;
    /// Not on this platform.
    pub const ERR_PLATFORM: u32 = FLAG_ERROR | 4;
    /// Only over an encrypted connection.
    pub const ERR_TLS_REQD: u32 = FLAG_ERROR | 5;
    /// There is no such export.
    pub const ERR_UNKNOWN: u32 = FLAG_ERROR | 6;
    /// The server is about to go away.
    pub const ERR_SHUTDOWN: u32 = FLAG_ERROR | 7;
    /// The client must ask for the block size and keep to it.
    pub const ERR_BLOCK_SIZE_REQD: u32 = FLAG_ERROR | 8;
    /// The option is too long.
    pub const ERR_TOO_BIG: u32 = FLAG_ERROR | 9;
    /// The client must ask for long headers.
    pub const ERR_EXT_HEADER_REQD: u32 = FLAG_ERROR | 10;
}

/// Pieces of information about an export (`NBD_INFO_*`).
pub mod info {
    /// Size and transmission flags.
    pub const EXPORT: u16 = 0;
    /// The name that the server uses itself.
    pub const NAME: u16 = 1;
    /// A description for people.
    pub const DESCRIPTION: u16 = 2;
    /// Smallest, preferred and largest size of a request.
    pub const BLOCK_SIZE: u16 = 3;
}

/// Requests (`NBD_CMD_*`).
pub mod cmd {
    /// Reads.
    pub const READ: u16 = 0;
    /// Writes the payload that follows.
    pub const WRITE: u16 = 1;
    /// Ends the connection; there is no reply.
    pub const DISC: u16 = 2;
    /// Makes safe what was written.
    pub const FLUSH: u16 = 3;
    /// Gives a range up.
    pub const TRIM: u16 = 4;
    /// Has a range read soon.
    pub const CACHE: u16 = 5;
    /// Makes a range read as zeroes.
    pub const WRITE_ZEROES: u16 = 6;
    /// Asks what is known of a range.
    pub const BLOCK_STATUS: u16 = 7;
    /// Changes the size of the export.
    pub const RESIZE: u16 = 8;
}

/// Flags of requests (`NBD_CMD_FLAG_*`).
pub mod cmd_flag {
    /// Safe from a crash before the reply.
    pub const FUA: u16 = 1 << 0;
    /// Zeroes must take up space.
    pub const NO_HOLE: u16 = 1 << 1;
    /// One chunk of data at most.
    pub const DF: u16 = 1 << 2;
    /// One extent is enough.
    pub const REQ_ONE: u16 = 1 << 3;
    /// Fail rather than write literal zeroes.
    pub const FAST_ZERO: u16 = 1 << 4;
    /// The length is that of the payload; extended headers only.
    pub const PAYLOAD_LEN: u16 = 1 << 5;
}

/// Flags of a chunk of a structured reply (`NBD_REPLY_FLAG_*`).
pub mod chunk_flag {
    /// The last chunk of the reply.
    pub const DONE: u16 = 1 << 0;
}

/// Types of chunks of a structured reply (`NBD_REPLY_TYPE_*`).
pub mod chunk {
    /// Nothing.
    pub const NONE: u16 = 0;
    /// Data, after its offset.
    pub const OFFSET_DATA: u16 = 1;
    /// A hole: its offset and its length.
    pub const OFFSET_HOLE: u16 = 2;
    /// Extents of one meta context.
    pub const BLOCK_STATUS: u16 = 5;
    /// Extents of one meta context with long fields.
    pub const BLOCK_STATUS_EXT: u16 = 6;
    /// Set in each type that is an error.
    pub const FLAG_ERROR: u16 = 1 << 15;
    /// An error: its number and a text.
    pub const ERROR: u16 = FLAG_ERROR | 1;
    /// An error with the offset where it happened.
    pub const ERROR_OFFSET: u16 = FLAG_ERROR | 2;
}

/// The one meta context that both sides know, and its flags (`NBD_STATE_*`).
pub mod base_allocation {
    /// Its name.
    pub const NAME: &str = "base:allocation";
    /// The range takes up no space.
    pub const HOLE: u32 = 1 << 0;
    /// The range reads as zeroes.
    pub const ZERO: u32 = 1 << 1;
}

/// Numbers of errors (`NBD_E*`).
pub mod error {
    /// Not allowed, such as a write to a read-only export.
    pub const EPERM: u32 = 1;
    /// Input or output failed.
    pub const EIO: u32 = 5;
    /// No memory.
    pub const ENOMEM: u32 = 12;
    /// The request contradicts itself or the export.
    pub const EINVAL: u32 = 22;
    /// No room, or past the end.
    pub const ENOSPC: u32 = 28;
    /// Too large for one chunk of data.
    pub const EOVERFLOW: u32 = 75;
    /// Not known, or not fast.
    pub const ENOTSUP: u32 = 95;
    /// The server is about to go away.
    pub const ESHUTDOWN: u32 = 108;
}

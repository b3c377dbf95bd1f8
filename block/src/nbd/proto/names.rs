//! The names of the numbers, for messages and traces.
//!
//! QEMU: `nbd_opt_lookup` and its neighbours (nbd/common.c).

use super::{cmd, info, opt, rep};

/// The name of an option, such as `go`.
pub const fn opt_name(option: u32) -> &'static str {
    match option {
        opt::EXPORT_NAME => "export name",
        opt::ABORT => "abort",
        opt::LIST => "list",
        opt::PEEK_EXPORT => "peek export",
        opt::STARTTLS => "starttls",
        opt::INFO => "info",
        opt::GO => "go",
        opt::STRUCTURED_REPLY => "structured reply",
        opt::LIST_META_CONTEXT => "list meta context",
        opt::SET_META_CONTEXT => "set meta context",
        opt::EXTENDED_HEADERS => "extended headers",
        _ => "<unknown>",
    }
}

/// The name of a reply to an option.
pub const fn rep_name(reply: u32) -> &'static str {
    match reply {
        rep::ACK => "ack",
        rep::SERVER => "server",
        rep::INFO => "info",
        rep::META_CONTEXT => "meta context",
        rep::ERR_UNSUP => "unsupported",
        rep::ERR_POLICY => "denied by policy",
        rep::ERR_INVALID => "invalid",
        rep::ERR_PLATFORM => "platform lacks support",
        rep::ERR_TLS_REQD => "TLS required",
        rep::ERR_UNKNOWN => "export unknown",
        rep::ERR_SHUTDOWN => "server shutting down",
        rep::ERR_BLOCK_SIZE_REQD => "block size required",
        rep::ERR_TOO_BIG => "option payload too big",
        rep::ERR_EXT_HEADER_REQD => "extended headers required",
        _ => "<unknown>",
    }
}

/// The name of a piece of information.
pub const fn info_name(kind: u16) -> &'static str {
    match kind {
        info::EXPORT => "export",
        info::NAME => "name",
        info::DESCRIPTION => "description",
        info::BLOCK_SIZE => "block size",
        _ => "<unknown>",
    }
}

/// The name of a request.
pub const fn cmd_name(kind: u16) -> &'static str {
    match kind {
        cmd::READ => "read",
        cmd::WRITE => "write",
        cmd::DISC => "disconnect",
        cmd::FLUSH => "flush",
        cmd::TRIM => "trim",
        cmd::CACHE => "cache",
        cmd::WRITE_ZEROES => "write zeroes",
        cmd::BLOCK_STATUS => "block status",
        cmd::RESIZE => "resize",
        _ => "<unknown>",
    }
}

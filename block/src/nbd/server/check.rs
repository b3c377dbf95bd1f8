//! What is wrong with a request, before anything is done for it.
//!
//! QEMU: `nbd_co_receive_request` (nbd/server.c).

use crate::nbd::proto::{MAX_PAYLOAD, RequestHeader, cmd, cmd_flag, cmd_name, error, flag};

use super::Mode;

/// Why a request is answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The number on the wire, `error::*`.
    pub error: u32,
    /// For people; goes along in structured replies.
    pub text: String,
}

impl Refusal {
    /// With the number `error` and words.
    pub fn new(error: u32, text: impl Into<String>) -> Self {
        let text = text.into();
        Refusal { error, text }
    }
}

/// Looks at a request to an export of `size` bytes with the transmission flags `flags`.
///
/// The peer notices the same and says the same, but answers everything with `EINVAL`; the numbers
/// here are those that the protocol asks for.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(request: &RequestHeader, flags: u16, size: u64, mode: Mode) -> Result<(), Refusal> {
    let len = request.len;
    let writes = matches!(request.kind, cmd::WRITE | cmd::TRIM | cmd::WRITE_ZEROES);
    let moves_data = matches!(request.kind, cmd::READ | cmd::WRITE | cmd::CACHE);
    if moves_data && len > MAX_PAYLOAD {
        let text = format!("len ({len}) is larger than max len ({MAX_PAYLOAD})");
        return Err(Refusal::new(error::EINVAL, text));
    }
    if writes && flags & flag::READ_ONLY != 0 {
        return Err(Refusal::new(error::EPERM, "Export is read-only"));
    }
    if request.offset > size || u64::from(len) > size - request.offset {
        let error = match request.kind {
            cmd::WRITE | cmd::WRITE_ZEROES => error::ENOSPC,
            _ => error::EINVAL,
        };
        let text = format!(
            "operation past EOF; From: {}, Len: {len}, Size: {size}",
            request.offset
        );
        return Err(Refusal::new(error, text));
    }
    let known = match request.kind {
        cmd::READ if mode.structured => cmd_flag::DF,
        cmd::WRITE_ZEROES => cmd_flag::NO_HOLE | cmd_flag::FAST_ZERO,
        cmd::BLOCK_STATUS => cmd_flag::REQ_ONE,
        _ => 0,
    };
    if request.flags & !(known | cmd_flag::FUA) != 0 {
        let text = format!(
            "unsupported flags for command {} (got 0x{:x})",
            cmd_name(request.kind),
            request.flags
        );
        return Err(Refusal::new(error::EINVAL, text));
    }
    check_kind(request, mode)
}

fn check_kind(request: &RequestHeader, mode: Mode) -> Result<(), Refusal> {
    match request.kind {
        cmd::READ | cmd::WRITE | cmd::FLUSH | cmd::TRIM | cmd::CACHE | cmd::WRITE_ZEROES => Ok(()),
        cmd::BLOCK_STATUS if !mode.base_allocation => Err(Refusal::new(
            error::EINVAL,
            "CMD_BLOCK_STATUS not negotiated",
        )),
        cmd::BLOCK_STATUS if request.len == 0 => {
            Err(Refusal::new(error::EINVAL, "need non-zero length"))
        }
        cmd::BLOCK_STATUS => Ok(()),
        kind => Err(Refusal::new(
            error::EINVAL,
            format!("invalid request type ({kind}) received"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn outcome(flags: u16, kind: u16, offset: u64, len: u32) -> u32 {
        let request = RequestHeader {
            flags,
            kind,
            cookie: 0,
            offset,
            len,
        };
        let mode = Mode {
            structured: true,
            base_allocation: true,
        };
        check(&request, flag::HAS_FLAGS, SIZE, mode).map_or_else(|refusal| refusal.error, |()| 0)
    }

    #[test]
    fn what_reaches_past_the_end_is_refused_and_what_touches_it_is_not() {
        assert_eq!(outcome(0, cmd::READ, SIZE - 1, 1), 0);
        assert_eq!(outcome(0, cmd::READ, SIZE, 0), 0);
        assert_eq!(outcome(0, cmd::READ, SIZE - 1, 2), error::EINVAL);
        assert_eq!(outcome(0, cmd::WRITE, SIZE - 1, 2), error::ENOSPC);
        assert_eq!(outcome(0, cmd::WRITE_ZEROES, u64::MAX, 2), error::ENOSPC);
        assert_eq!(outcome(0, cmd::TRIM, u64::MAX, u32::MAX), error::EINVAL);
    }

    #[test]
    fn each_request_takes_its_own_flags_and_no_others() {
        assert_eq!(outcome(cmd_flag::DF, cmd::READ, 0, 1), 0);
        assert_eq!(outcome(cmd_flag::DF, cmd::WRITE, 0, 1), error::EINVAL);
        assert_eq!(outcome(cmd_flag::NO_HOLE, cmd::TRIM, 0, 1), error::EINVAL);
        assert_eq!(outcome(cmd_flag::FUA, cmd::FLUSH, 0, 0), 0);
        assert_eq!(outcome(cmd_flag::REQ_ONE, cmd::BLOCK_STATUS, 0, 1), 0);
    }

    #[test]
    fn nobody_writes_to_a_read_only_export() {
        for kind in [cmd::WRITE, cmd::TRIM, cmd::WRITE_ZEROES] {
            let request = RequestHeader {
                flags: 0,
                kind,
                cookie: 0,
                offset: SIZE,
                len: 1,
            };
            let refused = check(&request, flag::READ_ONLY, SIZE, Mode::default());
            assert_eq!(refused.expect_err("it is read-only").error, error::EPERM);
        }
    }
}

//! The numbers of errors on the wire, and the system's.
//!
//! QEMU: `system_errno_to_nbd_errno` (nbd/server.c), `nbd_errno_to_system_errno` (nbd/common.c).

use nix::libc;

use super::error;

/// The number on the wire for the positive number `errno` of the system. What the protocol does
/// not know becomes `EINVAL`, as with QEMU.
pub const fn errno_to_wire(errno: i32) -> u32 {
    match errno {
        0 => 0,
        libc::EPERM | libc::EROFS => error::EPERM,
        libc::EIO => error::EIO,
        libc::ENOMEM => error::ENOMEM,
        libc::EFBIG | libc::ENOSPC | libc::EDQUOT => error::ENOSPC,
        libc::EOVERFLOW => error::EOVERFLOW,
        libc::EOPNOTSUPP => error::ENOTSUP,
        libc::ESHUTDOWN => error::ESHUTDOWN,
        _ => error::EINVAL,
    }
}

/// The positive number of the system for a number on the wire; 0 stays 0, and what the protocol
/// does not know becomes `EINVAL`, as with QEMU.
pub const fn errno_from_wire(wire: u32) -> i32 {
    match wire {
        0 => 0,
        error::EPERM => libc::EPERM,
        error::EIO => libc::EIO,
        error::ENOMEM => libc::ENOMEM,
        error::ENOSPC => libc::ENOSPC,
        error::EOVERFLOW => libc::EOVERFLOW,
        error::ENOTSUP => libc::EOPNOTSUPP,
        error::ESHUTDOWN => libc::ESHUTDOWN,
        _ => libc::EINVAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_protocol_survives_the_way_there_and_back() {
        use error::*;
        for wire in [
            0, EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN,
        ] {
            assert_eq!(errno_to_wire(errno_from_wire(wire)), wire);
        }
    }

    #[test]
    fn what_the_protocol_has_no_number_for_is_squashed() {
        assert_eq!(errno_to_wire(libc::EROFS), error::EPERM);
        assert_eq!(errno_to_wire(libc::EFBIG), error::ENOSPC);
        assert_eq!(errno_to_wire(libc::ENXIO), error::EINVAL);
        assert_eq!(errno_from_wire(4711), libc::EINVAL);
    }
}

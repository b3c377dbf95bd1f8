//! Sizes as people write them to a monitor, and as they read them.

use crate::qapi::builtin::size_from_text;

/// A size in bytes; without a suffix, in mebibytes.
///
/// QEMU: type `o` in `monitor_parse_arguments` (monitor/hmp.c).
pub(super) fn parse_size(text: &str) -> Option<i64> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    let size = if digits && !text.is_empty() {
        text.parse::<u64>().ok()?.checked_mul(1 << 20)?
    } else {
        size_from_text(text)?
    };
    i64::try_from(size).ok()
}

/// A number of bytes for disk commands: bytes without a suffix.
///
/// QEMU: `cvtnum` (qemu-io-cmds.c).
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    size_from_text(text).filter(|size| i64::try_from(*size).is_ok())
}

/// A number of bytes for people: `64 KiB`, `1.500 MiB`.
///
/// QEMU: `cvtstr` (qemu-io-cmds.c).
pub(super) fn show_bytes(bytes: f64) -> String {
    let units = [
        (60, "EiB"),
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ];
    for (shift, unit) in units {
        let one = (1u64 << shift) as f64;
        if bytes >= one {
            return format!("{} {unit}", trimmed(bytes / one));
        }
    }
    format!("{} bytes", trimmed(bytes))
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    match text.strip_suffix(".000") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_a_suffix_is_in_mebibytes() {
        assert_eq!(parse_size("5"), Some(5 << 20));
        assert_eq!(parse_size("5K"), Some(5 << 10));
        assert_eq!(parse_size(""), None);
        assert_eq!(parse_size("-5"), None);
        assert_eq!(parse_bytes("64k"), Some(65536));
        assert_eq!(parse_bytes("512"), Some(512));
    }

    #[test]
    fn bytes_are_shown_as_the_tools_of_the_peer_show_them() {
        assert_eq!(show_bytes(65536.0), "64 KiB");
        assert_eq!(show_bytes(1_572_864.0), "1.500 MiB");
        assert_eq!(show_bytes(511.0), "511 bytes");
    }
}

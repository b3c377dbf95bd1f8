//! What a handshake finds out about an export.

use crate::nbd::proto::flag;

/// An export as the server describes it, and what was agreed on for the connection.
///
/// QEMU: `NBDExportInfo` (include/block/nbd.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportInfo {
    /// Its length in bytes.
    pub size: u64,
    /// What it can do: bits of [`flag`].
    pub flags: u16,
    /// Offsets and lengths are multiples of this power of two, in bytes; 0 if the server did not say.
    pub min_block: u32,
    /// What suits it best, in bytes; 0 if the server did not say.
    pub preferred_block: u32,
    /// The longest read or write, in bytes; 0 if the server did not say.
    pub max_block: u32,
    /// Replies are structured.
    pub structured: bool,
    /// The number by which the server calls the meta context `base:allocation`.
    pub allocation_context: Option<u32>,
}

impl ExportInfo {
    pub(super) const EMPTY: ExportInfo = ExportInfo {
        size: 0,
        flags: 0,
        min_block: 0,
        preferred_block: 0,
        max_block: 0,
        structured: false,
        allocation_context: None,
    };

    /// Whether it can do something: one bit of [`flag`].
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// True if nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.has(flag::READ_ONLY)
    }

    /// What is less than it was, if this is the same export after a new connection, and its user
    /// relies on what was said `before`.
    pub fn shortfall(&self, before: &ExportInfo) -> Option<String> {
        if self.size != before.size {
            return Some(format!(
                "it has {} bytes, and had {}",
                self.size, before.size
            ));
        }
        if self.is_read_only() && !before.is_read_only() {
            return Some("it is read-only now".to_owned());
        }
        for (flag, what) in [
            (flag::SEND_FLUSH, "flushes"),
            (flag::SEND_FUA, "writes that are safe at once"),
            (flag::SEND_TRIM, "discards"),
            (flag::SEND_WRITE_ZEROES, "writes of zeroes"),
            (flag::SEND_FAST_ZERO, "fast writes of zeroes"),
        ] {
            if before.has(flag) && !self.has(flag) {
                return Some(format!("it does not take {what} any more"));
            }
        }
        if before.allocation_context.is_some() && self.allocation_context.is_none() {
            return Some("it does not tell the block status any more".to_owned());
        }
        if self.min_block.max(1) > before.min_block.max(1) {
            return Some("it takes whole blocks of another size alone".to_owned());
        }
        let max = |info: &ExportInfo| match info.max_block {
            0 => u32::MAX,
            max => max,
        };
        if max(self) < max(before) {
            return Some("it takes shorter requests alone".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_can_do_less_than_before_is_not_the_same() {
        let before = ExportInfo {
            size: 4096,
            flags: flag::HAS_FLAGS | flag::SEND_FLUSH | flag::SEND_TRIM,
            min_block: 512,
            max_block: 65536,
            ..ExportInfo::EMPTY
        };
        let change = |change: fn(&mut ExportInfo)| {
            let mut now = before.clone();
            change(&mut now);
            now.shortfall(&before).unwrap_or_default()
        };
        assert_eq!(change(|_| ()), "");
        assert_eq!(change(|now| now.flags |= flag::SEND_FUA), "");
        assert_eq!(change(|now| now.min_block = 1), "");
        assert_eq!(change(|now| now.max_block = 0), "");
        assert_eq!(change(|now| now.size = 1), "it has 1 bytes, and had 4096");
        assert!(change(|now| now.flags |= flag::READ_ONLY).contains("read-only"));
        assert!(change(|now| now.flags &= !flag::SEND_TRIM).contains("discards"));
        assert!(change(|now| now.min_block = 4096).contains("whole blocks"));
        assert!(change(|now| now.max_block = 4096).contains("shorter"));
    }
}

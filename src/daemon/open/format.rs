//! The drivers that options can name, and how each treats names and children.
//!
//! QEMU: the fields of `BlockDriver` (include/block/block_int-common.h).

/// A driver that options can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `blkdebug`
    Blkdebug,
    /// `copy-on-read`
    CopyOnRead,
    /// `file`
    File,
    /// `host_device`
    HostDevice,
    /// `nbd`
    Nbd,
    /// `null-aio`
    NullAio,
    /// `null-co`
    NullCo,
    /// `qcow2`
    Qcow2,
    /// `quorum`
    Quorum,
    /// `raw`
    Raw,
    /// `throttle`
    Throttle,
}

impl Format {
    const ALL: [Format; 11] = [
        Format::Blkdebug,
        Format::CopyOnRead,
        Format::File,
        Format::HostDevice,
        Format::Nbd,
        Format::NullAio,
        Format::NullCo,
        Format::Qcow2,
        Format::Quorum,
        Format::Raw,
        Format::Throttle,
    ];

    /// The driver of that name.
    ///
    /// QEMU: `bdrv_find_format` (block.c).
    pub fn find(name: &str) -> Option<Format> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The driver for names that begin with `protocol:`.
    pub(super) fn with_protocol(protocol: &str) -> Option<Format> {
        match protocol {
            "nbd+tcp" | "nbd+unix" => Some(Format::Nbd),
            _ => Self::find(protocol).filter(|format| format.is_protocol()),
        }
    }

    /// The name, as in `driver=`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Blkdebug => "blkdebug",
            Format::CopyOnRead => "copy-on-read",
            Format::File => "file",
            Format::HostDevice => "host_device",
            Format::Nbd => "nbd",
            Format::NullAio => "null-aio",
            Format::NullCo => "null-co",
            Format::Qcow2 => "qcow2",
            Format::Quorum => "quorum",
            Format::Raw => "raw",
            Format::Throttle => "throttle",
        }
    }

    /// True if names can begin with it, as `null-co://` does; it has no child `file` then (QEMU:
    /// `protocol_name` of `BlockDriver` in include/block/block_int-common.h).
    pub const fn is_protocol(self) -> bool {
        matches!(
            self,
            Format::Blkdebug
                | Format::File
                | Format::HostDevice
                | Format::Nbd
                | Format::NullAio
                | Format::NullCo
        )
    }

    /// True if it is an image format (QEMU: `is_format` of `BlockDriver` in
    /// include/block/block_int-common.h).
    pub const fn is_format(self) -> bool {
        matches!(self, Format::Qcow2 | Format::Raw)
    }

    /// True if it opens something by name (QEMU: `bdrv_needs_filename` of `BlockDriver` in
    /// include/block/block_int-common.h).
    pub const fn needs_filename(self) -> bool {
        matches!(self, Format::File | Format::HostDevice)
    }

    /// True if its images can have backing files (QEMU: `supports_backing` of `BlockDriver` in
    /// include/block/block_int-common.h).
    pub const fn supports_backing(self) -> bool {
        matches!(self, Format::Qcow2)
    }

    /// The options that change what is read, beside `driver`; a name ending in a dot means all that
    /// begin with it. They are part of a node's `json:` name.
    ///
    /// QEMU: `strong_runtime_opts` of `BlockDriver` (include/block/block_int-common.h).
    pub(super) const fn strong_options(self) -> &'static [&'static str] {
        match self {
            Format::Blkdebug => &[
                "config",
                "inject-error.",
                "set-state.",
                "align",
                "max-transfer",
                "opt-write-zero",
                "max-write-zero",
                "opt-discard",
                "max-discard",
            ],
            Format::CopyOnRead | Format::Qcow2 => &[],
            Format::File | Format::HostDevice => &["filename"],
            Format::Nbd => &[
                "path",
                "host",
                "port",
                "export",
                "tls-creds",
                "tls-hostname",
                "server.",
            ],
            Format::NullAio | Format::NullCo => &["size", "read-zeroes"],
            Format::Quorum => &[
                "vote-threshold",
                "blkverify",
                "rewrite-corrupted",
                "read-pattern",
            ],
            Format::Raw => &["offset", "size"],
            Format::Throttle => &["throttle-group"],
        }
    }
}

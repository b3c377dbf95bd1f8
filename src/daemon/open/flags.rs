//! What a node hands down to the nodes that are opened on its behalf.
//!
//! QEMU: `bdrv_inherited_options` (block.c).

use super::options::Options;

/// What the user means where the options say nothing, and what is to be opened at all.
///
/// QEMU: `BDRV_O_*` (include/block/block-common.h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenFlags {
    /// Writes are wanted, unless `read-only` says otherwise.
    pub writable: bool,
    /// What `cache.direct` is if nobody says.
    pub direct: bool,
    /// What `cache.no-flush` is if nobody says.
    pub no_flush: bool,
    /// Discards are passed on, unless `discard` says otherwise.
    pub unmap: bool,
    /// No backing file, whatever the image says.
    pub no_backing: bool,
    /// Without a driver, the name says which protocol it is; nothing is probed.
    pub(crate) protocol: bool,
}

/// What a node that is to be opened will be to its parent.
///
/// QEMU: `BdrvChildRole` (include/block/block-common.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The bytes of an image, its metadata among them: `file`.
    Image,
    /// What a filter shows.
    Filtered,
    /// One of several that hold the same data.
    Data,
    /// A backing file.
    Cow,
}

/// Fills in `options` of a child what its parent has said for both, and returns the child's flags.
///
/// QEMU: `bdrv_inherited_options` (block.c).
pub(super) fn inherit(
    role: Role,
    parent_is_format: bool,
    parent: OpenFlags,
    parent_options: &Options,
    options: &mut Options,
) -> OpenFlags {
    let mut flags = parent;
    if !parent_is_format && role == Role::Data {
        flags.protocol = false;
    }
    if role == Role::Image || (parent_is_format && role != Role::Cow) {
        flags.protocol = true;
    }
    for name in ["cache.direct", "cache.no-flush", "force-share"] {
        options.copy_default(parent_options, name);
    }
    if role == Role::Cow {
        // An image behind another one is not written to, unless somebody says so.
        options.put_default("read-only", "on");
        options.put_default("auto-read-only", "off");
    } else {
        options.copy_default(parent_options, "read-only");
        options.copy_default(parent_options, "auto-read-only");
    }
    // A driver passes on what it was allowed to; below it nothing needs to be held back.
    options.put_default("discard", "unmap");
    flags.no_backing = false;
    flags
}

/// Where the options say nothing, they say what the flags say.
///
/// QEMU: `update_options_from_flags` (block.c).
pub(super) fn fill_in(options: &mut Options, flags: OpenFlags) {
    let on_off = |on: bool| if on { "on" } else { "off" };
    options.put_default("cache.direct", on_off(flags.direct));
    options.put_default("cache.no-flush", on_off(flags.no_flush));
    options.put_default("read-only", on_off(!flags.writable));
    options.put_default("auto-read-only", "off");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> Options {
        [
            ("cache.direct", "on"),
            ("read-only", "off"),
            ("auto-read-only", "on"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn a_file_is_cached_and_written_to_as_its_format_is() {
        let mut options = Options::new();
        let flags = inherit(
            Role::Image,
            true,
            OpenFlags::default(),
            &parent(),
            &mut options,
        );
        assert!(flags.protocol);
        assert_eq!(options.text("cache.direct").as_deref(), Some("on"));
        assert_eq!(options.text("auto-read-only").as_deref(), Some("on"));
        assert_eq!(options.text("discard").as_deref(), Some("unmap"));
    }

    #[test]
    fn a_backing_file_is_read_only_and_is_probed() {
        let mut options = Options::new();
        let flags = OpenFlags {
            no_backing: true,
            ..OpenFlags::default()
        };
        let flags = inherit(Role::Cow, true, flags, &parent(), &mut options);
        assert!(!flags.protocol && !flags.no_backing);
        assert_eq!(options.text("read-only").as_deref(), Some("on"));
        assert_eq!(options.text("auto-read-only").as_deref(), Some("off"));
    }

    #[test]
    fn what_the_user_said_of_a_child_stays() {
        let mut options: Options = [("cache.direct", "off"), ("read-only", "off")]
            .into_iter()
            .collect();
        inherit(
            Role::Cow,
            true,
            OpenFlags::default(),
            &parent(),
            &mut options,
        );
        assert_eq!(options.text("cache.direct").as_deref(), Some("off"));
        assert_eq!(options.text("read-only").as_deref(), Some("off"));
    }
}

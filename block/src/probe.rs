//! Probing: which format an image has, guessed by its first bytes and its name.
//!
//! All formats are known that QEMU can tell, also those that nothing here can open: an image of such
//! a format must be refused by its name, and not be taken for a raw disk and written to. For the same
//! reason a guest of a raw disk that was only guessed to be one must not make it look like something
//! else, because whoever opened it next would read what the guest has written as the header of an
//! image, with the name of a backing file of the guest's choice in it. See
//! [`RawDriver::probed`](crate::driver::raw::RawDriver::probed).
//!
//! QEMU: `bdrv_probe_all` (block.c), `bdrv_probe` of the drivers.

use crate::error::{BlockError, ErrorKind};

/// How many bytes from its beginning decide what an image is.
///
/// QEMU: `BLOCK_PROBE_BUF_SIZE` (include/block/block_int-common.h).
pub const PROBE_BYTES: usize = 512;

/// What an image is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The name of the format, as in `driver=`.
    pub format: &'static str,
    /// How sure that is, from 1 to 100.
    pub score: u32,
}

/// The score of a certain magic number.
const SURE: u32 = 100;
/// The score of what is only likely.
const LIKELY: u32 = 2;

/// What can be anything is raw.
///
/// QEMU: `raw_probe` (block/raw-format.c).
const RAW: Guess = Guess {
    format: "raw",
    score: 1,
};

/// The beginning of an image, with zeroes behind its end.
type Head = [u8; PROBE_BYTES];

/// The name of a format, how to tell it, and how sure that is.
type Known = (&'static str, fn(&Head) -> bool, u32);

/// The formats that are known by what an image begins with, in no order: no two fit the same image.
const BY_HEAD: &[Known] = &[
    ("bochs", is_bochs, SURE),
    ("cloop", is_cloop, LIKELY),
    ("luks", |head| head.starts_with(b"LUKS\xba\xbe\0\x01"), SURE),
    ("parallels", is_parallels, SURE),
    ("qcow", |head| head.starts_with(b"QFI\xfb\0\0\0\x01"), SURE),
    ("qcow2", is_qcow2, SURE),
    ("qed", |head| head.starts_with(b"QED\0"), SURE),
    ("vdi", |head| number(head, 64) == VDI_SIGNATURE, SURE),
    ("vhdx", |head| head.starts_with(b"vhdxfile"), SURE),
    ("vmdk", is_vmdk, SURE),
    ("vpc", |head| head.starts_with(b"conectix"), SURE),
];

/// Guesses what an image is that begins with `first_bytes`; more than [`PROBE_BYTES`] are not looked
/// at, and behind the end of a shorter one there are zeroes. `filename` is what the user calls it.
///
/// QEMU: `bdrv_probe_all` (block.c).
pub fn probe(first_bytes: &[u8], filename: Option<&str>) -> Guess {
    let mut head = [0; PROBE_BYTES];
    let bytes = first_bytes.len().min(PROBE_BYTES);
    head[..bytes].copy_from_slice(&first_bytes[..bytes]);
    let fits = BY_HEAD.iter().filter(|(_, is_format, _)| is_format(&head));
    let by_head = fits.map(|(format, _, score)| Guess {
        format,
        score: *score,
    });
    // The trailer of such an image is at its end, so its name must do.
    let by_name = filename.filter(|name| name.len() > 4 && name.ends_with(".dmg"));
    let by_name = by_name.map(|_| Guess {
        format: "dmg",
        score: LIKELY,
    });
    let guesses = by_head.chain(by_name);
    guesses.max_by_key(|guess| guess.score).unwrap_or(RAW)
}

impl Guess {
    /// The error for a format that nothing here can open.
    pub fn refusal(&self) -> Option<BlockError> {
        if matches!(self.format, "raw" | "qcow2") {
            return None;
        }
        let text = format!("Unknown driver '{}'", self.format);
        Some(BlockError::new(ErrorKind::NotSupported, text))
    }
}

/// What QEMU says when it opens a raw disk that was only guessed to be one, to be written to: three
/// lines.
///
/// QEMU: `raw_open` (block/raw-format.c).
pub fn probed_raw_warning(filename: &str) -> String {
    format!(
        "WARNING: Image format was not specified for '{filename}' and probing guessed raw.\n\
         \x20        Automatically detecting the format is dangerous for raw images, write \
         operations on block 0 will be restricted.\n\
         \x20        Specify the 'raw' format explicitly to remove the restrictions."
    )
}

/// QEMU: `VDI_SIGNATURE` (block/vdi.c).
const VDI_SIGNATURE: u32 = 0xbeda_107f;

/// The little-endian number at `offset`.
fn number(head: &Head, offset: usize) -> u32 {
    let bytes = &head[offset..offset + 4];
    let bytes = bytes.iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// QEMU: `qcow2_probe` (block/qcow2.c).
fn is_qcow2(head: &Head) -> bool {
    head.starts_with(b"QFI\xfb") && number(head, 4).swap_bytes() >= 2
}

/// QEMU: `parallels_probe` (block/parallels.c).
fn is_parallels(head: &Head) -> bool {
    let magics: [&[u8]; 2] = [b"WithoutFreeSpace", b"WithouFreSpacExt"];
    magics.iter().any(|magic| head.starts_with(magic)) && number(head, 16) == 2
}

/// QEMU: `bochs_probe` (block/bochs.c).
fn is_bochs(head: &Head) -> bool {
    let text = |offset: usize, text: &[u8]| {
        let rest = head[offset..].strip_prefix(text);
        rest.is_some_and(|rest| rest[0] == 0)
    };
    text(0, b"Bochs Virtual HD Image")
        && text(32, b"Redolog")
        && text(48, b"Growing")
        && matches!(number(head, 64), 0x10000 | 0x20000)
}

/// QEMU: `cloop_probe` (block/cloop.c).
fn is_cloop(head: &Head) -> bool {
    head.starts_with(
        b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n",
    )
}

/// A binary header, or a text whose first line that is no comment, and not blank, is a version.
///
/// QEMU: `vmdk_probe` (block/vmdk.c).
fn is_vmdk(head: &Head) -> bool {
    if head.starts_with(b"COWD") || head.starts_with(b"KDMV") {
        return true;
    }
    // What ends without a line end may go on behind the bytes that were read.
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            return false;
        };
        if line.starts_with(b"#") {
            continue;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A line without even a blank is none of theirs.
        if line.starts_with(b" ") && line.iter().all(|byte| *byte == b' ') {
            continue;
        }
        return matches!(line, b"version=1" | b"version=2" | b"version=3");
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(head: &[u8]) -> &'static str {
        probe(head, None).format
    }

    /// The fields of a Bochs header.
    fn bochs(subtype: &[u8], version: u32) -> Vec<u8> {
        let mut head = vec![0; 68];
        head[..22].copy_from_slice(b"Bochs Virtual HD Image");
        head[32..39].copy_from_slice(b"Redolog");
        head[48..48 + subtype.len()].copy_from_slice(subtype);
        head[64..].copy_from_slice(&version.to_le_bytes());
        head
    }

    fn vdi() -> Vec<u8> {
        let mut head = b"<<< a disk image >>>".to_vec();
        head.resize(64, 0);
        head.extend(0xbeda_107f_u32.to_le_bytes());
        head
    }

    const CLOOP: &[u8] =
        b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";

    /// qemu-img 10.0.2 takes the same beginnings for the same formats.
    #[test]
    fn every_format_is_known_by_what_it_begins_with() {
        let heads: [(&str, &[u8]); 19] = [
            ("qcow", b"QFI\xfb\0\0\0\x01"),
            ("qcow2", b"QFI\xfb\0\0\0\x02"),
            ("qcow2", b"QFI\xfb\0\0\0\x03"),
            ("qcow2", b"QFI\xfb\0\0\0\x09"),
            ("qcow2", b"QFI\xfb\x01\0\0\0"),
            ("vmdk", b"COWD"),
            ("vmdk", b"KDMV"),
            ("vmdk", b"# Disk DescriptorFile\nversion=1\n"),
            ("vmdk", b"version=2\n"),
            ("vmdk", b"#a\r\nversion=3\r\n"),
            ("vmdk", b"# a\n \nversion=1\n"),
            ("vhdx", b"vhdxfile"),
            ("vpc", b"conectix"),
            ("qed", b"QED\0"),
            ("parallels", b"WithoutFreeSpace\x02\0\0\0"),
            ("parallels", b"WithouFreSpacExt\x02\0\0\0"),
            ("luks", b"LUKS\xba\xbe\0\x01"),
            ("vdi", &vdi()),
            ("bochs", &bochs(b"Growing", 0x20000)),
        ];
        for (name, head) in heads {
            let expected = Guess {
                format: name,
                score: 100,
            };
            assert_eq!(probe(head, None), expected, "{}", head.escape_ascii());
        }
        assert_eq!(format(&bochs(b"Growing", 0x10000)), "bochs");
        assert_eq!(probe(CLOOP, None).score, 2);
    }

    /// qemu-img 10.0.2 takes the same beginnings for raw disks.
    #[test]
    fn what_only_resembles_a_format_is_raw() {
        let heads: [&[u8]; 17] = [
            b"",
            b"QFI",
            b"QFI\xfb\0\0\0\0",
            b"#x\n\n  \nversion=2\r\n",
            b"# a\nversion=4\n",
            b"# a\nversion=1 \n",
            b"#\nversion=1",
            b"   version=1\n",
            b"\nversion=1\n",
            b"# foo\n",
            b"#\n\tversion=1\n",
            b"WithoutFreeSpace\x01\0\0\0",
            b"LUKS\xba\xbe\0\x02",
            &bochs(b"Growing", 0x30000),
            &bochs(b"Undoable", 0x20000),
            &CLOOP[..40],
            b"\xeb\x63\x90",
        ];
        for head in heads {
            assert_eq!(probe(head, None), RAW, "{}", head.escape_ascii());
        }
        let late = [vec![b'#'; 510], b"\nversion=1\n".to_vec()].concat();
        assert_eq!(
            format(&late),
            "raw",
            "more than 512 bytes are not looked at"
        );
    }

    #[test]
    fn a_name_counts_more_than_nothing_and_less_than_a_magic_number() {
        let named = |name: &str, head: &[u8]| probe(head, Some(name)).format;
        assert_eq!(named("a.dmg", b""), "dmg");
        assert_eq!(named("a.DMG", b""), "raw");
        assert_eq!(named(".dmg", b""), "raw");
        assert_eq!(named("a.dmg", b"QFI\xfb\0\0\0\x03"), "qcow2");
    }

    #[test]
    fn a_format_that_cannot_be_opened_is_refused_by_name() {
        let refusal = |head: &[u8]| probe(head, None).refusal().map(|error| error.to_string());
        assert_eq!(refusal(b"KDMV").as_deref(), Some("Unknown driver 'vmdk'"));
        assert_eq!(refusal(b""), None);
        assert_eq!(refusal(b"QFI\xfb\0\0\0\x03"), None);
    }

    /// qemu-io 10.0.2 prints it.
    #[test]
    fn the_warning_is_qemus() {
        let lines = [
            "WARNING: Image format was not specified for 'a.raw' and probing guessed raw.",
            "         Automatically detecting the format is dangerous for raw images, write \
             operations on block 0 will be restricted.",
            "         Specify the 'raw' format explicitly to remove the restrictions.",
        ];
        assert_eq!(probed_raw_warning("a.raw"), lines.join("\n"));
    }
}

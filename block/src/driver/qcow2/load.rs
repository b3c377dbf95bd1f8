//! Reads a header and says what is wrong with it, in QEMU's words.
//!
//! QEMU: `qcow2_do_open`, `qcow2_read_extensions` (block/qcow2.c).

use bytes::Bytes;

use super::file::File;
use super::header::{
    BITMAPS, Extension, HEADER_BYTES, Header, MAGIC, RAW_DATA_FILE, V2_BYTES, V3_BYTES, extension,
    incompatible,
};
use crate::error::{BlockError, BlockResult, ErrorKind};

/// The longest L1 table, in bytes (QEMU: `QCOW_MAX_L1_SIZE` in `block/qcow2.h`).
const MAX_L1_BYTES: u64 = 32 << 20;
/// The longest refcount table, in bytes (QEMU: `QCOW_MAX_REFTABLE_SIZE` in `block/qcow2.h`).
const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
/// The most snapshots (QEMU: `QCOW_MAX_SNAPSHOTS` in `block/qcow2.h`).
const MAX_SNAPSHOTS: u64 = 65536;
/// The shortest entry of a snapshot table, in bytes.
const SNAPSHOT_BYTES: u64 = 40;
/// The longest name of a backing file, in bytes.
const MAX_NAME_BYTES: u64 = 1023;

fn invalid(text: impl Into<String>) -> BlockError {
    BlockError::new(ErrorKind::Invalid, text)
}

fn unsupported(text: impl Into<String>) -> BlockError {
    BlockError::new(ErrorKind::NotSupported, text)
}

/// Reads and checks the header. What can be checked without looking into tables is.
pub(super) async fn load(file: &File, read_only: bool) -> BlockResult<Header> {
    let bytes = file.read_bytes(0, HEADER_BYTES).await.map_err(|error| {
        BlockError::from_errno(error.errno(), "Could not read qcow2 header").with_source(error)
    })?;
    let mut header = check_shape(&bytes)?;
    let known = (header.header_bytes as usize).min(HEADER_BYTES);
    header.unknown_fields = file
        .read_bytes(known as u64, header.header_bytes as usize - known)
        .await?;
    if header.backing_file_offset > header.cluster_size() {
        return Err(invalid("Invalid backing file offset"));
    }
    let end = match header.backing_file_offset {
        0 => header.cluster_size(),
        offset => offset,
    };
    let start = u64::from(header.header_bytes);
    let area = file
        .read_bytes(start, end.saturating_sub(start) as usize)
        .await?;
    let extensions = extensions(&area);
    // Names of features help even if what follows them is broken.
    header.extensions = match &extensions {
        Ok(extensions) => extensions.clone(),
        Err(_) => Vec::new(),
    };
    check_compression(&header)?;
    check_features(&header, read_only)?;
    check_tables(&header)?;
    extensions?;
    if header.autoclear & RAW_DATA_FILE != 0 {
        return Err(invalid("data-file-raw requires a data file"));
    }
    header.backing_file = read_backing_name(file, &header).await?;
    Ok(header)
}

/// Checks what the rest of the header stands on.
fn check_shape(bytes: &[u8]) -> BlockResult<Header> {
    if bytes[..4] != MAGIC.to_be_bytes() {
        return Err(invalid("Image is not in qcow2 format"));
    }
    let header = Header::fields(bytes);
    if !(2..=3).contains(&header.version) {
        return Err(unsupported(format!(
            "Unsupported qcow2 version {}",
            header.version
        )));
    }
    if !(9..=21).contains(&header.cluster_bits) {
        return Err(invalid(format!(
            "Unsupported cluster size: 2^{}",
            header.cluster_bits
        )));
    }
    if header.version == 2 {
        debug_assert_eq!(header.header_bytes, V2_BYTES as u32);
        return Ok(header);
    }
    if (header.header_bytes as usize) < V3_BYTES {
        return Err(invalid("qcow2 header too short"));
    }
    if u64::from(header.header_bytes) > header.cluster_size() {
        return Err(invalid("qcow2 header exceeds cluster size"));
    }
    Ok(header)
}

/// Takes the extensions out of the room between the header and the name of the backing file.
fn extensions(area: &Bytes) -> BlockResult<Vec<Extension>> {
    let mut found = Vec::new();
    let mut at = 0;
    while area.len() - at >= 8 {
        let word =
            |at: usize| u32::from_be_bytes([area[at], area[at + 1], area[at + 2], area[at + 3]]);
        let (kind, len) = (word(at), word(at + 4) as usize);
        at += 8;
        if len > area.len() - at {
            return Err(invalid("Header extension too large"));
        }
        if kind == extension::END {
            break;
        }
        found.push(Extension {
            kind,
            data: area.slice(at..at + len),
        });
        at = (at + len.next_multiple_of(8)).min(area.len());
    }
    Ok(found)
}

/// QEMU: `validate_compression_type` (block/qcow2.c).
fn check_compression(header: &Header) -> BlockResult<()> {
    let marked = header.incompatible & incompatible::COMPRESSION != 0;
    match (header.compression_type, marked) {
        (0, false) | (1, true) => Ok(()),
        (0, true) => Err(invalid(
            "qcow2: Compression type incompatible feature bit must not be set",
        )),
        (1, false) => Err(invalid(
            "qcow2: Compression type incompatible feature bit must be set",
        )),
        (other, _) => Err(unsupported(format!(
            "qcow2: unknown compression type: {other}"
        ))),
    }
}

/// Refuses what is not supported, by name.
fn check_features(header: &Header, read_only: bool) -> BlockResult<()> {
    let unknown = header.incompatible & !(incompatible::DIRTY | incompatible::CORRUPT);
    if unknown != 0 {
        return Err(unsupported(format!(
            "Unsupported qcow2 feature(s): {}",
            feature_names(header, unknown)
        )));
    }
    if header.incompatible & incompatible::CORRUPT != 0 && !read_only {
        let text = "qcow2: Image is corrupt; cannot be opened read/write";
        return Err(BlockError::new(ErrorKind::PermissionDenied, text));
    }
    if header.refcount_order > 6 {
        let text = "Reference count entry width too large; may not exceed 64 bits";
        return Err(invalid(text));
    }
    match header.crypt_method {
        0 => Ok(()),
        1 => Err(unsupported("Images encrypted with AES are not supported")),
        2 => Err(unsupported("Images encrypted with LUKS are not supported")),
        other => Err(invalid(format!("Unsupported encryption method {other}"))),
    }
}

/// The names of the incompatible features in `mask`: as the image itself calls them, or as everybody
/// does, and a number for the rest.
///
/// QEMU: `report_unsupported_feature` (block/qcow2.c).
fn feature_names(header: &Header, mask: u64) -> String {
    let mut rest = mask;
    let mut names = Vec::new();
    let mut add = |bits: u64, name: String| {
        if rest & bits != 0 {
            rest &= !bits;
            names.push(name);
        }
    };
    for (bit, name) in header.incompatible_names() {
        add(1_u64.checked_shl(u32::from(bit)).unwrap_or(0), name);
    }
    add(incompatible::DATA_FILE, "external data file".into());
    add(incompatible::COMPRESSION, "compression type".into());
    add(incompatible::EXTENDED_L2, "extended L2 entries".into());
    if rest != 0 {
        names.push(format!("Unknown incompatible feature: {rest:x}"));
    }
    names.join(", ")
}

/// QEMU: `qcow2_validate_table` (block/qcow2.c).
fn check_table(
    header: &Header,
    offset: u64,
    entries: u64,
    entry_bytes: u64,
    max_bytes: u64,
    name: &str,
) -> BlockResult<()> {
    if entries > max_bytes / entry_bytes {
        return Err(BlockError::new(
            ErrorKind::OutOfRange,
            format!("{name} too large"),
        ));
    }
    let ends_behind = i64::MAX as u64 - entries * entry_bytes < offset;
    if ends_behind || !offset.is_multiple_of(header.cluster_size()) {
        return Err(invalid(format!("{name} offset invalid")));
    }
    // QEMU reads a table that would begin with the header, and then finds nonsense in it.
    if offset == 0 && entries > 0 {
        return Err(invalid(format!("{name} offset invalid")));
    }
    Ok(())
}

fn check_tables(header: &Header) -> BlockResult<()> {
    if header.refcount_table_clusters == 0 {
        let text = "Image does not contain a reference count table";
        return Err(invalid(text));
    }
    check_table(
        header,
        header.refcount_table_offset,
        u64::from(header.refcount_table_clusters),
        header.cluster_size(),
        MAX_REFCOUNT_TABLE_BYTES,
        "Reference count table",
    )?;
    check_table(
        header,
        header.snapshots_offset,
        u64::from(header.snapshots),
        SNAPSHOT_BYTES,
        SNAPSHOT_BYTES * MAX_SNAPSHOTS,
        "Snapshot table",
    )?;
    check_table(
        header,
        header.l1_table_offset,
        u64::from(header.l1_entries),
        8,
        MAX_L1_BYTES,
        "Active L1 table",
    )?;
    let covered_bits = 2 * header.cluster_bits - 3;
    let needed = header.size.div_ceil(1 << covered_bits);
    if needed > i32::MAX as u64 || header.size > i64::MAX as u64 {
        return Err(BlockError::new(ErrorKind::OutOfRange, "Image is too big"));
    }
    if u64::from(header.l1_entries) < needed {
        return Err(invalid("L1 table is too small"));
    }
    Ok(())
}

async fn read_backing_name(file: &File, header: &Header) -> BlockResult<Option<Bytes>> {
    let (offset, len) = (header.backing_file_offset, header.backing_file_size);
    if offset == 0 {
        return Ok(None);
    }
    let room = header.cluster_size() - offset;
    if u64::from(len) > room.min(MAX_NAME_BYTES) {
        return Err(invalid("Backing file name too long"));
    }
    let name = file
        .read_bytes(offset, len as usize)
        .await
        .map_err(|error| {
            BlockError::from_errno(error.errno(), "Could not read backing file name")
        })?;
    Ok(Some(name))
}

/// Refuses to write to an image that would be damaged by it.
pub(super) fn check_writable(header: &Header) -> BlockResult<()> {
    if header.incompatible & incompatible::CORRUPT != 0 {
        let text = "qcow2: Image is corrupt; cannot be opened read/write";
        return Err(BlockError::new(ErrorKind::PermissionDenied, text));
    }
    if header.incompatible & incompatible::DIRTY != 0 && header.snapshots > 0 {
        let text = "qcow2: Image is dirty, and has snapshots; cannot be opened read/write";
        let error = BlockError::new(ErrorKind::PermissionDenied, text);
        return Err(error.with_hint("Repair it with 'qemu-img check -r all'"));
    }
    if header.autoclear & BITMAPS != 0 || header.extension(extension::BITMAPS).is_some() {
        let text = "qcow2: Image has persistent bitmaps, which would not be kept up to date; \
                    cannot be opened read/write";
        return Err(unsupported(text));
    }
    Ok(())
}

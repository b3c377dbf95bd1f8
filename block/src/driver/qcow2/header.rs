//! The header of an image: fields, extensions, the name of the backing file; read and written.
//!
//! It is ours and not `imago`'s: that would forget what it does not know. `imago` sees a
//! [picture](Header::picture) with the fields that it needs, and its changes are
//! [taken over](Header::take_over).
//!
//! QEMU: `QCowHeader`, `qcow2_update_header` (block/qcow2.c); docs/interop/qcow2.rst.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{BlockError, BlockResult, ErrorKind};

/// The first four bytes: `QFI` and 0xfb.
pub(super) const MAGIC: u32 = 0x5146_49fb;
/// The length of the header of version 2, in bytes.
pub(super) const V2_BYTES: usize = 72;
/// The shortest header of version 3, in bytes.
pub(super) const V3_BYTES: usize = 104;
/// The header that we write in version 3: with the compression type, in a whole number of words.
pub(super) const HEADER_BYTES: usize = 112;

/// Incompatible features.
pub(super) mod incompatible {
    pub(crate) const DIRTY: u64 = 1 << 0;
    pub(crate) const CORRUPT: u64 = 1 << 1;
    pub(crate) const DATA_FILE: u64 = 1 << 2;
    pub(crate) const COMPRESSION: u64 = 1 << 3;
    pub(crate) const EXTENDED_L2: u64 = 1 << 4;
}

/// Compatible feature: refcounts may be brought up to date later.
pub(super) const LAZY_REFCOUNTS: u64 = 1 << 0;

/// Autoclear feature: the persistent bitmaps are up to date.
pub(super) const BITMAPS: u64 = 1 << 0;

/// Autoclear feature: the external data file is a disk without the image, too.
pub(super) const RAW_DATA_FILE: u64 = 1 << 1;

/// Types of header extensions.
pub(super) mod extension {
    pub(crate) const END: u32 = 0;
    pub(crate) const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub(crate) const FEATURE_NAMES: u32 = 0x6803_f857;
    pub(crate) const BITMAPS: u32 = 0x2385_2875;
    pub(crate) const DATA_FILE: u32 = 0x4441_5441;
}

/// A header extension, as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) kind: u32,
    pub(super) data: Bytes,
}

/// The header. Offsets and sizes are in bytes, unless the name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) backing_file_offset: u64,
    pub(super) backing_file_size: u32,
    pub(super) cluster_bits: u32,
    pub(super) size: u64,
    pub(super) crypt_method: u32,
    pub(super) l1_entries: u32,
    pub(super) l1_table_offset: u64,
    pub(super) refcount_table_offset: u64,
    pub(super) refcount_table_clusters: u32,
    pub(super) snapshots: u32,
    pub(super) snapshots_offset: u64,
    pub(super) incompatible: u64,
    pub(super) compatible: u64,
    pub(super) autoclear: u64,
    pub(super) refcount_order: u32,
    pub(super) header_bytes: u32,
    pub(super) compression_type: u8,
    /// What is in the header behind the fields that are known.
    pub(super) unknown_fields: Bytes,
    pub(super) extensions: Vec<Extension>,
    pub(super) backing_file: Option<Bytes>,
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let word: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_be_bytes(word)
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    let word: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
    u64::from_be_bytes(word)
}

impl Header {
    /// The fields of the first [`HEADER_BYTES`] of a file. Extensions and names are not read, and
    /// nothing is checked. Version 2 gets the values that version 3 would have in its place.
    pub(super) fn fields(bytes: &[u8]) -> Header {
        assert!(bytes.len() >= HEADER_BYTES, "{} bytes", bytes.len());
        let version = be32(bytes, 4);
        let mut header = Header {
            version,
            backing_file_offset: be64(bytes, 8),
            backing_file_size: be32(bytes, 16),
            cluster_bits: be32(bytes, 20),
            size: be64(bytes, 24),
            crypt_method: be32(bytes, 32),
            l1_entries: be32(bytes, 36),
            l1_table_offset: be64(bytes, 40),
            refcount_table_offset: be64(bytes, 48),
            refcount_table_clusters: be32(bytes, 56),
            snapshots: be32(bytes, 60),
            snapshots_offset: be64(bytes, 64),
            refcount_order: 4,
            header_bytes: V2_BYTES as u32,
            ..Header::default()
        };
        if version >= 3 {
            header.incompatible = be64(bytes, 72);
            header.compatible = be64(bytes, 80);
            header.autoclear = be64(bytes, 88);
            header.refcount_order = be32(bytes, 96);
            header.header_bytes = be32(bytes, 100);
            if header.header_bytes as usize > V3_BYTES {
                header.compression_type = bytes[104];
            }
        }
        header
    }

    pub(super) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The data of the first extension of that type.
    pub(super) fn extension(&self, kind: u32) -> Option<&Bytes> {
        let found = self.extensions.iter().find(|e| e.kind == kind);
        found.map(|extension| &extension.data)
    }

    /// What the image itself calls incompatible features: the number of a bit and its name.
    pub(super) fn incompatible_names(&self) -> Vec<(u8, String)> {
        let Some(table) = self.extension(extension::FEATURE_NAMES) else {
            return Vec::new();
        };
        let entries = table.chunks_exact(48).filter(|entry| entry[0] == 0);
        entries
            .map(|entry| {
                let name = entry[2..].split(|byte| *byte == 0).next();
                let name = String::from_utf8_lossy(name.unwrap_or_default());
                (entry[1], name.into_owned())
            })
            .take_while(|(_, name)| !name.is_empty())
            .collect()
    }

    fn put_v2(&self, out: &mut BytesMut) {
        out.put_u32(MAGIC);
        out.put_u32(self.version);
        out.put_u64(self.backing_file_offset);
        out.put_u32(self.backing_file_size);
        out.put_u32(self.cluster_bits);
        out.put_u64(self.size);
        out.put_u32(self.crypt_method);
        out.put_u32(self.l1_entries);
        out.put_u64(self.l1_table_offset);
        out.put_u64(self.refcount_table_offset);
        out.put_u32(self.refcount_table_clusters);
        out.put_u32(self.snapshots);
        out.put_u64(self.snapshots_offset);
    }

    fn put_v3(&self, out: &mut BytesMut) {
        out.put_u64(self.incompatible);
        out.put_u64(self.compatible);
        out.put_u64(self.autoclear);
        out.put_u32(self.refcount_order);
        out.put_u32(self.header_bytes);
    }

    /// The fields up to the autoclear features, as they are in the file: what changes while an image is
    /// in use is in there.
    pub(super) fn base_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(V3_BYTES);
        self.put_v2(&mut out);
        if self.version >= 3 {
            self.put_v3(&mut out);
        }
        out.freeze()
    }

    /// What `imago` gets to see in place of the header: no features but those that it must know of, no
    /// extensions, no backing file. So it has nothing to refuse, to clear, or to parse.
    pub(super) fn picture(&self) -> Bytes {
        let picture = Header {
            backing_file_offset: 0,
            backing_file_size: 0,
            crypt_method: 0,
            incompatible: 0,
            compatible: 0,
            autoclear: 0,
            header_bytes: V3_BYTES as u32,
            ..self.clone()
        };
        let mut out = BytesMut::from(&picture.base_bytes()[..]);
        // The end of the extensions.
        out.put_u64(0);
        out.freeze()
    }

    /// `imago` writes its picture: the fields that it may change are taken from it.
    ///
    /// # Errors
    ///
    /// If it is something else that would be written there: the image is broken.
    pub(super) fn take_over(&mut self, picture: &[u8]) -> BlockResult<()> {
        if picture.len() != V2_BYTES || picture[..4] != MAGIC.to_be_bytes() {
            let text = "Preventing invalid write on the header: the image is corrupt";
            return Err(BlockError::new(ErrorKind::Io, text));
        }
        self.size = be64(picture, 24);
        self.l1_entries = be32(picture, 36);
        self.l1_table_offset = be64(picture, 40);
        self.refcount_table_offset = be64(picture, 48);
        self.refcount_table_clusters = be32(picture, 56);
        Ok(())
    }

    /// All that is in front of the first cluster's end: fields, extensions, the name of the backing
    /// file, whose place is set.
    ///
    /// QEMU: `qcow2_update_header` (block/qcow2.c).
    ///
    /// # Errors
    ///
    /// `NoSpace` if it does not fit into a cluster.
    pub(super) fn whole_bytes(&mut self) -> BlockResult<Bytes> {
        let mut tail = BytesMut::new();
        if self.version >= 3 {
            tail.put_u8(self.compression_type);
            tail.put_bytes(0, 7);
            tail.extend_from_slice(&self.unknown_fields);
            tail.put_bytes(0, tail.len().next_multiple_of(8) - tail.len());
            self.header_bytes = (V3_BYTES + tail.len()) as u32;
        }
        for Extension { kind, data } in &self.extensions {
            tail.put_u32(*kind);
            tail.put_u32(data.len() as u32);
            tail.extend_from_slice(data);
            tail.put_bytes(0, data.len().next_multiple_of(8) - data.len());
        }
        tail.put_u64(0);
        let base_bytes = if self.version >= 3 {
            V3_BYTES
        } else {
            V2_BYTES
        };
        self.backing_file_offset = 0;
        self.backing_file_size = 0;
        if let Some(name) = &self.backing_file {
            self.backing_file_offset = (base_bytes + tail.len()) as u64;
            self.backing_file_size = name.len() as u32;
            tail.extend_from_slice(name);
        }
        let mut out = BytesMut::from(&self.base_bytes()[..]);
        out.extend_from_slice(&tail);
        if out.len() as u64 > self.cluster_size() {
            let text = "The header does not fit into the first cluster";
            return Err(BlockError::new(ErrorKind::NoSpace, text));
        }
        Ok(out.freeze())
    }
}

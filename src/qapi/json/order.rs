//! The order of members on the wire: that of the peer's hash table.
//!
//! QEMU: `tdb_hash`, `qdict_first`, `qdict_next` (qobject/qdict.c).

use crate::qapi::{Dict, Value};

/// How many buckets the hash table has.
const BUCKETS: u32 = 512;

/// The bucket of a key. The hash is that of Samba's trivial database, from which the peer has it, too.
pub(super) fn bucket(key: &str) -> u32 {
    if key.contains('\0') {
        // The peer's strings end with a NUL; one that is inside is written as two bytes.
        let mut bytes = Vec::new();
        for byte in key.bytes() {
            match byte {
                0 => bytes.extend([0xc0, 0x80]),
                _ => bytes.push(byte),
            }
        }
        return bucket_of(&bytes);
    }
    bucket_of(key.as_bytes())
}

/// QEMU: `tdb_hash` (qobject/qdict.c).
fn bucket_of(bytes: &[u8]) -> u32 {
    let mut value = 0x238f_13af_u32.wrapping_mul(bytes.len() as u32);
    let mut shift = 0;
    for byte in bytes {
        value = value.wrapping_add(u32::from(*byte) << shift);
        shift += 5;
        if shift >= 24 {
            shift -= 24;
        }
    }
    value.wrapping_mul(1_103_515_243).wrapping_add(12_345) % BUCKETS
}

/// The members of `dict` in the order in which they go out: by bucket, and within a bucket the newest
/// first.
pub(crate) fn wire_order(dict: &Dict) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = dict.iter().rev().map(|m| (bucket(m.0), m)).collect();
    // A stable sort: who came last stays before the others of its bucket.
    members.sort_by_key(|(bucket, _)| *bucket);
    members.into_iter().map(|(_, member)| member).collect()
}

//! The order of members on the wire: that of the peer's hash table.
//!
//! QEMU: `tdb_hash`, `qdict_first`, `qdict_next` (qobject/qdict.c).

use std::rc::Rc;

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
    let indexes = wire_indexes(dict);
    let members = indexes.iter().map(|index| dict.at(*index));
    members.collect()
}

fn wire_indexes(dict: &Dict) -> Rc<[usize]> {
    let newest_first = (0..dict.len()).rev();
    let place = |index: usize| (bucket(dict.at(index).0), index);
    let mut indexes: Vec<_> = newest_first.map(place).collect();
    // A stable sort: who came last stays before the others of its bucket.
    indexes.sort_by_key(|(bucket, _)| *bucket);
    indexes.into_iter().map(|(_, index)| index).collect()
}

/// The orders of the objects that were written last. A list mostly has objects that are alike.
#[derive(Default)]
pub(super) struct Orders<'a> {
    known: Vec<(&'a Dict, Rc<[usize]>)>,
    next: usize,
}

impl<'a> Orders<'a> {
    /// How many are kept: about as many as there are kinds of objects in a list of nested ones.
    const KEPT: usize = 8;

    /// The order of the members of `dict`, by their indexes.
    pub(super) fn of(&mut self, dict: &'a Dict) -> Rc<[usize]> {
        let mut known = self.known.iter();
        if let Some((_, order)) = known.find(|(known, _)| has_the_names_of(known, dict)) {
            return order.clone();
        }
        let order = wire_indexes(dict);
        if self.known.len() < Self::KEPT {
            self.known.push((dict, order.clone()));
        } else {
            self.known[self.next] = (dict, order.clone());
            self.next = (self.next + 1) % Self::KEPT;
        }
        order
    }
}

fn has_the_names_of(one: &Dict, other: &Dict) -> bool {
    let same = |(one, other): (&str, &str)| std::ptr::eq(one, other) || one == other;
    let mut names = one.iter().map(|m| m.0).zip(other.iter().map(|m| m.0));
    one.len() == other.len() && names.all(same)
}

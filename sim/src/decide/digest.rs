//! The two hashes of this module: names and texts by FNV-1a, sequences by a step of our own.

/// Where a rolling digest starts: nothing was decided yet.
pub(crate) const START: u64 = 0xcbf2_9ce4_8422_2325;

/// Odd, so that multiplying by it loses nothing: the golden ratio's bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The digest after one more `word`.
///
/// For a given word each digest has its own successor, so two sequences that differ in one word
/// only never meet again, however long they go on.
#[inline]
pub(crate) fn mix(digest: u64, word: u64) -> u64 {
    let mixed = (digest.rotate_left(23) ^ word).wrapping_mul(ODD);
    mixed ^ (mixed >> 32)
}

/// FNV-1a of 64 bits, for names.
pub(crate) fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(START, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// FNV-1a of 32 bits, for texts: of two texts that differ in one character only, the hashes differ
/// for certain, since each step can be undone.
pub(crate) fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

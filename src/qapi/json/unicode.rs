//! UTF-8 as the peer sees it: NUL may be written as two bytes, and code points that are no characters
//! are refused.
//!
//! QEMU: util/unicode.c.

/// The first code point of `bytes` and how many bytes it takes; `None` for what is none, which takes
/// as many bytes as might have belonged to it.
///
/// QEMU: `mod_utf8_codepoint` (util/unicode.c).
pub(super) fn code_point(bytes: &[u8]) -> (Option<char>, usize) {
    let Some(&first) = bytes.first() else {
        return (None, 0);
    };
    let len = match first {
        0..0x80 => return (Some(char::from(first)), 1),
        // A byte that cannot begin anything, and two that cannot occur.
        0x80..0xc0 | 0xfe.. => return (None, 1),
        _ => first.leading_ones() as usize,
    };
    let mut code = u32::from(first) & (0x7f >> len);
    for index in 1..len {
        match bytes.get(index) {
            Some(&byte) if byte & 0xc0 == 0x80 => code = code << 6 | u32::from(byte & 0x3f),
            _ => return (None, index),
        }
    }
    const SMALLEST: [u32; 5] = [0x80, 0x800, 0x1_0000, 0x20_0000, 0x400_0000];
    let overlong = code < SMALLEST[len - 2] && !(code == 0 && len == 2);
    let found = character(code).filter(|_| !overlong);
    (found, len)
}

/// The character of that code, unless it is a surrogate or a code that is kept free for ever.
///
/// QEMU: `is_valid_codepoint` (util/unicode.c).
pub(super) fn character(code: u32) -> Option<char> {
    let free = (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe;
    char::from_u32(code).filter(|_| !free)
}

/// The text of `bytes` for a message: up to a NUL, and with U+FFFD for what is no character.
pub(super) fn for_message(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let mut rest = &bytes[..end.unwrap_or(bytes.len())];
    let mut text = String::with_capacity(rest.len());
    while !rest.is_empty() {
        let (found, len) = code_point(rest);
        text.push(found.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[len..];
    }
    text
}

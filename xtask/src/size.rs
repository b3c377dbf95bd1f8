//! Sizes in bytes as people write them.

/// Reads `4096`, `64K`, `1M`, `4G` or `1T`; the suffixes are powers of 1024.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.chars().next_back() {
        Some('K' | 'k') => (&text[..text.len() - 1], 10),
        Some('M' | 'm') => (&text[..text.len() - 1], 20),
        Some('G' | 'g') => (&text[..text.len() - 1], 30),
        Some('T' | 't') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("'{text}' is not a size such as 64K or 4G"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("'{text}' does not fit into 64 bits"))
}

/// The size with the largest suffix that leaves no remainder.
pub(crate) fn spell(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024() {
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("64K"), Ok(65536));
        assert_eq!(parse("4g"), Ok(4 << 30));
    }

    #[test]
    fn what_is_no_size_or_too_large_is_refused() {
        for text in ["", "G", "-1", "1X", "1.5G", "99999999T"] {
            assert!(parse(text).is_err(), "{text:?} was read as a size");
        }
    }

    #[test]
    fn a_size_is_spelled_without_rounding() {
        assert_eq!(spell(4 << 30), "4 GiB");
        assert_eq!(spell(1536 << 10), "1536 KiB");
        assert_eq!(spell(1000), "1000 B");
    }
}

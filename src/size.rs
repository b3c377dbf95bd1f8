//! Sizes as people write and read them.

const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

/// Reads a number of bytes: digits, and perhaps one of `K`, `M`, `G`, `T` for powers of 1024, in
/// either case. Nothing else: no sign, no blank, no fraction, no `B`.
///
/// # Errors
///
/// One sentence for the user; also for what is larger than 2^63-1, which no file can be.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    if text.starts_with('-') {
        return Err("it must not be negative".to_owned());
    }
    let last = text
        .chars()
        .next_back()
        .map(|last| last.to_ascii_uppercase());
    let unit = UNITS.iter().find(|(name, _)| Some(*name) == last);
    let (digits, shift) = match unit {
        Some((_, shift)) => (&text[..text.len() - 1], *shift),
        None => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a size is a whole number, perhaps with K, M, G or T after it".to_owned());
    }
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| "it is larger than 2^63-1 bytes".to_owned())
}

/// A number of bytes in the largest unit of which there is at least one, with one decimal.
pub(crate) fn show(bytes: u64) -> String {
    for (name, shift) in UNITS.iter().rev() {
        let unit = 1u64 << shift;
        if bytes >= unit {
            return format!("{:.1} {name}iB", bytes as f64 / unit as f64);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_digits_and_perhaps_a_unit() {
        let sizes = [
            ("0", 0),
            ("513", 513),
            ("64K", 65536),
            ("64k", 65536),
            ("1M", 1 << 20),
            ("3G", 3 << 30),
            ("2T", 2 << 40),
            ("9223372036854775807", i64::MAX as u64),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_refused_in_one_sentence() {
        let wrong = [
            "",
            "K",
            "1KB",
            "1KiB",
            "1.5M",
            " 1",
            "1 ",
            "+1",
            "0x10",
            "1e3",
            "1KK",
            "M1",
            "½",
            "1é",
            "-1",
            "-5M",
            "-",
            "9223372036854775808",
            "8388608T",
            "99999999999999999999999",
        ];
        for text in wrong {
            let error = parse(text).expect_err(text);
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(parse("-5M").expect_err("refused").contains("negative"));
        assert!(parse("8388608T").expect_err("refused").contains("2^63-1"));
    }

    #[test]
    fn a_size_is_shown_in_the_largest_unit_that_fits() {
        let shown = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64.0 MiB"),
            (5 << 40, "5.0 TiB"),
        ];
        for (bytes, text) in shown {
            assert_eq!(show(bytes), text);
        }
    }
}

//! Numbers with units, as people read them.

use serde::Serialize;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds of the world's clock.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// Bytes in a second of the world's clock.
    BytesPerSecond,
    /// Requests in a second of the world's clock.
    RequestsPerSecond,
    /// A part of 1.
    Index,
}

/// A unit that fits the size of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// What one of it is in the plain unit.
    pub(super) factor: f64,
    /// Its name; empty if the numbers are plain.
    pub(super) name: &'static str,
    /// Digits behind the point.
    pub(super) decimals: usize,
}

const TIMES: [(f64, &str); 4] = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")];
const KI: f64 = 1024.0;
const BYTES: [(f64, &str); 4] = [
    (KI * KI * KI, "GiB"),
    (KI * KI, "MiB"),
    (KI, "KiB"),
    (1.0, "B"),
];
const RATES: [(f64, &str); 4] = [
    (KI * KI * KI, "GiB/s"),
    (KI * KI, "MiB/s"),
    (KI, "KiB/s"),
    (1.0, "B/s"),
];

impl Unit {
    /// The scale for numbers of which `greatest` is the greatest: so that it has one to four digits
    /// before the point, and four in all.
    pub(super) fn scale(self, greatest: f64) -> Scale {
        let table: &[(f64, &'static str)] = match self {
            Unit::Nanoseconds => &TIMES,
            Unit::Bytes => &BYTES,
            Unit::BytesPerSecond => &RATES,
            Unit::RequestsPerSecond => &[(1.0, "/s")],
            Unit::Index => &[(1.0, "")],
        };
        let fits = table.iter().find(|(factor, _)| greatest.abs() >= *factor);
        let (factor, name) = fits.copied().unwrap_or(table[table.len() - 1]);
        let before = (greatest.abs() / factor).max(1.0).log10() as usize + 1;
        Scale {
            factor,
            name,
            decimals: 4_usize.saturating_sub(before),
        }
    }
}

impl Scale {
    /// `value` without its unit.
    pub(super) fn text(&self, value: f64) -> String {
        let text = format!("{:.*}", self.decimals, value / self.factor);
        // There is no zero below nothing.
        match text.strip_prefix('-') {
            Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
            _ => text,
        }
    }

    /// A difference: with its sign, also where that is a plus.
    pub(super) fn signed(&self, value: f64) -> String {
        let text = self.text(value);
        let nothing = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        match value > 0.0 && !nothing {
            true => format!("+{text}"),
            false => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    fn text(unit: Unit, value: f64) -> String {
        let scale = unit.scale(value);
        format!("{} {}", scale.text(value), scale.name)
    }

    #[test]
    fn a_number_has_four_digits_and_the_unit_that_fits_it() {
        assert_eq!(text(Unit::Nanoseconds, 2_500_000.0), "2.500 ms");
        assert_eq!(text(Unit::Nanoseconds, 999_999_999.0), "1000.0 ms");
        assert_eq!(text(Unit::Nanoseconds, 12.0), "12.00 ns");
        assert_eq!(text(Unit::Bytes, 1536.0), "1.500 KiB");
        assert_eq!(text(Unit::Bytes, 123_456_789.0), "117.7 MiB");
        assert_eq!(text(Unit::RequestsPerSecond, 43_210.7), "43211 /s");
        assert_eq!(text(Unit::Index, 0.987_65), "0.988 ");
        assert_eq!(text(Unit::BytesPerSecond, 0.0), "0.000 B/s");
    }

    #[test]
    fn a_difference_has_its_sign_and_nothing_has_none() {
        let scale = Unit::Nanoseconds.scale(5e6);
        assert_eq!(scale.signed(1.5e6), "+1.500");
        assert_eq!(scale.signed(-1.5e6), "-1.500");
        assert_eq!(scale.signed(0.0), "0.000");
        // Too small to be seen.
        assert_eq!(scale.signed(3.0), "0.000");
        assert_eq!(scale.signed(-3.0), "0.000");
    }
}

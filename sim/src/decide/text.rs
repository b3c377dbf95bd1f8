//! Recordings as text.

use std::fmt::{self, Write};

use super::digest::fnv32;
use super::log::Entry;
use super::recording::Recording;

/// What a text of this version starts with, before the first colon.
pub(crate) const VERSION: &str = "bj1";

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{VERSION}:{}:{}=", self.config, self.sites.join(","));
        write_entries(&mut text, self)?;
        write!(text, ":{:016x}.{:016x}", self.shape, self.build)?;
        let hash = fnv32(text.as_bytes());
        write!(f, "{text}.{hash:08x}")
    }
}

/// The decisions, without what stands around them.
fn write_entries(text: &mut String, recording: &Recording) -> fmt::Result {
    let mut last_n = vec![0; recording.sites.len()];
    let mut next = 0;
    let mut zeros_before = |at: u64| {
        let zeros = at - next;
        next = at + 1;
        zeros
    };
    let steps = recording
        .moves
        .iter()
        .map(|(at, entry)| (zeros_before(*at), *entry));
    let mut steps = steps.peekable();
    while let Some(step) = steps.next() {
        let mut repeats = 0;
        while steps.next_if_eq(&step).is_some() {
            repeats += 1;
        }
        let (zeros, Entry { site, n, chosen }) = step;
        if zeros > 0 {
            write!(text, "{zeros}")?;
        }
        write_code(text, site);
        write!(text, "{chosen}")?;
        if std::mem::replace(&mut last_n[usize::from(site)], n) != n {
            write!(text, ".{n}")?;
        }
        if repeats > 0 {
            write!(text, "+{repeats}")?;
        }
        text.push(',');
    }
    let tail = zeros_before(recording.len);
    if tail > 0 {
        write!(text, "{tail}")?;
    } else if text.ends_with(',') {
        text.pop();
    }
    Ok(())
}

/// The letters that stand for a site: its number in base 52, `a` is 0 and `Z` is 51.
fn write_code(text: &mut String, site: u16) {
    if site >= 52 {
        write_code(text, site / 52);
    }
    let digit = (site % 52) as u8;
    let letter = if digit < 26 {
        b'a' + digit
    } else {
        b'A' + digit - 26
    };
    text.push(char::from(letter));
}

/// The number of the site that `code` stands for, if it is one.
pub(crate) fn site_of(code: &str) -> Option<u16> {
    code.bytes().try_fold(0_u16, |number, letter| {
        let digit = match letter {
            b'a'..=b'z' => letter - b'a',
            b'A'..=b'Z' => letter - b'A' + 26,
            _ => return None,
        };
        number.checked_mul(52)?.checked_add(u16::from(digit))
    })
}

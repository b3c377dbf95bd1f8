//! Recordings from text.

use std::str::FromStr;

use super::cursor::Cursor;
use super::digest::fnv32;
use super::log::Entry;
use super::recording::{Recording, is_plain};
use super::sites::is_site_name;
use super::text::{VERSION, site_of};

/// More decisions that are not dull than this are not believed: a text of a few characters could
/// ask for any amount of memory.
const MOST_MOVES: usize = 1 << 24;

/// Why a text is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}")]
pub struct TextError {
    /// Where, counted from 1.
    pub at: usize,
    /// What is wrong there, and what would be right.
    pub what: TextErrorKind,
}

/// What can be wrong with the text of a recording, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// It is of another version.
    #[error("this log has format {0}, this program reads {VERSION}")]
    Version(String),
    /// It does not begin like a recording.
    #[error("this is no decision log: one starts with '{VERSION}:'")]
    NoLog,
    /// A character that no recording has.
    #[error("{0:?} is in no log: letters, digits and . _ : , = + - are")]
    Character(char),
    /// The end is missing.
    #[error("the text ends early: it should end with ':', 16, '.', 16, '.' and 8 digits of 0-9a-f")]
    Incomplete,
    /// The hash at the end is not that of the text.
    #[error(
        "a character was changed or lost somewhere before: the text should end with \
         {expected:08x}, not {found:08x}"
    )]
    Hash {
        /// The hash of the text.
        expected: u32,
        /// The hash it has.
        found: u32,
    },
    /// Something else stands where `wanted` should.
    #[error("{wanted} should be here, not {}", found.map_or_else(|| "the end".to_owned(), |it| format!("{it:?}")))]
    Expected {
        /// What would be right.
        wanted: &'static str,
        /// What is there; nothing at the end of the part.
        found: Option<char>,
    },
    /// A number that is too large for what it counts.
    #[error("this number is too large: the most is {0}")]
    TooLarge(u64),
    /// A decision names a site that the table does not have.
    #[error("site {code} is not in the table, which names {known} sites, a and on")]
    UnknownSite {
        /// The letters that should name it.
        code: String,
        /// How many the table has.
        known: usize,
    },
    /// An answer that is none of the options, or is the dullest.
    #[error("answer {chosen} of {n} options cannot be: it should be above 0 and below {n}")]
    Chosen {
        /// The answer.
        chosen: u32,
        /// The number of options.
        n: u32,
    },
}

impl FromStr for Recording {
    type Err = TextError;

    /// Reads what [`Display`](std::fmt::Display) writes; space around it is ignored.
    fn from_str(text: &str) -> Result<Self, TextError> {
        parse(text.trim())
    }
}

fn parse(text: &str) -> Result<Recording, TextError> {
    let error = |index: usize, what| {
        Err(TextError {
            at: index + 1,
            what,
        })
    };
    if let Some((index, found)) = text.chars().enumerate().find(|(_, it)| !is_plain(*it)) {
        return error(index, TextErrorKind::Character(found));
    }
    // From here on a character is a byte.
    let version = text.split(':').next().unwrap_or(text);
    if version != VERSION {
        let number = version
            .strip_prefix("bj")
            .filter(|it| it.parse::<u32>().is_ok());
        return error(
            0,
            match number {
                Some(_) => TextErrorKind::Version(version.to_owned()),
                None => TextErrorKind::NoLog,
            },
        );
    }
    let mut colons = text.rmatch_indices(':').map(|(index, _)| index);
    let (Some(check), Some(decisions)) = (colons.next(), colons.next()) else {
        return error(text.len(), TextErrorKind::Incomplete);
    };
    if decisions <= VERSION.len() {
        return error(text.len(), TextErrorKind::Incomplete);
    }
    let (shape, build) = parse_check(text, check + 1)?;
    let mut recording = Recording {
        config: text[VERSION.len() + 1..decisions].to_owned(),
        build,
        sites: Vec::new(),
        moves: Vec::new(),
        len: 0,
        shape,
    };
    let mut cursor = Cursor::new(&text[..check], decisions + 1);
    parse_sites(&mut cursor, &mut recording)?;
    parse_entries(&mut cursor, &mut recording)?;
    Ok(recording)
}

/// The shape and the build at the end of `text`, from `at` on, once its hash is found to be right.
fn parse_check(text: &str, at: usize) -> Result<(u64, u64), TextError> {
    let check = &text[at..];
    let lengths = check.split('.').map(str::len);
    if !lengths.eq([16, 16, 8]) {
        return Err(TextError {
            at: text.len() + 1,
            what: TextErrorKind::Incomplete,
        });
    }
    let mut cursor = Cursor::new(text, at);
    let shape = cursor.hexadecimal(16)?;
    cursor.expect('.')?;
    let build = cursor.hexadecimal(16)?;
    let hashed = cursor.at();
    cursor.expect('.')?;
    let found = cursor.hexadecimal(8)? as u32;
    let expected = fnv32(&text.as_bytes()[..hashed]);
    if expected != found {
        return Err(TextError {
            at: hashed + 2,
            what: TextErrorKind::Hash { expected, found },
        });
    }
    Ok((shape, build))
}

/// The names up to '='; none is well.
fn parse_sites(cursor: &mut Cursor<'_>, recording: &mut Recording) -> Result<(), TextError> {
    if cursor.take('=') {
        return Ok(());
    }
    loop {
        let name = cursor.take_while(|it| !matches!(it, ',' | '='));
        if !is_site_name(name) {
            return Err(cursor.expected("the name of a site"));
        }
        recording.sites.push(name.to_owned().into());
        if !cursor.take(',') {
            break;
        }
    }
    cursor.expect('=')
}

/// The decisions, up to the end of the cursor's text.
fn parse_entries(cursor: &mut Cursor<'_>, recording: &mut Recording) -> Result<(), TextError> {
    let mut last_n = vec![None; recording.sites.len()];
    if cursor.is_at_end() {
        return Ok(());
    }
    loop {
        let zeros = if cursor.digit() {
            cursor.number(u64::MAX)?
        } else {
            0
        };
        if cursor.is_at_end() {
            recording.len = lengthened(cursor, recording.len, zeros)?;
            return Ok(());
        }
        let entry = parse_entry(cursor, &mut last_n)?;
        let most = MOST_MOVES as u64;
        let times = if cursor.take('+') {
            1 + cursor.number(most)?
        } else {
            1
        };
        if recording.moves.len() as u64 + times > most {
            return Err(cursor.error(TextErrorKind::TooLarge(most)));
        }
        for _ in 0..times {
            recording.len = lengthened(cursor, recording.len, zeros)?;
            recording.moves.push((recording.len, entry));
            recording.len = lengthened(cursor, recording.len, 1)?;
        }
        if cursor.is_at_end() {
            return Ok(());
        }
        cursor.expect(',')?;
    }
}

/// A site, an answer and a number of options.
fn parse_entry(cursor: &mut Cursor<'_>, last_n: &mut [Option<u32>]) -> Result<Entry, TextError> {
    let start = *cursor;
    let code = cursor.take_while(|it| it.is_ascii_alphabetic());
    if code.is_empty() {
        return Err(cursor.expected("the letter of a site"));
    }
    let site = site_of(code).filter(|site| usize::from(*site) < last_n.len());
    let Some(site) = site else {
        return Err(start.error(TextErrorKind::UnknownSite {
            code: code.to_owned(),
            known: last_n.len(),
        }));
    };
    let answer = *cursor;
    let chosen = cursor.number(u64::from(u32::MAX))? as u32;
    let last = &mut last_n[usize::from(site)];
    if cursor.take('.') {
        *last = Some(cursor.number(u64::from(u32::MAX))? as u32);
    }
    let Some(n) = *last else {
        return Err(cursor.expected("'.' and the number of options, as this site is new,"));
    };
    if chosen == 0 || chosen >= n {
        return Err(answer.error(TextErrorKind::Chosen { chosen, n }));
    }
    Ok(Entry { site, n, chosen })
}

fn lengthened(cursor: &Cursor<'_>, len: u64, by: u64) -> Result<u64, TextError> {
    let sum = len.checked_add(by);
    sum.ok_or_else(|| cursor.error(TextErrorKind::TooLarge(u64::MAX)))
}

//! A command of `qemu-io`, taken apart.

use crate::daemon::hmp::size::parse_bytes;

/// No single request is longer, so that a slip of the finger does not take all memory.
const MAX_BYTES: u64 = 1 << 30;

/// A command, taken apart.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) flags: Vec<char>,
    pub(super) pattern: Option<u8>,
    pub(super) numbers: Vec<u64>,
}

impl Asked {
    pub(super) fn has(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }

    /// By the line of the help that says what the command takes.
    pub(super) fn parse(name: &str, usage: &str, words: &[&str]) -> Result<Asked, String> {
        let synopsis = usage.split(" -- ").next().unwrap_or_default();
        let known = synopsis.split(" [-").nth(1).unwrap_or_default();
        let known = known.split(']').next().unwrap_or_default();
        let takes_pattern = synopsis.contains("-P pattern");
        let mut asked = Asked::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-') else {
                let number = parse_bytes(word).ok_or_else(|| {
                    format!(
                        "Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- \
                         {word}"
                    )
                })?;
                asked.numbers.push(number);
                continue;
            };
            for (at, letter) in letters.char_indices() {
                if letter == 'P' && takes_pattern {
                    let after = &letters[at + 1..];
                    let text = if after.is_empty() {
                        words.next().copied()
                    } else {
                        Some(after)
                    };
                    let text = text.unwrap_or_default();
                    let pattern = parse_bytes(text).and_then(|value| u8::try_from(value).ok());
                    asked.pattern =
                        Some(pattern.ok_or_else(|| format!("{text} is not a valid pattern byte"))?);
                    break;
                }
                if !known.contains(letter) {
                    return Err(format!("{name}: invalid option -- '{letter}'"));
                }
                asked.flags.push(letter);
            }
        }
        let (least, most) = match name {
            "read" | "write" | "discard" => (2, 2),
            "truncate" => (1, 1),
            "alloc" => (1, 2),
            _ => (0, 0),
        };
        let given = asked.numbers.len();
        if given < least || given > most {
            let expected = match (least, most) {
                (least, most) if least == most => format!("{least} arguments"),
                (least, most) => format!("between {least} and {most} arguments"),
            };
            return Err(format!(
                "bad argument count {given} to {name}, expected {expected}"
            ));
        }
        if least == 2 && asked.numbers[1] > MAX_BYTES {
            return Err(format!(
                "length cannot exceed {MAX_BYTES}, given {}",
                asked.numbers[1]
            ));
        }
        if asked.has('z') && asked.pattern.is_some() {
            return Err("-z and -P cannot be specified at the same time".to_owned());
        }
        for (flag, needs) in [('u', 'z'), ('n', 'z')] {
            if asked.has(flag) && !asked.has(needs) {
                return Err(format!("-{flag} requires -{needs} to be specified"));
            }
        }
        Ok(asked)
    }
}

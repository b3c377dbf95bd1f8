//! How a line for people is taken apart.
//!
//! QEMU: `monitor_parse_arguments` (monitor/hmp.c).

use super::size::parse_size;

/// One thing that a command takes, in order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg {
    /// `-x`, which may be left out.
    Flag(char),
    /// The name of a drive, node or job.
    Device(&'static str),
    /// A word, or several in quotes.
    Word(&'static str),
    /// The same, if there is one.
    OptionalWord(&'static str),
    /// A number with a suffix for powers of 1024, mebibytes without one.
    Size(&'static str),
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    flags: Vec<char>,
    words: Vec<(&'static str, String)>,
    sizes: Vec<(&'static str, i64)>,
}

impl Parsed {
    pub(super) fn flag(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }

    /// The word for the argument `name`, if it was given.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        let mut words = self.words.iter();
        words.find(|(own, _)| *own == name).map(|(_, word)| &**word)
    }

    /// The word for the argument `name`, which the parser has seen to be there.
    pub(super) fn need(&self, name: &str) -> &str {
        self.word(name).expect("a required argument was parsed")
    }

    /// The number of bytes for the argument `name`, which the parser has seen to be there.
    pub(super) fn size(&self, name: &str) -> i64 {
        let mut sizes = self.sizes.iter();
        let found = sizes.find(|(own, _)| *own == name);
        found.expect("a required argument was parsed").1
    }
}

/// Takes a line apart, or says in a few words what was expected.
pub(super) fn parse(args: &[Arg], line: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut rest = line.trim();
    for arg in args {
        match *arg {
            Arg::Flag(flag) => rest = take_flag(flag, args, rest, &mut parsed)?,
            Arg::Device(name) | Arg::Word(name) | Arg::OptionalWord(name) => {
                let Some((word, after)) = take_word(rest)? else {
                    match arg {
                        Arg::OptionalWord(_) => continue,
                        Arg::Device(_) => return Err("block device name expected".to_owned()),
                        _ => return Err("string expected".to_owned()),
                    }
                };
                parsed.words.push((name, word));
                rest = after;
            }
            Arg::Size(name) => {
                let Some((word, after)) = take_word(rest)? else {
                    return Err("number expected".to_owned());
                };
                let size = parse_size(&word).ok_or_else(|| "invalid size".to_owned())?;
                parsed.sizes.push((name, size));
                rest = after;
            }
        }
    }
    if rest.is_empty() {
        Ok(parsed)
    } else {
        Err("extraneous characters at the end of line".to_owned())
    }
}

/// Flags may be written in any order and together, `-nf`: each looks for its own at the front.
fn take_flag<'a>(
    flag: char,
    args: &[Arg],
    rest: &'a str,
    parsed: &mut Parsed,
) -> Result<&'a str, String> {
    if parsed.flag(flag) {
        return Ok(rest);
    }
    let Some(letters) = rest.strip_prefix('-') else {
        return Ok(rest);
    };
    let (letters, after) = letters
        .split_once(char::is_whitespace)
        .unwrap_or((letters, ""));
    for letter in letters.chars() {
        let known = args
            .iter()
            .any(|arg| matches!(arg, Arg::Flag(own) if *own == letter));
        if !known {
            return Err(format!("unsupported option -{letter}"));
        }
        parsed.flags.push(letter);
    }
    let after = after.trim_start();
    if parsed.flag(flag) || !after.starts_with('-') {
        return Ok(after);
    }
    take_flag(flag, args, after, parsed)
}

/// The next word, and what follows. In double quotes it may have blanks, and `\n`, `\r`, `\\`, `\'`,
/// `\"` mean what they mean in C.
///
/// QEMU: `get_str` (monitor/hmp.c).
fn take_word(rest: &str) -> Result<Option<(String, &str)>, String> {
    if rest.is_empty() {
        return Ok(None);
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        return Ok(Some((rest[..end].to_owned(), rest[end..].trim_start())));
    };
    let mut word = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(Some((word, quoted[at + 1..].trim_start()))),
            '\\' => match chars.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, 'r')) => word.push('\r'),
                Some((_, same @ ('\\' | '\'' | '"'))) => word.push(same),
                Some((_, other)) => return Err(format!("unsupported escape code: '\\{other}'")),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err("unterminated string".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIRROR: &[Arg] = &[
        Arg::Flag('n'),
        Arg::Flag('f'),
        Arg::Device("device"),
        Arg::Word("target"),
        Arg::OptionalWord("format"),
    ];

    #[test]
    fn flags_come_in_any_order_and_together() {
        for line in ["-n -f d t", "-f -n d t", "-nf d t", "-fn d t raw"] {
            let parsed = parse(MIRROR, line).expect("it is right");
            assert!(parsed.flag('n') && parsed.flag('f'), "{line}");
            assert_eq!(parsed.need("device"), "d");
            assert_eq!(parsed.need("target"), "t");
        }
        assert!(!parse(MIRROR, "-f d t").expect("it is right").flag('n'));
    }

    #[test]
    fn a_word_in_quotes_keeps_its_blanks() {
        let parsed = parse(MIRROR, r#"d "a \"b\" c" qcow2"#).expect("it is right");
        assert_eq!(parsed.need("target"), r#"a "b" c"#);
        assert_eq!(parsed.word("format"), Some("qcow2"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |line: &str| parse(MIRROR, line).expect_err("it is wrong");
        assert_eq!(wrong(""), "block device name expected");
        assert_eq!(wrong("d"), "string expected");
        assert_eq!(
            wrong("d t raw x"),
            "extraneous characters at the end of line"
        );
        assert_eq!(wrong("-x d t"), "unsupported option -x");
        assert_eq!(wrong("d \"t"), "unterminated string");
    }
}

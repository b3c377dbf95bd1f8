//! Rust source with comments and literals blanked, so that plain searching finds code alone.

/// The text with every byte of a comment, string or character literal replaced by a space. Line
/// ends stay, and every other byte keeps its place, so offsets and lines are those of the text.
pub(crate) fn mask(text: &str) -> String {
    let mut masker = Masker {
        text: text.as_bytes(),
        code: text.as_bytes().to_vec(),
        at: 0,
    };
    while masker.at < masker.text.len() {
        masker.step();
    }
    String::from_utf8(masker.code).expect("whole literals and comments were replaced")
}

struct Masker<'a> {
    text: &'a [u8],
    code: Vec<u8>,
    at: usize,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with(b"//") {
            let length = rest.iter().position(|&byte| byte == b'\n');
            self.blank(length.unwrap_or(rest.len()));
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment_length(rest));
        } else if rest[0] == b'"' {
            self.blank(quoted_length(rest, b'"'));
        } else if rest[0] == b'\'' {
            self.quote(rest);
        } else if is_word(rest[0]) {
            self.word();
        } else {
            self.at += 1;
        }
    }

    /// A character literal is blanked; a lifetime or label is code.
    fn quote(&mut self, rest: &[u8]) {
        match character_length(rest) {
            Some(length) => self.blank(length),
            None => self.at += 1,
        }
    }

    /// A word may be the prefix of a literal: `r`, `br`, `cr` of a raw string, `b`, `c` of others.
    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&byte| !is_word(byte));
        let (word, rest) = rest.split_at(length.unwrap_or(rest.len()));
        self.at += word.len();
        match word {
            b"r" | b"br" | b"cr" => {
                if let Some(length) = raw_length(rest) {
                    self.blank(length);
                }
            }
            b"b" if rest.starts_with(b"'") => self.quote(rest),
            _ => {}
        }
    }

    fn blank(&mut self, length: usize) {
        let end = (self.at + length).min(self.code.len());
        for byte in &mut self.code[self.at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        self.at = end;
    }
}

/// Whether the byte can stand in an identifier or number.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Comments nest.
fn block_comment_length(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of a literal that begins and ends with this quote, with `\` before what is escaped.
fn quoted_length(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a character literal, or none where the quote begins a lifetime.
fn character_length(text: &[u8]) -> Option<usize> {
    let first = *text.get(1)?;
    if first == b'\\' {
        return Some(quoted_length(text, b'\''));
    }
    let width = match first {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    };
    (text.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// The length from the first `#` or `"` to the end of a raw string, or none for a raw identifier.
fn raw_length(text: &[u8]) -> Option<usize> {
    let hashes = text.iter().take_while(|&&byte| byte == b'#').count();
    if text.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'#'; hashes + 1];
    end[0] = b'"';
    let body = &text[hashes + 1..];
    let found = body.windows(end.len()).position(|window| window == end);
    Some(hashes + 1 + found.map_or(body.len(), |at| at + end.len()))
}

#[test]
fn comments_and_literals_are_blanked_and_offsets_stay() {
    let text = "a /* x /* y */ z */ b // c\n\"d\\\"}\" e r#\"f\"g\"# b\"h\" br\"\\\" i";
    let code = mask(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>(),
        ["a", "b", "e", "r", "b", "br", "i"]
    );
    assert_eq!(code.find(" i"), text.find(" i"));
    assert_eq!(code.matches('\n').count(), 1);
}

#[test]
fn a_lifetime_is_code_and_a_character_is_not() {
    let code = mask("fn f<'a, 'b>(x: &'a str) { '{'; '\\''; b'}'; 'ß'; '→'; 'l: loop {} }");
    assert_eq!(code.matches('{').count(), 2, "{code}");
    assert_eq!(code.matches('}').count(), 2, "{code}");
    assert!(code.contains("<'a, 'b>(x: &'a str)"), "{code}");
    assert!(code.contains("'l: loop"), "{code}");
}

#[test]
fn a_raw_identifier_begins_no_string() {
    assert_eq!(mask("r#type + \"x\" + for_"), "r#type +     + for_");
}

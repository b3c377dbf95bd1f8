//! A place in a text of plain characters that is being parsed.

use super::parse::{TextError, TextErrorKind};

/// What is left to parse of a text, each character of which is one byte.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Before the byte `at` of `text`.
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Cursor { text, at }
    }

    /// How many bytes stand before.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Whether a digit comes next.
    pub(crate) fn digit(&self) -> bool {
        self.peek().is_some_and(|it| it.is_ascii_digit())
    }

    /// Passes `wanted` if it comes next.
    pub(crate) fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Passes and returns all that fits, which may be nothing.
    pub(crate) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let len = rest.find(|it| !fits(it)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    pub(crate) fn expect(&mut self, wanted: char) -> Result<(), TextError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.expected(match wanted {
            '=' => "'='",
            ',' => "','",
            '.' => "'.'",
            _ => "another character",
        }))
    }

    /// A decimal number of at most `most`.
    pub(crate) fn number(&mut self, most: u64) -> Result<u64, TextError> {
        let start = *self;
        let digits = self.take_while(|it| it.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.expected("a number"));
        }
        let number = digits.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| start.error(TextErrorKind::TooLarge(most)))
    }

    /// A number of as many hexadecimal digits.
    pub(crate) fn hexadecimal(&mut self, digits: usize) -> Result<u64, TextError> {
        let mut number = 0;
        for _ in 0..digits {
            // The letters are small, so that there is one way only to write each.
            let digit = self.peek().filter(|it| !it.is_ascii_uppercase());
            let Some(digit) = digit.and_then(|it| it.to_digit(16)) else {
                return Err(self.expected("a digit of 0-9a-f"));
            };
            number = number << 4 | u64::from(digit);
            self.at += 1;
        }
        Ok(number)
    }

    pub(crate) fn error(&self, what: TextErrorKind) -> TextError {
        TextError {
            at: self.at + 1,
            what,
        }
    }

    pub(crate) fn expected(&self, wanted: &'static str) -> TextError {
        self.error(TextErrorKind::Expected {
            wanted,
            found: self.peek(),
        })
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
}

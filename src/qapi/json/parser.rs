//! Tokens of one document to its value.
//!
//! QEMU: qobject/json-parser.c.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lexer::Kind;
use super::unicode::{character, code_point, for_message};
use crate::qapi::{Dict, Number, QmpError, QmpResult, Value};

/// What a token is, and where in the text of its document it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    kind: Kind,
    begin: u32,
    end: u32,
}

impl Token {
    /// A token at `place`. A document's tokens are far below 4 GiB.
    pub(super) fn new(kind: Kind, place: Range<usize>) -> Self {
        let offset = |at: usize| u32::try_from(at).expect("a document is limited to 64 MiB");
        Token {
            kind,
            begin: offset(place.start),
            end: offset(place.end),
        }
    }
}

/// The value that the tokens make.
///
/// QEMU: `json_parser_parse` (qobject/json-parser.c).
pub(super) fn parse(text: &[u8], tokens: &[Token]) -> QmpResult<Value> {
    Parser { text, tokens }.value()
}

struct Parser<'a> {
    text: &'a [u8],
    tokens: &'a [Token],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> QmpResult<Token> {
        let first = self.tokens.first().copied();
        first.ok_or_else(|| error("premature EOI"))
    }

    fn pop(&mut self) -> QmpResult<Token> {
        let token = self.peek()?;
        self.tokens = &self.tokens[1..];
        Ok(token)
    }

    fn text(&self, token: Token) -> &'a [u8] {
        &self.text[token.begin as usize..token.end as usize]
    }

    fn value(&mut self) -> QmpResult<Value> {
        let token = self.pop()?;
        match token.kind {
            Kind::LeftBrace => self.object().map(Value::Dict),
            Kind::LeftBracket => self.array().map(Value::List),
            Kind::String => string(self.text(token)).map(Value::Str),
            Kind::Integer | Kind::Float => Ok(Value::Num(number(self.text(token), token.kind))),
            Kind::Keyword => keyword(self.text(token)),
            _ => Err(error("expecting value")),
        }
    }

    fn object(&mut self) -> QmpResult<Dict> {
        let mut dict = Dict::new();
        if self.peek()?.kind == Kind::RightBrace {
            self.pop()?;
            return Ok(dict);
        }
        let mut names = Names::default();
        loop {
            let (key, value) = self.pair()?;
            if !names.insert(&dict, &key) {
                return Err(error("duplicate key"));
            }
            dict.push_new(key, value);
            match self.pop()?.kind {
                Kind::RightBrace => return Ok(dict),
                Kind::Comma => {}
                _ => return Err(error("expected separator in dict")),
            }
        }
    }

    fn pair(&mut self) -> QmpResult<(String, Value)> {
        let Value::Str(key) = self.value()? else {
            return Err(error("key is not a string in object"));
        };
        if self.pop()?.kind != Kind::Colon {
            return Err(error("missing : in object pair"));
        }
        Ok((key, self.value()?))
    }

    fn array(&mut self) -> QmpResult<Vec<Value>> {
        let mut list = Vec::new();
        if self.peek()?.kind == Kind::RightBracket {
            self.pop()?;
            return Ok(list);
        }
        loop {
            list.push(self.value()?);
            match self.pop()?.kind {
                Kind::RightBracket => return Ok(list),
                Kind::Comma => {}
                _ => return Err(error("expected separator in list")),
            }
        }
    }
}

/// The names of the members of a large object, so that a million of them are not compared each with
/// each.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// From how many members on names are kept.
    const MANY: usize = 32;

    /// False if `dict` has a member of that name.
    fn insert(&mut self, dict: &Dict, name: &str) -> bool {
        if dict.len() < Self::MANY {
            return !dict.contains(name);
        }
        if self.0.is_empty() {
            self.0.extend(dict.iter().map(|(name, _)| name.to_owned()));
        }
        self.0.insert(name.to_owned())
    }
}

fn error(message: &str) -> QmpError {
    QmpError::generic(format!("JSON parse error, {message}"))
}

fn keyword(word: &[u8]) -> QmpResult<Value> {
    match word {
        b"true" => Ok(Value::Bool(true)),
        b"false" => Ok(Value::Bool(false)),
        b"null" => Ok(Value::Null),
        _ => {
            // The peer has room for 1023 bytes.
            let mut message = format!("invalid keyword '{}'", for_message(word));
            message.truncate(1023);
            Err(error(&message))
        }
    }
}

/// The first kind of number that can hold what is written.
fn number(text: &[u8], kind: Kind) -> Number {
    let text = str::from_utf8(text).expect("the lexer lets only ASCII into a number");
    if kind == Kind::Integer {
        if let Ok(value) = text.parse() {
            return Number::Int(value);
        }
        if let Ok(value) = text.parse() {
            return Number::UInt(value);
        }
    }
    Number::Double(text.parse().expect("the lexer has seen a number"))
}

/// What a string says, quotes and escapes taken off.
///
/// QEMU: `parse_string` (qobject/json-parser.c).
fn string(token: &[u8]) -> QmpResult<String> {
    let inner = &token[1..token.len() - 1];
    if inner.iter().all(|byte| byte.is_ascii() && *byte != b'\\') {
        return Ok(str::from_utf8(inner).expect("it is ASCII").to_owned());
    }
    let mut text = String::with_capacity(inner.len());
    let mut at = 0;
    while at < inner.len() {
        if inner[at] == b'\\' {
            // With the closing quote: that is how far the peer's message about an escape may reach.
            let (escaped, len) = escape(&token[at + 1..])?;
            text.push(escaped);
            at += len;
        } else {
            let (found, len) = code_point(&inner[at..]);
            text.push(found.ok_or_else(|| error("invalid UTF-8 sequence in string"))?);
            at += len;
        }
    }
    Ok(text)
}

/// The character of the escape that `bytes` begin with, and its length.
fn escape(bytes: &[u8]) -> QmpResult<(char, usize)> {
    let simple = match bytes.get(1) {
        Some(quote @ (b'"' | b'\'' | b'\\' | b'/')) => char::from(*quote),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(bytes),
        _ => return Err(error("invalid escape sequence in string")),
    };
    Ok((simple, 2))
}

fn unicode_escape(bytes: &[u8]) -> QmpResult<(char, usize)> {
    let leading = hex4(bytes, 2);
    let paired = bytes.get(6..8) == Some(b"\\u");
    let (code, len) = match leading {
        Some(high @ 0xd800..0xdc00) if paired => {
            match hex4(bytes, 8).filter(|low| (0xdc00..0xe000).contains(low)) {
                Some(low) => (Some(0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff)), 12),
                None => (None, 6),
            }
        }
        code => (code, 6),
    };
    match code.and_then(character) {
        Some(found) => Ok((found, len)),
        None => {
            let shown = for_message(&bytes[..bytes.len().min(len)]);
            Err(error(&format!("{shown} is not a valid Unicode character")))
        }
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    let mut code = 0;
    for digit in digits {
        code = code << 4 | char::from(*digit).to_digit(16)?;
    }
    Some(code)
}

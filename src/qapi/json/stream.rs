//! Tokens to documents: counts braces and brackets until a document is whole, and bounds what it may
//! cost.
//!
//! QEMU: `JSONMessageParser` (include/qobject/json-parser.h, qobject/json-streamer.c).

use super::lexer::{Kind, State, Step, goes_on, step};
use super::parser::{Token, parse};
use super::unicode::for_message;
use crate::qapi::{QmpError, QmpResult, Value};

/// How many bytes the tokens of a document may have, blanks not counted.
pub const MAX_TOKEN_SIZE: usize = 64 << 20;
/// How many tokens a document may have.
pub const MAX_TOKEN_COUNT: usize = 2 << 20;
/// How many braces and brackets may be open.
pub const MAX_NESTING: i64 = 1 << 10;

/// What the buffers of a stream keep from document to document, in bytes and in tokens.
const KEPT: usize = 64 << 10;

/// What a byte can go on with, as bits.
const IN_DOUBLE_QUOTES: u8 = 1;
const IN_SINGLE_QUOTES: u8 = 2;
const LETTER: u8 = 4;
const DIGIT: u8 = 8;

/// For each byte the states that it goes on with.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let states = [
        (State::String(b'"'), IN_DOUBLE_QUOTES),
        (State::String(b'\''), IN_SINGLE_QUOTES),
        (State::Keyword, LETTER),
        (State::Digits, DIGIT),
    ];
    let mut byte = 0;
    while byte < 256 {
        let mut which = 0;
        while which < states.len() {
            let (state, class) = states[which];
            if goes_on(state, byte as u8) {
                classes[byte] |= class;
            }
            which += 1;
        }
        byte += 1;
    }
    classes
};

/// Documents from a stream of bytes that arrive in any pieces.
///
/// A document ends when its last brace or bracket closes; no line end is needed. What is wrong is told
/// once, and then the stream goes on behind it; after a token that is none it does so at the next
/// brace, bracket, comma, colon or control character.
///
/// QEMU: `JSONMessageParser` (include/qobject/json-parser.h).
#[derive(Debug)]
pub struct JsonStream {
    state: State,
    /// The tokens of the document so far, one after the other, and the token that is begun.
    text: Vec<u8>,
    /// Where in `text` the token begins.
    begin: usize,
    tokens: Vec<Token>,
    braces: i64,
    brackets: i64,
}

impl Default for JsonStream {
    fn default() -> Self {
        Self::new()
    }
}

impl JsonStream {
    /// A stream of which nothing has arrived yet.
    ///
    /// QEMU: `json_message_parser_init` (qobject/json-streamer.c).
    pub fn new() -> Self {
        JsonStream {
            state: State::Start,
            text: Vec::new(),
            begin: 0,
            tokens: Vec::new(),
            braces: 0,
            brackets: 0,
        }
    }

    /// Takes the next bytes. Calls `emit` for each document that has become whole and for each error,
    /// in their order.
    ///
    /// QEMU: `json_message_parser_feed` (qobject/json-streamer.c).
    pub fn feed(&mut self, bytes: &[u8], emit: &mut dyn FnMut(QmpResult<Value>)) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let taken = self.run(rest);
            if taken > 0 {
                self.text.extend_from_slice(&rest[..taken]);
                self.refuse_giant(emit);
                rest = &rest[taken..];
            } else {
                self.byte(byte, emit);
                rest = &rest[1..];
            }
        }
    }

    /// Says that nothing more will arrive: what has begun ends here.
    ///
    /// QEMU: `json_message_parser_flush` (qobject/json-streamer.c).
    pub fn flush(&mut self, emit: &mut dyn FnMut(QmpResult<Value>)) {
        // What no token goes on with: a NUL.
        while self.state != State::Start {
            match step(self.state, 0) {
                Step::Before(kind) => self.token(kind, emit),
                Step::Recovered => self.state = State::Start,
                _ => self.stray(emit),
            }
        }
        if !self.tokens.is_empty() {
            self.document(emit);
        }
    }

    /// How many of `bytes` certainly belong to the token that has begun and do not change the state; no
    /// more than are enough to refuse it.
    fn run(&self, bytes: &[u8]) -> usize {
        let class = match self.state {
            State::String(b'"') => IN_DOUBLE_QUOTES,
            State::String(_) => IN_SINGLE_QUOTES,
            State::Keyword => LETTER,
            State::Digits => DIGIT,
            _ => return 0,
        };
        let room = MAX_TOKEN_SIZE + 1 - (self.text.len() - self.begin);
        let bytes = &bytes[..bytes.len().min(room)];
        let ends = |byte: &u8| CLASSES[usize::from(*byte)] & class == 0;
        bytes.iter().position(ends).unwrap_or(bytes.len())
    }

    fn byte(&mut self, byte: u8, emit: &mut dyn FnMut(QmpResult<Value>)) {
        loop {
            match step(self.state, byte) {
                Step::Skip => return,
                Step::Go(state) => {
                    self.text.push(byte);
                    self.state = state;
                    return self.refuse_giant(emit);
                }
                Step::Last(kind) => {
                    self.text.push(byte);
                    return self.token(kind, emit);
                }
                Step::Stray => {
                    self.text.push(byte);
                    return self.stray(emit);
                }
                Step::Before(kind) => self.token(kind, emit),
                Step::Recovered => self.state = State::Start,
            }
        }
    }

    /// A token that alone is too large is refused before its end.
    fn refuse_giant(&mut self, emit: &mut dyn FnMut(QmpResult<Value>)) {
        if self.text.len() - self.begin > MAX_TOKEN_SIZE {
            self.state = State::Start;
            self.fail("JSON token size limit exceeded", emit);
        }
    }

    fn stray(&mut self, emit: &mut dyn FnMut(QmpResult<Value>)) {
        self.state = State::Recovery;
        let token = for_message(&self.text[self.begin..]);
        self.fail(&format!("JSON parse error, stray '{token}'"), emit);
    }

    /// QEMU: `json_message_process_token` (qobject/json-streamer.c).
    fn token(&mut self, kind: Kind, emit: &mut dyn FnMut(QmpResult<Value>)) {
        self.state = State::Start;
        match kind {
            Kind::LeftBrace => self.braces += 1,
            Kind::RightBrace => self.braces -= 1,
            Kind::LeftBracket => self.brackets += 1,
            Kind::RightBracket => self.brackets -= 1,
            _ => {}
        }
        // The peer counts a byte for the end of the last token.
        if self.text.len() + 1 > MAX_TOKEN_SIZE {
            return self.fail("JSON token size limit exceeded", emit);
        }
        if self.tokens.len() + 1 > MAX_TOKEN_COUNT {
            return self.fail("JSON token count limit exceeded", emit);
        }
        if self.braces + self.brackets > MAX_NESTING {
            return self.fail("JSON nesting depth limit exceeded", emit);
        }
        self.tokens
            .push(Token::new(kind, self.begin..self.text.len()));
        self.begin = self.text.len();
        let open = self.braces > 0 || self.brackets > 0;
        if !open || self.braces < 0 || self.brackets < 0 {
            self.document(emit);
        }
    }

    fn document(&mut self, emit: &mut dyn FnMut(QmpResult<Value>)) {
        let result = parse(&self.text, &self.tokens);
        self.forget();
        emit(result);
    }

    fn fail(&mut self, message: &str, emit: &mut dyn FnMut(QmpResult<Value>)) {
        self.forget();
        emit(Err(QmpError::generic(message)));
    }

    /// Begins a new document, without the memory of a large one.
    fn forget(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.tokens.clear();
        self.tokens.shrink_to(KEPT);
        self.begin = 0;
        self.braces = 0;
        self.brackets = 0;
    }
}

#[cfg(test)]
impl JsonStream {
    /// How many bytes the buffers take.
    pub(super) fn memory(&self) -> usize {
        self.text.capacity() + self.tokens.capacity() * size_of::<Token>()
    }
}

/// The one value that `text` holds.
///
/// QEMU: `qobject_from_json` (qobject/qjson.c).
///
/// # Errors
///
/// There is none, or a second one, or it is no JSON.
pub fn from_json(text: &str) -> QmpResult<Value> {
    let mut found = None;
    let mut emit = |result: QmpResult<Value>| {
        found = Some(match (found.take(), result) {
            (None, result) => result,
            (Some(Err(first)), _) => Err(first),
            (Some(Ok(_)), _) => Err(QmpError::generic("Expecting at most one JSON value")),
        });
    };
    let mut stream = JsonStream::new();
    stream.feed(text.as_bytes(), &mut emit);
    stream.flush(&mut emit);
    found.unwrap_or_else(|| Err(QmpError::generic("Expecting a JSON value")))
}

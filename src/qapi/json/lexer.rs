//! Bytes to tokens: a state machine that looks at one byte at a time, so that a token may arrive in
//! pieces.
//!
//! QEMU: qobject/json-lexer.c.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Colon,
    Comma,
    Integer,
    Float,
    Keyword,
    String,
}

/// What the bytes of the token so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Between tokens.
    Start,
    /// After an error: all is skipped up to where a document might begin.
    Recovery,
    /// In a string that began with this quote.
    String(u8),
    /// The same, after a backslash.
    Escape(u8),
    /// After a minus.
    Sign,
    /// After a zero that began a number.
    Zero,
    Digits,
    /// After the decimal point.
    Point,
    Fraction,
    /// After the `e`.
    Exponent,
    ExponentSign,
    ExponentDigits,
    Keyword,
}

/// What comes of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The byte belongs to the token, which goes on.
    Go(State),
    /// The byte belongs to the token and is its last.
    Last(Kind),
    /// The token ended before this byte, which is to be looked at again.
    Before(Kind),
    /// The byte is blank, or skipped.
    Skip,
    /// Here the recovery ends; the byte is to be looked at again.
    Recovered,
    /// The byte belongs to no token.
    Stray,
}

/// What `byte` does in `state`.
pub(super) const fn step(state: State, byte: u8) -> Step {
    match state {
        State::Start => start(byte),
        State::Recovery => match byte {
            b'\t' => Step::Skip,
            0..0x20 | 0xfe.. | b'[' | b']' | b'{' | b'}' | b':' | b',' => Step::Recovered,
            _ => Step::Skip,
        },
        State::String(quote) => match byte {
            0..0x20 | 0xfe.. => Step::Stray,
            b'\\' => Step::Go(State::Escape(quote)),
            _ if byte == quote => Step::Last(Kind::String),
            _ => Step::Go(state),
        },
        State::Escape(quote) => match byte {
            0..0x20 | 0xfe.. => Step::Stray,
            _ => Step::Go(State::String(quote)),
        },
        State::Keyword => match byte {
            b'a'..=b'z' => Step::Go(state),
            _ => Step::Before(Kind::Keyword),
        },
        _ => number(state, byte),
    }
}

/// Whether `byte` leaves that state as it is.
pub(super) const fn goes_on(state: State, byte: u8) -> bool {
    matches!(
        (state, step(state, byte)),
        (State::String(_), Step::Go(State::String(_)))
            | (State::Keyword, Step::Go(State::Keyword))
            | (State::Digits, Step::Go(State::Digits))
    )
}

const fn start(byte: u8) -> Step {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' => Step::Skip,
        b'"' | b'\'' => Step::Go(State::String(byte)),
        b'{' => Step::Last(Kind::LeftBrace),
        b'}' => Step::Last(Kind::RightBrace),
        b'[' => Step::Last(Kind::LeftBracket),
        b']' => Step::Last(Kind::RightBracket),
        b':' => Step::Last(Kind::Colon),
        b',' => Step::Last(Kind::Comma),
        b'-' => Step::Go(State::Sign),
        b'0' => Step::Go(State::Zero),
        b'1'..=b'9' => Step::Go(State::Digits),
        b'a'..=b'z' => Step::Go(State::Keyword),
        _ => Step::Stray,
    }
}

const fn number(state: State, byte: u8) -> Step {
    match (state, byte) {
        (State::Sign, b'0') => Step::Go(State::Zero),
        (State::Sign, b'1'..=b'9') => Step::Go(State::Digits),
        (State::Zero, b'0'..=b'9') => Step::Stray,
        (State::Digits, b'0'..=b'9') => Step::Go(State::Digits),
        (State::Zero | State::Digits, b'.') => Step::Go(State::Point),
        // The peer ends `0e4` behind its zero.
        (State::Digits | State::Fraction, b'e' | b'E') => Step::Go(State::Exponent),
        (State::Zero | State::Digits, _) => Step::Before(Kind::Integer),
        (State::Point | State::Fraction, b'0'..=b'9') => Step::Go(State::Fraction),
        (State::Fraction, _) => Step::Before(Kind::Float),
        (State::Exponent, b'+' | b'-') => Step::Go(State::ExponentSign),
        (State::Exponent | State::ExponentSign | State::ExponentDigits, b'0'..=b'9') => {
            Step::Go(State::ExponentDigits)
        }
        (State::ExponentDigits, _) => Step::Before(Kind::Float),
        _ => Step::Stray,
    }
}

//! The text of QMP: a lenient parser of a stream, and a writer.
//!
//! QEMU: qobject/json-lexer.c, qobject/json-parser.c, qobject/json-streamer.c, qobject/json-writer.c,
//! qobject/qjson.c.

mod lexer;
mod order;
mod parser;
mod stream;
#[cfg(test)]
mod tests;
mod unicode;
mod write;

pub(crate) use order::wire_order;
pub use stream::{JsonStream, MAX_NESTING, MAX_TOKEN_COUNT, MAX_TOKEN_SIZE, from_json};
pub use write::{to_json, to_json_pretty, write_json};

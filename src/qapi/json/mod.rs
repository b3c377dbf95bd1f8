//! The text of QMP: a lenient parser of a stream, and a writer.
//!
//! QEMU: qobject/json-lexer.c, qobject/json-parser.c, qobject/json-streamer.c, qobject/qjson.c.

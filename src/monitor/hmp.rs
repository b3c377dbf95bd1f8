//! The protocol of people: lines in, text out.
//!
//! QEMU: monitor/hmp.c, util/readline.c (whose editing is the client's here).

use super::version::PACKAGE;

/// What a line may have at most, in bytes; the rest of a longer one is ignored.
///
/// QEMU: `READLINE_CMD_BUF_SIZE` (include/qemu/readline.h).
const LINE_MAX_BYTES: usize = 4095;
/// What is shown when a line is waited for.
pub(crate) const PROMPT: &str = "(blockjob) ";

/// What a new client sees.
pub(crate) fn banner() -> String {
    format!("{PACKAGE} monitor - type 'help' for more information\n{PROMPT}")
}

/// Makes lines of what arrives in any pieces.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    /// The last byte ended a line as `\r`, so a `\n` belongs to it.
    carriage_return: bool,
}

impl Lines {
    /// Takes the next bytes, and calls `emit` with each line that has ended.
    pub(crate) fn feed(&mut self, bytes: &[u8], emit: &mut dyn FnMut(String)) {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.carriage_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    emit(String::from_utf8_lossy(&self.line).into_owned());
                    self.line.clear();
                }
                _ if self.line.len() < LINE_MAX_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_any_of_three_ways_and_are_bounded() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut long = vec![b'x'; 10_000];
        long.push(b'\n');
        for piece in [b"a\r".as_slice(), b"\nb\n\nc", b"d\r", b"e\r\n", &long] {
            lines.feed(piece, &mut |line| seen.push(line));
        }
        assert_eq!(seen[..5], ["a", "b", "", "cd", "e"]);
        assert_eq!(seen[5].len(), LINE_MAX_BYTES);
    }
}

//! `--record`: what the engine does, as a trace file that `blockjob view` makes a page of.
//!
//! | file | what is in it |
//! |---|---|
//! | [`args`] | the options |
//! | [`file`] | the file: its lines, its order, its limit |
//! | [`sink`] | what each context tells it |
//! | [`contexts`] | contexts that report to it, and to `--trace` |
//!
//! A trace file has the lines of `blockjob sim trace --format json`: see `docs/recording.md`.

pub(crate) mod args;
pub(crate) mod contexts;
mod file;
mod sink;

use std::path::Path;

use blockjob::runtime::sync::{Arc, Mutex};

use crate::failure::Failure;
use args::RecordArgs;
use file::File;

/// A recording that is under way. Its copies, for other contexts, write to the same file.
#[derive(Clone)]
pub(crate) struct Recording {
    file: Arc<Mutex<File>>,
}

impl Recording {
    /// Begins one, if `args` ask for it. Nothing is in the file before [`commit`](Self::commit).
    pub(crate) fn begin(args: &RecordArgs) -> Result<Option<Recording>, Failure> {
        let Some(path) = &args.record else {
            return Ok(None);
        };
        let file = File::create(path, args.record_limit, &command())?;
        Ok(Some(Recording {
            file: Arc::new(Mutex::new(file)),
        }))
    }

    /// From here on what is recorded can fail, and is no longer refused: what was recorded so far is
    /// written, in the place of an older recording.
    pub(crate) fn commit(&self) {
        self.file.lock().commit();
    }

    /// Writes the last line; without a [`commit`](Self::commit) the file is as it was before. What happens after that is not recorded.
    pub(crate) fn end(&self) {
        self.file.lock().end();
    }
}

/// What was typed, to be typed again.
fn command() -> String {
    let mut words = vec!["blockjob".to_owned()];
    words.extend(std::env::args().skip(1).map(|word| quoted(&word)));
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Whether a file begins as trace files do.
fn is_trace(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(file::BEGINNING.len() as u64)
        .read_to_end(&mut head)?;
    Ok(head.is_empty() || head == file::BEGINNING.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted("--format=raw"), "--format=raw");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}

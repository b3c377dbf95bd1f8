//! Lines at a terminal: edited, remembered, completed.

use std::fs;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Context, ExternalPrinter, Helper};

use super::connection::Show;
use super::schema::{ArgType, CommandSchema};
use crate::failure::Failure;
use crate::say;

/// How many lines are remembered.
const HISTORY_LINES: usize = 1000;

/// The terminal.
pub(super) struct Editor {
    editor: rustyline::Editor<Words, FileHistory>,
    /// Where lines are remembered, if there is a place for that.
    history: Option<PathBuf>,
}

fn failed(error: ReadlineError) -> Failure {
    Failure::failed(format!("the terminal cannot be used: {error}"))
}

impl Editor {
    pub(super) fn new() -> Result<Self, Failure> {
        let config = rustyline::Config::builder()
            .max_history_size(HISTORY_LINES)
            .map_err(failed)?
            .history_ignore_space(true)
            .completion_type(rustyline::CompletionType::List)
            .build();
        let mut editor = rustyline::Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Words::default()));
        let history = history_file();
        if let Some(history) = &history {
            // It is not there yet, or cannot be read: then nothing is remembered.
            let _ = editor.load_history(history);
        }
        Ok(Editor { editor, history })
    }

    /// What prints above the line that is being edited.
    pub(super) fn printer(&mut self) -> Result<Show, Failure> {
        let mut printer = self.editor.create_external_printer().map_err(failed)?;
        Ok(Box::new(move |text| {
            // A terminal that is gone ends the other thread.
            let _ = printer.print(text + "\n");
        }))
    }

    /// Completes what this schema knows.
    pub(super) fn set_schema(&mut self, schema: CommandSchema) {
        self.editor.set_helper(Some(Words { schema }));
    }

    /// The next line; `None` at the end of the input.
    pub(super) fn line(&mut self, prompt: &str) -> Result<Option<String>, Failure> {
        loop {
            match self.editor.readline(prompt) {
                Ok(line) => {
                    self.remember(&line);
                    return Ok(Some(line));
                }
                // As in a shell, Ctrl-C leaves the line, and Ctrl-D the program.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn remember(&mut self, line: &str) {
        let added = self.editor.add_history_entry(line);
        if let (Ok(true), Some(history)) = (added, &self.history)
            && let Err(error) = self.editor.append_history(history)
        {
            let history = history.display();
            say::err(&format!("blockjob: '{history}' cannot be written: {error}"));
            self.history = None;
        }
    }
}

/// The file of remembered lines, in the folder where programs keep such things.
fn history_file() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let folder = state?.join("blockjob");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("monitor_history"))
}

/// What completes words.
#[derive(Default)]
struct Words {
    schema: CommandSchema,
}

impl Words {
    /// Where the last word of `line` begins, and what it may become.
    fn completions(&self, line: &str) -> (usize, Vec<String>) {
        let begin = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &line[begin..];
        let mut before = line[..begin].split_whitespace();
        let Some(command) = before.next() else {
            let commands = self.schema.commands(word);
            return (begin, commands.map(|name| format!("{name} ")).collect());
        };
        let given: Vec<(&str, &str)> = before.filter_map(|word| word.split_once('=')).collect();
        let args = self.schema.args(command, &given);
        if let Some((name, value)) = word.split_once('=') {
            let arg_type = args.into_iter().find(|(known, _)| known == name);
            let values = match arg_type {
                Some((_, ArgType::Enum(values))) => values,
                Some((_, ArgType::Boolean)) => vec!["true".to_owned(), "false".to_owned()],
                _ => Vec::new(),
            };
            let values = values.into_iter().filter(|known| known.starts_with(value));
            let begin = begin + name.len() + 1;
            return (begin, values.map(|value| value + " ").collect());
        }
        let names = args.into_iter().map(|(name, _)| name);
        let mut names: Vec<String> = names
            .filter(|name| name.starts_with(word) && given.iter().all(|(given, _)| given != name))
            .map(|name| name + "=")
            .collect();
        names.sort();
        (begin, names)
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.completions(&line[..pos]))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Validator for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use blockjob::qapi::json::from_json;

    use super::*;

    #[test]
    fn commands_arguments_and_values_are_completed() {
        let schema = "[
            {'name': 'add', 'meta-type': 'command', 'arg-type': '1'},
            {'name': 'adopt', 'meta-type': 'command', 'arg-type': '0'},
            {'name': 'ADDED', 'meta-type': 'event', 'arg-type': '0'},
            {'name': '0', 'meta-type': 'object', 'members': []},
            {'name': '1', 'meta-type': 'object', 'tag': 'driver', 'members': [
                {'name': 'driver', 'type': '2'}, {'name': 'read-only', 'type': 'bool'}],
                'variants': [{'case': 'file', 'type': '3'}, {'case': 'raw', 'type': '4'}]},
            {'name': '2', 'meta-type': 'enum', 'values': ['file', 'raw']},
            {'name': '3', 'meta-type': 'object', 'members': [{'name': 'filename', 'type': 'str'}]},
            {'name': '4', 'meta-type': 'object', 'members': [{'name': 'file', 'type': '1'}]},
            {'name': 'bool', 'meta-type': 'builtin', 'json-type': 'boolean'}]";
        let words = Words {
            schema: CommandSchema::new(&from_json(schema).expect("it is JSON")),
        };
        let of = |line: &str| words.completions(line);
        let list = |of: &[&str]| of.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(of("ad"), (0, list(&["add ", "adopt "])));
        assert_eq!(of("adopt "), (6, list(&[])));
        assert_eq!(of("add "), (4, list(&["driver=", "read-only="])));
        assert_eq!(of("add driver=f"), (11, list(&["file "])));
        assert_eq!(of("add driver=file f"), (16, list(&["filename="])));
        let nested = of("add driver=raw file.dr");
        assert_eq!(nested, (15, list(&["file.driver="])));
        assert_eq!(of("add read-only=t"), (14, list(&["true "])));
    }
}

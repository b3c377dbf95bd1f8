//! QEMU's configuration files for `blkdebug`: sections in brackets, `key = "value"` lines.
//!
//! QEMU: `read_config`, `add_rule` (block/blkdebug.c), `qemu_config_foreach` (util/qemu-config.c).

use super::event::Event;
use super::rules::{InjectError, SetState};
use crate::error::{BlockError, BlockResult, ErrorKind};

/// One rule of a file.
#[derive(Debug, Clone)]
pub(super) enum ConfigRule {
    Inject(InjectError),
    SetState(SetState),
}

/// A section as it was read: its name and its lines.
struct Section {
    name: String,
    values: Vec<(String, String)>,
}

fn invalid(text: String) -> BlockError {
    BlockError::new(ErrorKind::Invalid, text)
}

pub(super) fn parse(text: &str) -> BlockResult<Vec<ConfigRule>> {
    sections(text)?.iter().map(rule).collect()
}

fn sections(text: &str) -> BlockResult<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            if !matches!(name, "inject-error" | "set-state") {
                return Err(invalid(format!("There is no option group '{name}'")));
            }
            sections.push(Section {
                name: name.to_owned(),
                values: Vec::new(),
            });
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .and_then(|(key, value)| {
                let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
                Some((key.trim(), value))
            })
            .ok_or_else(|| invalid("parse error".to_owned()))?;
        let section = sections
            .last_mut()
            .ok_or_else(|| invalid("no group defined".to_owned()))?;
        section.values.push((key.to_owned(), value.to_owned()));
    }
    Ok(sections)
}

/// The value of an `on` or `off` option.
fn flag(key: &str, value: &str) -> BlockResult<bool> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(invalid(format!("Parameter '{key}' expects 'on' or 'off'"))),
    }
}

fn number(key: &str, value: &str) -> BlockResult<u64> {
    value
        .parse()
        .map_err(|_| invalid(format!("Parameter '{key}' expects a number")))
}

fn small_number(key: &str, value: &str) -> BlockResult<u32> {
    u32::try_from(number(key, value)?)
        .map_err(|_| invalid(format!("Parameter '{key}' expects a number")))
}

fn rule(section: &Section) -> BlockResult<ConfigRule> {
    let event: Event = section
        .values
        .iter()
        .find(|(key, _)| key == "event")
        .ok_or_else(|| invalid("Missing event name for rule".to_owned()))?
        .1
        .parse()?;
    if section.name == "set-state" {
        return set_state(event, section);
    }
    let mut error = InjectError::new(event);
    for (key, value) in &section.values {
        error = match key.as_str() {
            "event" => error,
            "state" => match small_number(key, value)? {
                0 => error,
                state => error.in_state(state),
            },
            "iotype" => error.io_type(value.parse()?),
            "errno" => error.errno(
                i32::try_from(small_number(key, value)?)
                    .map_err(|_| invalid(format!("Parameter '{key}' expects a number")))?,
            ),
            "sector" => {
                let first = number(key, value)?
                    .checked_mul(512)
                    .ok_or_else(|| invalid(format!("Parameter '{key}' is out of range")))?;
                error.range(first..first + 1)
            }
            "once" if flag(key, value)? => error.once(),
            "immediately" if flag(key, value)? => error.immediately(),
            "once" | "immediately" => error,
            _ => return Err(invalid(format!("Invalid parameter '{key}'"))),
        };
    }
    Ok(ConfigRule::Inject(error))
}

fn set_state(event: Event, section: &Section) -> BlockResult<ConfigRule> {
    let mut rule = SetState {
        event,
        state: None,
        // As in QEMU, a rule that forgets to name one leads to a state that no rule can wait for.
        new_state: 0,
    };
    for (key, value) in &section.values {
        match key.as_str() {
            "event" => {}
            "state" => rule.state = Some(small_number(key, value)?).filter(|state| *state != 0),
            "new_state" => rule.new_state = small_number(key, value)?,
            _ => return Err(invalid(format!("Invalid parameter '{key}'"))),
        }
    }
    Ok(ConfigRule::SetState(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).expect_err("refused").to_string()
    }

    #[test]
    fn a_file_is_read_as_qemu_reads_it() {
        let rules = parse(
            "# comment\n\n[inject-error]\n  event = \"read_aio\"\nerrno = \"28\"\nsector = \"1\"\n\
             once = \"on\"\nimmediately = \"off\"\nstate = \"2\"\n\
             [set-state]\nevent = \"write_aio\"\nstate = \"1\"\nnew_state = \"2\"\n",
        )
        .expect("well formed");
        let [ConfigRule::Inject(error), ConfigRule::SetState(state)] = &rules[..] else {
            panic!("{rules:?}");
        };
        assert_eq!(error.event, Event::READ_AIO);
        assert_eq!(error.state, Some(2));
        assert!(!error.immediately);
        assert_eq!(error.error().errno(), 28);
        assert_eq!((state.state, state.new_state), (Some(1), 2));
    }

    /// The words are those of qemu-io 10.0.2 for the same files.
    #[test]
    fn a_file_is_refused_in_qemus_words() {
        assert_eq!(refusal("[bogus]\n"), "There is no option group 'bogus'");
        assert_eq!(refusal("event = \"none\"\n"), "no group defined");
        assert_eq!(
            refusal("[inject-error]\nerrno = \"5\"\n"),
            "Missing event name for rule"
        );
        let with = |line: &str| refusal(&format!("[inject-error]\nevent = \"read_aio\"\n{line}\n"));
        assert_eq!(with("foo = \"1\""), "Invalid parameter 'foo'");
        assert_eq!(
            with("once = \"maybe\""),
            "Parameter 'once' expects 'on' or 'off'"
        );
        assert_eq!(with("errno = \"x\""), "Parameter 'errno' expects a number");
        assert_eq!(with("iotype = \"foo\""), "invalid parameter value: foo");
        assert_eq!(
            refusal("[inject-error]\nevent = \"foo\"\n"),
            "invalid parameter value: foo"
        );
    }
}

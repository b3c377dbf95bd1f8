//! Reading the text of a scenario.

use super::Scenario;
use super::error::{ScenarioError, ScenarioErrorKind as Kind};
use super::value::Alternatives;
use crate::config::Field;

/// Reads `text`; whether it can be drawn is not asked yet.
pub(super) fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    let mut scenario = Scenario {
        name: String::new(),
        about: String::new(),
        fields: Vec::new(),
    };
    let mut head = true;
    for (index, line) in text.lines().enumerate() {
        let at = |kind| ScenarioError::at(index + 1, kind);
        let (line, comment) = match line.split_once('#') {
            Some((line, comment)) => (line.trim(), Some(comment.trim())),
            None => (line.trim(), None),
        };
        if line.is_empty() {
            if let Some(comment) = comment.filter(|_| head) {
                let space = if scenario.about.is_empty() { "" } else { " " };
                scenario.about.push_str(space);
                scenario.about.push_str(comment);
            } else if comment.is_none() && !scenario.about.is_empty() {
                head = false;
            }
            continue;
        }
        head = false;
        take_line(&mut scenario, line).map_err(at)?;
    }
    if scenario.name.is_empty() {
        return Err(ScenarioError::whole(Kind::NoName));
    }
    scenario.fields.sort_by_key(|(field, _)| *field);
    Ok(scenario)
}

fn take_line(scenario: &mut Scenario, line: &str) -> Result<(), Kind> {
    let (key, value) = line.split_once('=').ok_or_else(|| Kind::NoValue {
        text: line.to_owned(),
    })?;
    let (key, value) = (key.trim(), value.trim());
    if key == "name" {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if value.is_empty() || !value.bytes().all(plain) {
            return Err(Kind::BadName {
                name: value.to_owned(),
            });
        }
        if !scenario.name.is_empty() {
            return Err(Kind::Twice {
                key: key.to_owned(),
            });
        }
        value.clone_into(&mut scenario.name);
        return Ok(());
    }
    let field = Field::parse(key).map_err(|_| Kind::unknown(key))?;
    if scenario.fields.iter().any(|(known, _)| *known == field) {
        return Err(Kind::Twice {
            key: key.to_owned(),
        });
    }
    let alternatives = Alternatives::parse(field, value)?;
    scenario.fields.push((field, alternatives));
    Ok(())
}

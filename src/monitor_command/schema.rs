//! What the other side says of its commands: names, arguments and their types.
//!
//! QEMU: qapi/introspect.json.

use std::collections::BTreeMap;

use blockjob::qapi::{Dict, Value};

/// The answer to `query-qmp-schema`, by names.
#[derive(Clone, Default)]
pub(super) struct CommandSchema {
    entities: BTreeMap<String, Dict>,
}

/// How the value of an argument is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArgType {
    /// A text, whatever it looks like.
    Text,
    /// One of a list.
    Enum(Vec<String>),
    /// `true` or `false`; `on` and `off` will do.
    Boolean,
    /// Whatever it looks like.
    Other,
}

impl CommandSchema {
    /// Takes the answer apart. What it does not understand it leaves out.
    pub(super) fn new(schema: &Value) -> Self {
        let entities = schema.as_list().unwrap_or_default().iter();
        let named = entities.filter_map(|entity| {
            let entity = entity.as_dict()?;
            Some((entity.get("name")?.as_str()?.to_owned(), entity.clone()))
        });
        CommandSchema {
            entities: named.collect(),
        }
    }

    fn is_command(entity: &Dict) -> bool {
        entity.get("meta-type").and_then(Value::as_str) == Some("command")
    }

    /// The names of commands that begin with `prefix`.
    pub(super) fn commands<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.entities.range(prefix.to_owned()..);
        let named = named.take_while(move |(name, _)| name.starts_with(prefix));
        named
            .filter(|(_, entity)| Self::is_command(entity))
            .map(|(name, _)| &**name)
    }

    /// The arguments of a command and their types; `given` says which variants are meant. A member of
    /// an object has the names of both, with a dot.
    pub(super) fn args(&self, command: &str, given: &[(&str, &str)]) -> Vec<(String, ArgType)> {
        let mut args = Vec::new();
        let command = self.entities.get(command);
        if let Some(command) = command.filter(|entity| Self::is_command(entity)) {
            self.members(text(command, "arg-type"), "", given, &mut args, 0);
        }
        args
    }

    fn members(
        &self,
        type_name: &str,
        prefix: &str,
        given: &[(&str, &str)],
        args: &mut Vec<(String, ArgType)>,
        depth: u32,
    ) {
        let Some(object) = self.entities.get(type_name) else {
            return;
        };
        // Types may contain themselves.
        if depth > 3 {
            return;
        }
        for member in dicts(object, "members") {
            let name = format!("{prefix}{}", text(member, "name"));
            let type_name = text(member, "type");
            self.members(type_name, &format!("{name}."), given, args, depth + 1);
            args.push((name, self.arg_type(type_name)));
        }
        let tag = format!("{prefix}{}", text(object, "tag"));
        let value = given.iter().find(|(name, _)| *name == tag);
        for variant in dicts(object, "variants") {
            if value.is_some_and(|(_, value)| *value == text(variant, "case")) {
                self.members(text(variant, "type"), prefix, given, args, depth);
            }
        }
    }

    fn arg_type(&self, type_name: &str) -> ArgType {
        let Some(entity) = self.entities.get(type_name) else {
            return ArgType::Other;
        };
        match (text(entity, "meta-type"), text(entity, "json-type")) {
            ("enum", _) => {
                let values = entity.get("values").and_then(Value::as_list);
                let values = values.unwrap_or_default().iter();
                let names = values.filter_map(Value::as_str).map(str::to_owned);
                ArgType::Enum(names.collect())
            }
            (_, "string") => ArgType::Text,
            (_, "boolean") => ArgType::Boolean,
            _ => ArgType::Other,
        }
    }
}

fn text<'a>(entity: &'a Dict, name: &str) -> &'a str {
    let member = entity.get(name).and_then(Value::as_str);
    member.unwrap_or_default()
}

fn dicts<'a>(entity: &'a Dict, name: &str) -> impl Iterator<Item = &'a Dict> {
    let list = entity.get(name).and_then(Value::as_list);
    list.unwrap_or_default().iter().filter_map(Value::as_dict)
}

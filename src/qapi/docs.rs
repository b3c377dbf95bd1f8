//! The protocol as a page: all commands, events and types of the schema, with what their declarations
//! say.
//!
//! QEMU: scripts/qapi/gen.py, docs/sphinx/qapidoc.py.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::schema::{MemberInfo, Schema, TypeInfo, Variants};
use super::{Command, EventInfo};

/// A page in Markdown: `head`, then the commands and the events in the order of their names, then the
/// types that they use. The arguments of a command stand with it, unless they are a union.
pub fn markdown<C: 'static>(
    head: &str,
    commands: impl IntoIterator<Item = &'static Command<C>>,
    events: &[EventInfo],
) -> String {
    let mut schema = Schema::new();
    let mut commands: Vec<_> = commands.into_iter().collect();
    commands.sort_by_key(|command| command.name);
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.name);
    let mut page = Page {
        text: head.to_owned(),
        ..Page::default()
    };
    page.line("\n## Commands");
    for command in commands {
        let (args, ret) = ((command.args)(&mut schema), (command.ret)(&mut schema));
        page.command(&schema, command.name, command.doc, (&args, &ret));
        if command.allow_oob {
            page.line("\nIt may be executed out of band.");
        }
    }
    page.line("\n## Events");
    for event in events {
        let data = (event.data)(&mut schema);
        let _ = write!(page.text, "\n### {}\n\n", event.name);
        page.line(&one_line(schema.doc(&data)));
        page.object(&schema, &data, "member");
    }
    page.types(&schema);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    /// The types that are spoken of.
    used: BTreeSet<String>,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn command(&mut self, schema: &Schema, name: &str, doc: &str, (args, ret): (&str, &str)) {
        let _ = write!(self.text, "\n### {name}\n\n{doc}\n");
        match schema.get(args) {
            Some(TypeInfo::Object {
                variants: Some(_), ..
            }) => {
                let link = self.link(schema, args);
                let _ = writeln!(self.text, "\nArguments: those of {link}.");
            }
            _ => self.object(schema, args, "argument"),
        }
        if !is_nothing(schema, ret) {
            let link = self.link(schema, ret);
            let _ = writeln!(self.text, "\nReturns {link}.");
        }
    }

    /// The members of an object, as a table.
    fn object(&mut self, schema: &Schema, name: &str, what: &str) {
        let Some(TypeInfo::Object { members, variants }) = schema.get(name) else {
            return;
        };
        if !members.is_empty() {
            let _ = write!(self.text, "\n| {what} | type | |\n|---|---|---|\n");
            for member in members {
                self.member(schema, member);
            }
        }
        if let Some(variants) = variants {
            self.variants(schema, variants);
        }
    }

    fn member(&mut self, schema: &Schema, member: &MemberInfo) {
        let link = self.link(schema, &member.type_name);
        let optional = if member.optional { ", optional" } else { "" };
        let doc = one_line(member.doc);
        let name = member.name;
        let _ = writeln!(self.text, "| `{name}` | {link}{optional} | {doc} |");
    }

    fn variants(&mut self, schema: &Schema, variants: &Variants) {
        let tag = variants.tag;
        let _ = write!(
            self.text,
            "\n| if `{tag}` is | also the members of |\n|---|---|\n"
        );
        for (case, adds) in &variants.cases {
            let link = if is_nothing(schema, adds) {
                "nothing".to_owned()
            } else {
                self.link(schema, adds)
            };
            let _ = writeln!(self.text, "| `{case}` | {link} |");
        }
    }

    /// How a type is spoken of. It will have a heading, if it needs one.
    fn link(&mut self, schema: &Schema, name: &str) -> String {
        match schema.get(name) {
            Some(TypeInfo::Array { element }) => {
                format!("list of {}", self.link(schema, element))
            }
            Some(TypeInfo::Builtin { .. }) | None => name.to_owned(),
            _ => {
                self.used.insert(name.to_owned());
                format!("[{name}](#{})", name.to_lowercase())
            }
        }
    }

    /// The types that were spoken of, and those that are meanwhile.
    fn types(&mut self, schema: &Schema) {
        let mut sections = Vec::new();
        let mut done = BTreeSet::new();
        while let Some(name) = self.used.difference(&done).next().cloned() {
            let begin = self.text.len();
            self.type_section(schema, &name);
            let section = self.text.split_off(begin);
            sections.push((name.to_lowercase(), section));
            done.insert(name);
        }
        sections.sort();
        self.line("\n## Types");
        for (_, section) in sections {
            self.text.push_str(&section);
        }
    }

    fn type_section(&mut self, schema: &Schema, name: &str) {
        let doc = one_line(schema.doc(name));
        let _ = write!(self.text, "\n### {name}\n\n{doc}\n");
        match schema.get(name) {
            Some(TypeInfo::Enum { values, docs }) if docs.iter().all(|doc| doc.is_empty()) => {
                let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
                let _ = writeln!(self.text, "\nOne of: {}.", values.join(", "));
            }
            Some(TypeInfo::Enum { values, docs }) => {
                self.line("\n| value | |\n|---|---|");
                for (value, doc) in values.iter().zip(docs) {
                    let _ = writeln!(self.text, "| `{value}` | {} |", one_line(doc));
                }
            }
            Some(TypeInfo::Alternate { members }) => {
                let links: Vec<_> = members.iter().map(|of| self.link(schema, of)).collect();
                let _ = writeln!(self.text, "\nOne of: {}.", links.join(", "));
            }
            _ => self.object(schema, name, "member"),
        }
    }
}

fn is_nothing(schema: &Schema, name: &str) -> bool {
    let info = schema.get(name);
    matches!(info, Some(TypeInfo::Object { members, variants: None }) if members.is_empty())
}

/// A comment on one line, fit for a table.
fn one_line(doc: &str) -> String {
    let words: Vec<_> = doc.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

//! The schema as clients are told it: from the tables of commands and events to the answer of
//! `query-qmp-schema`.
//!
//! QEMU: scripts/qapi/introspect.py, `qmp_query_qmp_schema` (monitor/qmp-cmds-control.c).

use std::collections::BTreeMap;

use super::schema::{MemberInfo, Schema, TypeInfo, TypeName, Variants};
use super::types::control::CommandInfo;
use super::types::introspect::*;
use super::{Command, EventInfo, Value};

/// What `query-commands` says of these commands: the last of the table first, as the peer does.
///
/// QEMU: `qmp_query_commands` (monitor/qmp-cmds-control.c).
pub fn query_commands<C: 'static>(
    commands: impl IntoIterator<Item = &'static Command<C>>,
) -> Vec<CommandInfo> {
    let name = |command: &Command<C>| CommandInfo {
        name: command.name.to_owned(),
    };
    let mut names: Vec<_> = commands.into_iter().map(name).collect();
    names.reverse();
    names
}

/// What `query-qmp-schema` says of these commands and events: first they, in the order of the tables,
/// then the types that they use. The names of types that are not builtin are numbers, so that nobody
/// comes to rely on them.
///
/// QEMU: `QAPISchemaGenIntrospectVisitor` (scripts/qapi/introspect.py).
pub fn query_qmp_schema<C: 'static>(
    commands: impl IntoIterator<Item = &'static Command<C>>,
    events: &[EventInfo],
) -> Vec<SchemaInfo> {
    let mut teller = Teller::default();
    for command in commands {
        let arg_type = (command.args)(&mut teller.schema);
        let ret_type = (command.ret)(&mut teller.schema);
        let kind = SchemaInfoKind::Command(Box::new(SchemaInfoCommand {
            arg_type: teller.wire_name(&arg_type),
            ret_type: teller.wire_name(&ret_type),
            allow_oob: command.allow_oob.then_some(true),
        }));
        teller.tell(command.name, SchemaMetaType::Command, kind);
    }
    for event in events {
        let arg_type = (event.data)(&mut teller.schema);
        let kind = SchemaInfoKind::Event(Box::new(SchemaInfoEvent {
            arg_type: teller.wire_name(&arg_type),
        }));
        teller.tell(event.name, SchemaMetaType::Event, kind);
    }
    teller.tell_types();
    teller.told
}

#[derive(Default)]
struct Teller {
    schema: Schema,
    /// The types that were spoken of, in the order in which they were first.
    used: Vec<TypeName>,
    /// The same with the names that they have on the wire.
    names: BTreeMap<TypeName, String>,
    /// How many of them have numbers.
    numbers: usize,
    told: Vec<SchemaInfo>,
}

impl Teller {
    fn tell(&mut self, name: &str, meta_type: SchemaMetaType, kind: SchemaInfoKind) {
        let name = name.to_owned();
        self.told.push(SchemaInfo {
            base: SchemaInfoBase { name, meta_type },
            u: kind,
        });
    }

    /// The name of a type on the wire. The type will be told of.
    fn wire_name(&mut self, name: &str) -> String {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        self.used.push(name.to_owned());
        let wire_name = match self.schema.get(name) {
            Some(TypeInfo::Builtin { .. }) => name.to_owned(),
            Some(TypeInfo::Array { element }) => {
                let element = element.clone();
                format!("[{}]", self.wire_name(&element))
            }
            _ => {
                self.numbers += 1;
                (self.numbers - 1).to_string()
            }
        };
        self.names.insert(name.to_owned(), wire_name.clone());
        wire_name
    }

    /// Tells of the types that were spoken of, and of those that are spoken of meanwhile.
    fn tell_types(&mut self) {
        let mut next = 0;
        while let Some(name) = self.used.get(next).cloned() {
            next += 1;
            let info = self.schema.get(&name).cloned();
            let info = info.expect("a type that was described is in the schema");
            let (meta_type, kind) = self.type_kind(info);
            let wire_name = self.wire_name(&name);
            self.tell(&wire_name, meta_type, kind);
        }
    }

    fn type_kind(&mut self, info: TypeInfo) -> (SchemaMetaType, SchemaInfoKind) {
        match info {
            TypeInfo::Builtin { json_type } => {
                let json_type = JSONType::from_name(json_type);
                let json_type = json_type.expect("builtin types have a type of JSON");
                let builtin = SchemaInfoBuiltin { json_type };
                let kind = SchemaInfoKind::Builtin(Box::new(builtin));
                (SchemaMetaType::Builtin, kind)
            }
            TypeInfo::Enum { values, .. } => {
                let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
                let member = |name: &String| SchemaInfoEnumMember { name: name.clone() };
                let members = values.iter().map(member).collect();
                let kind = SchemaInfoKind::Enum(Box::new(SchemaInfoEnum { members, values }));
                (SchemaMetaType::Enum, kind)
            }
            TypeInfo::Array { element } => {
                let element_type = self.wire_name(&element);
                let kind = SchemaInfoKind::Array(Box::new(SchemaInfoArray { element_type }));
                (SchemaMetaType::Array, kind)
            }
            TypeInfo::Object { members, variants } => {
                let kind = SchemaInfoKind::Object(Box::new(self.object(members, variants)));
                (SchemaMetaType::Object, kind)
            }
            TypeInfo::Alternate { members } => {
                let member = |member: TypeName| SchemaInfoAlternateMember {
                    member_type: self.wire_name(&member),
                };
                let members = members.into_iter().map(member).collect();
                let kind = SchemaInfoKind::Alternate(Box::new(SchemaInfoAlternate { members }));
                (SchemaMetaType::Alternate, kind)
            }
        }
    }

    fn object(&mut self, members: Vec<MemberInfo>, variants: Option<Variants>) -> SchemaInfoObject {
        let member = |member: MemberInfo| SchemaInfoObjectMember {
            name: member.name.to_owned(),
            member_type: self.wire_name(&member.type_name),
            default: member.optional.then_some(Value::Null),
        };
        let members = members.into_iter().map(member).collect();
        let tag = variants.as_ref().map(|variants| variants.tag.to_owned());
        let variant = |(case, adds): (&str, TypeName)| SchemaInfoObjectVariant {
            case: case.to_owned(),
            variant_type: self.wire_name(&adds),
        };
        let variants = variants.map(|of| of.cases.into_iter().map(variant).collect());
        SchemaInfoObject {
            members,
            tag,
            variants,
        }
    }
}

//! The schema, as clients are told it: the answer to `query-qmp-schema`.
//!
//! QEMU: qapi/introspect.json.

use crate::qapi::Value;
use crate::{qapi_enum, qapi_struct, qapi_union};

qapi_enum! {
    /// What an entity of the schema is.
    pub enum SchemaMetaType {
        /// A type that JSON has.
        "builtin" Builtin,
        /// A list of names.
        "enum" Enum,
        /// A list.
        "array" Array,
        /// A struct or a union.
        "object" Object,
        /// One of several types.
        "alternate" Alternate,
        /// A command.
        "command" Command,
        /// An event.
        "event" Event,
    }
}

qapi_enum! {
    /// The types of JSON.
    pub enum JSONType {
        /// A string.
        "string" String,
        /// A number.
        "number" Number,
        /// A number without a fraction.
        "int" Int,
        /// `true` or `false`.
        "boolean" Boolean,
        /// `null`.
        "null" Null,
        /// An object.
        "object" Object,
        /// An array.
        "array" Array,
        /// Anything.
        "value" Value,
    }
}

qapi_struct! {
    /// A type that JSON has.
    pub struct SchemaInfoBuiltin {
        /// The type.
        "json-type" json_type: JSONType,
    }
}

qapi_struct! {
    /// A value of an enum.
    pub struct SchemaInfoEnumMember {
        /// Its name.
        "name" name: String,
    }
}

qapi_struct! {
    /// A list of names.
    pub struct SchemaInfoEnum {
        /// The values.
        "members" members: Vec<SchemaInfoEnumMember>,
        /// The names of the values, for older clients.
        "values" values: Vec<String>,
    }
}

qapi_struct! {
    /// A list.
    pub struct SchemaInfoArray {
        /// The type of an element.
        "element-type" element_type: String,
    }
}

qapi_struct! {
    /// A member of an object.
    pub struct SchemaInfoObjectMember {
        /// Its name.
        "name" name: String,
        /// Its type.
        "type" member_type: String,
        /// There, and `null`, if the member may be left out.
        "default" default: Option<Value>,
    }
}

qapi_struct! {
    /// A variant of a union.
    pub struct SchemaInfoObjectVariant {
        /// The value of the tag.
        "case" case: String,
        /// The type whose members it adds.
        "type" variant_type: String,
    }
}

qapi_struct! {
    /// A struct or a union.
    pub struct SchemaInfoObject {
        /// The members that all variants have.
        "members" members: Vec<SchemaInfoObjectMember>,
        /// The member that says which variant it is.
        "tag" tag: Option<String>,
        /// The variants.
        "variants" variants: Option<Vec<SchemaInfoObjectVariant>>,
    }
}

qapi_struct! {
    /// A type of an alternate.
    pub struct SchemaInfoAlternateMember {
        /// The type.
        "type" member_type: String,
    }
}

qapi_struct! {
    /// One of several types.
    pub struct SchemaInfoAlternate {
        /// The types.
        "members" members: Vec<SchemaInfoAlternateMember>,
    }
}

qapi_struct! {
    /// A command.
    pub struct SchemaInfoCommand {
        /// The object type of its arguments.
        "arg-type" arg_type: String,
        /// The type of what it returns.
        "ret-type" ret_type: String,
        /// There and true if it may be executed out of band.
        "allow-oob" allow_oob: Option<bool>,
    }
}

qapi_struct! {
    /// An event.
    pub struct SchemaInfoEvent {
        /// The object type of what comes with it.
        "arg-type" arg_type: String,
    }
}

qapi_struct! {
    /// What each entity has.
    pub struct SchemaInfoBase {
        /// Its name. That of a type is made up and may be another one tomorrow.
        "name" name: String,
        /// What it is.
        "meta-type" meta_type: SchemaMetaType,
    }
}

qapi_union! {
    /// An entity of the schema.
    pub union SchemaInfo as SchemaInfoKind {
        base: SchemaInfoBase,
        tag "meta-type" meta_type: SchemaMetaType,
        "builtin" Builtin => SchemaInfoBuiltin,
        "enum" Enum => SchemaInfoEnum,
        "array" Array => SchemaInfoArray,
        "object" Object => SchemaInfoObject,
        "alternate" Alternate => SchemaInfoAlternate,
        "command" Command => SchemaInfoCommand,
        "event" Event => SchemaInfoEvent,
    }
}

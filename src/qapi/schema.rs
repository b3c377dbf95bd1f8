//! The schema as data: what the declared types look like from outside.
//!
//! Each declaration describes itself into a [`Schema`]; introspection, the documentation and the
//! comparison with the peer read it there.
//!
//! QEMU: `SchemaInfo` (qapi/introspect.json), scripts/qapi/introspect.py.

use std::collections::BTreeMap;

/// A type, by the name that the declaration gives it: `str`, `int`, `DriveMirror`, `[str]`.
///
/// All widths of integers are `int`, as in QEMU's introspection.
pub type TypeName = String;

/// What is known of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeInfo {
    /// A scalar or `any`, with its JSON type.
    Builtin {
        /// `string`, `int`, `boolean`, `number`, `null` or `value`.
        json_type: &'static str,
    },
    /// A list of names.
    Enum {
        /// In the order of the declaration.
        values: Vec<&'static str>,
        /// What the declaration says of each; empty where it says nothing.
        docs: Vec<&'static str>,
    },
    /// A list.
    Array {
        /// What is in it.
        element: TypeName,
    },
    /// A struct or a flat union.
    Object {
        /// The common members.
        members: Vec<MemberInfo>,
        /// The member that says which variant it is, and the variants.
        variants: Option<Variants>,
    },
    /// One of several types, told apart by the JSON type.
    Alternate {
        /// The types.
        members: Vec<TypeName>,
    },
}

/// The variants of a flat union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variants {
    /// The member that says which it is.
    pub tag: &'static str,
    /// For each value of the tag an object type; those that add nothing have an empty one.
    pub cases: Vec<(&'static str, TypeName)>,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its type.
    pub type_name: TypeName,
    /// True if it may be left out.
    pub optional: bool,
    /// What the declaration says of it.
    pub doc: &'static str,
}

/// Types by name.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    types: BTreeMap<TypeName, (TypeInfo, &'static str)>,
}

impl Schema {
    /// No types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the type `name` with its documentation, unless it is there. Types may refer to
    /// themselves: the name is taken before `info` is asked.
    pub fn add(
        &mut self,
        name: &str,
        doc: &'static str,
        info: impl FnOnce(&mut Schema) -> TypeInfo,
    ) -> TypeName {
        if !self.types.contains_key(name) {
            let placeholder = TypeInfo::Builtin { json_type: "value" };
            self.types.insert(name.to_owned(), (placeholder, doc));
            let info = info(self);
            self.types.insert(name.to_owned(), (info, doc));
        }
        name.to_owned()
    }

    /// Adds a scalar.
    pub fn builtin(&mut self, name: &'static str, json_type: &'static str) -> TypeName {
        self.add(name, "", |_| TypeInfo::Builtin { json_type })
    }

    /// The variants of a union: for each value of the enum `tags` what `listed` says, else `nothing`.
    ///
    /// # Panics
    ///
    /// If `listed` names what is no value of the enum: a mistake in a declaration.
    pub fn variants(
        &self,
        tag: &'static str,
        tags: &str,
        listed: &[(&'static str, TypeName)],
        nothing: &str,
    ) -> Variants {
        let Some(TypeInfo::Enum { values, .. }) = self.get(tags) else {
            panic!("the tag '{tag}' is no enum");
        };
        for (case, _) in listed {
            assert!(values.contains(case), "'{case}' is no value of {tags}");
        }
        let of = |value: &&'static str| {
            let found = listed.iter().find(|(case, _)| case == value);
            let adds = found.map_or(nothing, |(_, adds)| adds);
            (*value, adds.to_owned())
        };
        Variants {
            tag,
            cases: values.iter().map(of).collect(),
        }
    }

    /// What is known of a type.
    pub fn get(&self, name: &str) -> Option<&TypeInfo> {
        self.types.get(name).map(|(info, _)| info)
    }

    /// What its declaration says of a type.
    pub fn doc(&self, name: &str) -> &'static str {
        self.types.get(name).map_or("", |(_, doc)| doc)
    }

    /// All types, in order of names.
    pub fn types(&self) -> impl Iterator<Item = (&str, &TypeInfo)> {
        self.types.iter().map(|(name, (info, _))| (&**name, info))
    }
}

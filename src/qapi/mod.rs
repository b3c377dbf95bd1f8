//! The schema: what clients may say and what they are told, declared once, as Rust types.
//!
//! From the declarations in [`types`] come the strict visitor of arguments, the replies, the answer to
//! `query-qmp-schema` and the documentation. What QEMU generates from qapi/*.json with Python, the
//! macros [`qapi_struct!`](crate::qapi_struct), [`qapi_enum!`](crate::qapi_enum),
//! [`qapi_union!`](crate::qapi_union), [`qapi_alternate!`](crate::qapi_alternate) and
//! [`qapi_event!`](crate::qapi_event) generate here.
//!
//! QEMU: qapi/, scripts/qapi/.

pub mod builtin;
pub mod command;
pub mod docs;
pub mod error;
pub mod introspect;
pub mod json;
pub mod keyval;
mod macros;
pub mod opts;
pub mod schema;
#[cfg(test)]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "the macros declare for the whole program"
)]
mod tests;
pub mod types;
pub mod value;
pub mod visit;

pub use builtin::{Null, Size};
pub use command::{Command, EventInfo, QapiEvent};
pub use error::{ErrorClass, QmpError, QmpResult};
pub use value::{Dict, Number, Value};
pub use visit::{Flavour, Input, Members};

use schema::{MemberInfo, Schema, TypeName};

/// A declared type.
///
/// QEMU: the generated `visit_type_*` (scripts/qapi/visit.py) and what scripts/qapi/introspect.py says
/// of a type.
pub trait Qapi: Sized {
    /// True if a member of this type may be left out.
    const OPTIONAL: bool = false;

    /// What a member that is left out counts as; `None` if it must not be.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads it from what somebody sent.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the peer's words.
    fn visit(input: Input<'_>) -> QmpResult<Self>;

    /// How it goes out.
    fn to_value(&self) -> Value;

    /// False if as a member it is left out.
    fn is_present(&self) -> bool {
        true
    }

    /// Adds the type to `schema`, if it is not there, and returns its name.
    fn describe(schema: &mut Schema) -> TypeName;
}

/// A declared type with members: a struct, a union, or nothing.
pub trait QapiObject: Qapi {
    /// Reads the members from an object that may have others.
    ///
    /// # Errors
    ///
    /// As [`Qapi::visit`].
    fn visit_members(members: &Members<'_>) -> QmpResult<Self>;

    /// Adds the members to an object.
    fn put_members(&self, dict: &mut Dict);

    /// Adds what is known of the common members.
    fn describe_members(schema: &mut Schema, members: &mut Vec<MemberInfo>);
}

impl QapiObject for () {
    fn visit_members(_members: &Members<'_>) -> QmpResult<Self> {
        Ok(())
    }

    fn put_members(&self, _dict: &mut Dict) {}

    fn describe_members(_schema: &mut Schema, _members: &mut Vec<MemberInfo>) {}
}

impl<T: QapiObject> QapiObject for Box<T> {
    fn visit_members(members: &Members<'_>) -> QmpResult<Self> {
        T::visit_members(members).map(Box::new)
    }

    fn put_members(&self, dict: &mut Dict) {
        T::put_members(self, dict);
    }

    fn describe_members(schema: &mut Schema, members: &mut Vec<MemberInfo>) {
        T::describe_members(schema, members);
    }
}

/// Puts a member into an object that does not have it, unless it is left out.
pub fn put_member<T: Qapi>(dict: &mut Dict, name: &'static str, value: &T) {
    if value.is_present() {
        dict.push_new(name, value.to_value());
    }
}

/// Makes room for the members of an object.
pub fn reserve_members(dict: &mut Dict, names: &[&str]) {
    dict.reserve(names.len());
}

/// What is known of a member of type `T`.
pub fn member_info<T: Qapi>(
    schema: &mut Schema,
    name: &'static str,
    doc: &'static str,
) -> MemberInfo {
    MemberInfo {
        name,
        type_name: T::describe(schema),
        optional: T::OPTIONAL,
        doc,
    }
}

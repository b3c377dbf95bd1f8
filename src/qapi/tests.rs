//! The macros, by declarations of the kinds that the schema has.

use super::schema::{Schema, TypeInfo};
use super::*;
use crate::{qapi_alternate, qapi_enum, qapi_struct, qapi_union};

qapi_enum! {
    /// A kind.
    pub enum Kind {
        /// One.
        "one" One,
        /// Two.
        "two" Two,
    }
}

qapi_struct! {
    /// What all have.
    pub struct Base {
        /// Which.
        "kind" kind: Kind,
        /// A number.
        "read-only" read_only: Option<bool>,
    }
}

qapi_struct! {
    /// What the first adds.
    pub struct OneOptions {
        /// A list of the like.
        "children" children: Vec<Reference>,
        /// A small number.
        "size" size: Option<u32>,
    }
}

qapi_union! {
    /// A union.
    pub union Options as OptionsKind {
        base: Base,
        tag "kind" kind: Kind,
        "one" One => OneOptions,
    }
}

qapi_alternate! {
    /// A name or a definition.
    pub enum Reference {
        /// Made in place.
        object Definition(Options),
        /// There already.
        string Named(String),
    }
}

fn dict(members: &[(&str, Value)]) -> Value {
    Value::Dict(members.iter().cloned().collect())
}

fn error(value: &Value, flavour: Flavour) -> String {
    let result = Options::visit(Input::top(value, flavour));
    result.expect_err("it is wrong").desc
}

#[test]
fn a_union_reads_what_its_tag_says_and_writes_it_again() {
    let inner = dict(&[("kind", "two".into())]);
    let value = dict(&[
        ("kind", "one".into()),
        ("children", Value::List(vec!["a".into(), inner])),
        ("size", 5i64.into()),
    ]);
    let options = Options::visit(Input::top(&value, Flavour::Json)).expect("it is right");
    let OptionsKind::One(one) = &options.u else {
        panic!("it is of the first kind");
    };
    assert_eq!(one.children[0], Reference::Named(Box::new("a".to_owned())));
    assert_eq!(one.size, Some(5));
    assert_eq!(options.to_value(), value);
}

#[test]
fn the_first_mistake_in_the_order_of_the_declaration_is_named() {
    let json = |value: &Value| error(value, Flavour::Json);
    assert_eq!(
        json(&dict(&[("x", 1i64.into())])),
        "Parameter 'kind' is missing"
    );
    assert_eq!(
        json(&dict(&[("x", 1i64.into()), ("kind", "two".into())])),
        "Parameter 'x' is unexpected"
    );
    assert_eq!(
        json(&dict(&[("kind", "three".into())])),
        "Parameter 'kind' does not accept value 'three'"
    );
    assert_eq!(
        json(&dict(&[("kind", 3i64.into())])),
        "Invalid parameter type for 'kind', expected: string"
    );
    let bad = dict(&[("kind", "one".into()), ("size", "1".into())]);
    let in_list = |inner: Value| {
        dict(&[
            ("kind", "one".into()),
            ("children", Value::List(vec![inner])),
        ])
    };
    assert_eq!(json(&bad), "Parameter 'children' is missing");
    assert_eq!(
        json(&in_list(true.into())),
        "Invalid parameter type for 'null', expected: Reference"
    );
    assert_eq!(
        json(&in_list(bad)),
        "Parameter 'children[0].children' is missing"
    );
    assert_eq!(
        json(&Value::Null),
        "Invalid parameter type for '<anonymous>', expected: object"
    );
}

#[test]
fn numbers_have_their_ranges() {
    let with_size = |size: Value| {
        let children = Value::List(Vec::new());
        dict(&[
            ("kind", "one".into()),
            ("children", children),
            ("size", size),
        ])
    };
    let json = |size: Value| error(&with_size(size), Flavour::Json);
    assert_eq!(
        json((1i64 << 32).into()),
        "Parameter 'size' expects uint32_t"
    );
    assert_eq!(json((-1i64).into()), "Parameter 'size' expects uint32_t");
    assert_eq!(json("513".into()), "Parameter 'size' expects uint64");
    let keyval = with_size("0x10".into());
    let options = Options::visit(Input::top(&keyval, Flavour::Keyval)).expect("it is right");
    assert!(matches!(options.u, OptionsKind::One(one) if one.size == Some(16)));
}

#[test]
fn the_schema_knows_optional_members_and_variants_without_members() {
    let mut schema = Schema::new();
    let name = Options::describe(&mut schema);
    let Some(TypeInfo::Object { members, variants }) = schema.get(&name) else {
        panic!("it is an object");
    };
    assert_eq!(members.len(), 2);
    assert!(members[1].optional && !members[0].optional);
    let variants = variants.as_ref().expect("it has variants");
    let cases: Vec<_> = variants
        .cases
        .iter()
        .map(|(case, of)| (*case, &**of))
        .collect();
    assert_eq!(cases, [("one", "OneOptions"), ("two", "q_empty")]);
}

#[test]
fn clients_are_told_types_by_numbers_in_the_order_in_which_they_are_spoken_of() {
    fn run(_: &std::rc::Rc<()>, _: Options) -> QmpResult<Vec<Kind>> {
        Ok(Vec::new())
    }
    static COMMANDS: &[Command<()>] = &[crate::command!("run", "", Options => Vec<Kind>, run, oob)];
    let told = introspect::query_qmp_schema(COMMANDS, &[]).to_value();
    let lines: Vec<_> = told.as_list().expect("it is an array").iter().collect();
    let lines: Vec<_> = lines.into_iter().map(json::to_json).collect();
    let expected = [
        r#"{"name": "run", "ret-type": "[1]", "allow-oob": true, "meta-type": "command", "arg-type": "0"}"#,
        r#"{"name": "0", "tag": "kind", "variants": [{"case": "one", "type": "2"}, {"case": "two", "type": "3"}], "members": [{"name": "kind", "type": "1"}, {"name": "read-only", "default": null, "type": "bool"}], "meta-type": "object"}"#,
        r#"{"name": "[1]", "element-type": "1", "meta-type": "array"}"#,
        r#"{"name": "1", "members": [{"name": "one"}, {"name": "two"}], "meta-type": "enum", "values": ["one", "two"]}"#,
    ];
    assert_eq!(&lines[..4], expected);
    let alternate =
        r#"{"name": "4", "members": [{"type": "0"}, {"type": "str"}], "meta-type": "alternate"}"#;
    assert!(lines.contains(&alternate.to_owned()), "{lines:#?}");
}

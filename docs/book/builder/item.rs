//! An item of a Rust file: where it begins and ends.

use std::fmt;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Item, TraitItem};

use crate::failure::Wrong;
use crate::listing::Excerpt;

/// The item that a listing asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    kind: Kind,
    /// What stands before `::`: the type of a method.
    of: Option<&'a str>,
    name: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fn,
    Struct,
    Enum,
    Const,
    Trait,
    Type,
    Impl,
    Static,
    Macro,
}

const KINDS: [(&str, Kind); 9] = [
    ("fn", Kind::Fn),
    ("struct", Kind::Struct),
    ("enum", Kind::Enum),
    ("const", Kind::Const),
    ("trait", Kind::Trait),
    ("type", Kind::Type),
    ("impl", Kind::Impl),
    ("static", Kind::Static),
    ("macro", Kind::Macro),
];

impl<'a> Wanted<'a> {
    /// Reads `KIND NAME` or `KIND TYPE::NAME`.
    pub(crate) fn parse(text: &'a str) -> Result<Wanted<'a>, Wrong> {
        let (kind, name) = text.split_once(' ').unwrap_or((text, ""));
        let known = KINDS.iter().find(|(known, _)| *known == kind);
        let Some((_, kind)) = known else {
            let kinds = KINDS.map(|(kind, _)| kind).join(", ");
            return Err(format!(
                "'{text}' is no item: write one of {kinds} and its name"
            ));
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("'{text}' says no name"));
        }
        let (of, name) = match name.split_once("::") {
            Some((of, name)) => (Some(of), name),
            None => (None, name),
        };
        Ok(Wanted {
            kind: *kind,
            of,
            name,
        })
    }

    fn is(&self, kind: Kind, name: &syn::Ident) -> bool {
        self.of.is_none() && self.kind == kind && name == self.name
    }
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = KINDS.iter().find(|(_, kind)| *kind == self.kind);
        let (kind, _) = known.expect("each kind has a name");
        match self.of {
            None => write!(f, "{kind} {}", self.name),
            Some(of) => write!(f, "{kind} {of}::{}", self.name),
        }
    }
}

/// An item that was found.
struct Found {
    whole: Span,
    docs: Vec<Span>,
}

impl Found {
    fn new(item: &impl Spanned, attributes: &[Attribute]) -> Found {
        let docs = attributes.iter().filter(|it| it.path().is_ident("doc"));
        Found {
            whole: item.span(),
            docs: docs.map(Spanned::span).collect(),
        }
    }
}

/// The item out of the text of a file, without the comment that documents it unless `with_docs`.
pub(crate) fn find(text: &str, wanted: &Wanted<'_>, with_docs: bool) -> Result<Excerpt, Wrong> {
    let file = syn::parse_file(text).map_err(|error| format!("it is no Rust: {error}"))?;
    let found = in_items(&file.items, wanted);
    let found = found.ok_or_else(|| format!("there is no '{wanted}' in it"))?;
    let (begin, end) = (found.whole.start().line, found.whole.end().line);
    let is_doc = |line: usize| {
        let mut docs = found.docs.iter();
        docs.any(|doc| (doc.start().line..=doc.end().line).contains(&line))
    };
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let lines: Vec<_> = lines
        .filter(|(at, _)| (begin..=end).contains(at) && (with_docs || !is_doc(*at)))
        .collect();
    let first = lines.first().map_or(begin, |(at, _)| *at);
    let text: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    Ok(Excerpt {
        first,
        text: text.join("\n"),
    })
}

fn in_items(items: &[Item], wanted: &Wanted<'_>) -> Option<Found> {
    items.iter().find_map(|item| in_item(item, wanted))
}

fn in_item(item: &Item, wanted: &Wanted<'_>) -> Option<Found> {
    let (kind, name, attributes) = match item {
        Item::Fn(it) => (Kind::Fn, &it.sig.ident, &it.attrs),
        Item::Struct(it) => (Kind::Struct, &it.ident, &it.attrs),
        Item::Enum(it) => (Kind::Enum, &it.ident, &it.attrs),
        Item::Const(it) => (Kind::Const, &it.ident, &it.attrs),
        Item::Static(it) => (Kind::Static, &it.ident, &it.attrs),
        Item::Type(it) => (Kind::Type, &it.ident, &it.attrs),
        Item::Macro(it) => (Kind::Macro, it.ident.as_ref()?, &it.attrs),
        Item::Trait(it) if wanted.of.is_some_and(|of| it.ident == of) => {
            return in_trait(it, wanted);
        }
        Item::Trait(it) => (Kind::Trait, &it.ident, &it.attrs),
        Item::Impl(it) => return in_impl(it, wanted),
        Item::Mod(it) => return in_items(&it.content.as_ref()?.1, wanted),
        _ => return None,
    };
    wanted.is(kind, name).then(|| Found::new(item, attributes))
}

fn in_trait(item: &syn::ItemTrait, wanted: &Wanted<'_>) -> Option<Found> {
    item.items.iter().find_map(|inside| match inside {
        TraitItem::Fn(it) if wanted.kind == Kind::Fn && it.sig.ident == wanted.name => {
            Some(Found::new(it, &it.attrs))
        }
        _ => None,
    })
}

fn in_impl(item: &syn::ItemImpl, wanted: &Wanted<'_>) -> Option<Found> {
    let syn::Type::Path(path) = &*item.self_ty else {
        return None;
    };
    let of = &path.path.segments.last()?.ident;
    let the_trait = item.trait_.as_ref();
    let the_trait = the_trait.and_then(|(_, path, _)| path.segments.last());
    if wanted.kind == Kind::Impl {
        // `impl Type`, or `impl Trait for Type` as a reader would say it.
        let said = match the_trait {
            None => of.to_string(),
            Some(the_trait) => format!("{} for {of}", the_trait.ident),
        };
        return (said == wanted.name).then(|| Found::new(item, &item.attrs));
    }
    if wanted.of.is_none_or(|wanted| of != wanted) {
        return None;
    }
    item.items.iter().find_map(|inside| match inside {
        ImplItem::Fn(it) if wanted.kind == Kind::Fn && it.sig.ident == wanted.name => {
            Some(Found::new(it, &it.attrs))
        }
        ImplItem::Const(it) if wanted.kind == Kind::Const && it.ident == wanted.name => {
            Some(Found::new(it, &it.attrs))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, wanted: &str) -> String {
        let wanted = Wanted::parse(wanted).unwrap();
        find(text, &wanted, false).unwrap().text
    }

    #[test]
    fn items_of_each_kind_are_found_by_their_names() {
        let text = "/// D.\n#[derive(Debug)]\npub struct A {\n    /// E.\n    b: u8,\n}\nenum B { C }\n\
                    const D: u8 = 1;\ntrait E { fn f(&self); }\nimpl E for A { fn f(&self) {} }\n\
                    impl A { const G: u8 = 2; }\nmod m { fn h() {} }\n";
        assert_eq!(
            found(text, "struct A"),
            "#[derive(Debug)]\npub struct A {\n    /// E.\n    b: u8,\n}"
        );
        assert_eq!(found(text, "enum B"), "enum B { C }");
        assert_eq!(found(text, "const D"), "const D: u8 = 1;");
        assert_eq!(
            found(text, "impl E for A"),
            "impl E for A { fn f(&self) {} }"
        );
        assert_eq!(found(text, "fn h"), "mod m { fn h() {} }");
        assert_eq!(found(text, "const A::G"), "impl A { const G: u8 = 2; }");
    }

    #[test]
    fn a_method_is_that_of_its_type() {
        let text = "impl A {\n    fn f() { 1 }\n}\nimpl B {\n    fn f() { 2 }\n}\n";
        assert_eq!(found(text, "fn B::f").trim(), "fn f() { 2 }");
    }

    #[test]
    fn a_kind_that_there_is_not_is_refused_with_those_that_there_are() {
        let wrong = Wanted::parse("function f").unwrap_err();
        assert!(wrong.contains("fn, struct"), "{wrong}");
    }
}

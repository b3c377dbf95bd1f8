//! The items of our sources, with their documentation comments.
//!
//! This is no parser. It relies on `rustfmt`: an item begins on a line of its own, and what it encloses
//! ends with a brace as far to the right as the line on which it began.

use std::collections::BTreeMap;

use super::SourceFile;

/// Something that has a documentation comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its path, beginning with the name of the crate.
    pub(super) path: String,
    /// The file, from the root.
    pub(super) file: String,
    /// The line of the item, counted from 1.
    pub(super) line: usize,
    /// The comment: paragraphs without line breaks, an empty line after each.
    pub(super) doc: String,
    /// Whether it is a file as a whole.
    pub(super) is_module: bool,
}

/// Modules by the crate and name of a type: where it is defined.
type Types = BTreeMap<(String, String), Vec<String>>;

/// All items of the files that have a comment, in order of files and lines. What is compiled for tests
/// alone is left out.
pub(super) fn items(files: &[SourceFile]) -> Vec<Item> {
    let scans: Vec<_> = files.iter().map(Scan::of).collect();
    let mut types = Types::new();
    for scan in &scans {
        for name in &scan.types {
            let key = (crate_of(&scan.file.module), name.clone());
            types.entry(key).or_default().push(scan.file.module.clone());
        }
    }
    scans.iter().flat_map(|scan| scan.items(&types)).collect()
}

fn crate_of(module: &str) -> String {
    let name = module.split("::").next();
    name.unwrap_or_default().to_owned()
}

/// What encloses a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Module(String),
    /// A type, a trait or an implementation.
    Type(String),
    Tests,
}

struct Found {
    scopes: Vec<Scope>,
    name: String,
    line: usize,
    doc: String,
}

struct Scan<'a> {
    file: &'a SourceFile,
    found: Vec<Found>,
    types: Vec<String>,
    module_doc: String,
    /// With the indentation of the line that opened each.
    scopes: Vec<(usize, Scope)>,
    doc: String,
    /// A `#[cfg(test)]` stands before the next item.
    for_tests: bool,
    /// Open brackets of an attribute that goes on.
    attribute_depth: usize,
}

impl<'a> Scan<'a> {
    fn of(file: &'a SourceFile) -> Self {
        let mut scan = Scan {
            file,
            found: Vec::new(),
            types: Vec::new(),
            module_doc: String::new(),
            scopes: Vec::new(),
            doc: String::new(),
            for_tests: false,
            attribute_depth: 0,
        };
        for (index, line) in file.text.lines().enumerate() {
            scan.line(index + 1, line);
        }
        scan
    }

    fn line(&mut self, number: usize, line: &str) {
        let text = line.trim();
        if let Some(doc) = text.strip_prefix("//!") {
            add_line(&mut self.module_doc, doc);
        } else if let Some(doc) = text.strip_prefix("///") {
            add_line(&mut self.doc, doc);
        } else if self.attribute_depth > 0 || text.starts_with("#[") {
            self.for_tests |= text.starts_with("#[cfg(test)]");
            // A comment may stand behind an attribute.
            let attribute = text.split("//").next().unwrap_or(text);
            self.attribute_depth += attribute.matches('[').count();
            self.attribute_depth -= attribute.matches(']').count();
        } else if !text.is_empty() && !text.starts_with("//") {
            self.code(number, line.len() - line.trim_start().len(), text);
            self.doc.clear();
            self.for_tests = false;
        }
    }

    fn code(&mut self, number: usize, indent: usize, text: &str) {
        if text.starts_with('}') {
            self.scopes.retain(|(opened, _)| *opened < indent);
            return;
        }
        let item = strip_qualifiers(text);
        let (keyword, rest) = item.split_once(' ').unwrap_or((item, ""));
        let is_impl = keyword == "impl" || keyword.starts_with("impl<");
        let name = match keyword {
            _ if is_impl => implementor(item),
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "mod"
            | "macro_rules!" => word(rest),
            // A field or a variant.
            _ => word(item),
        };
        let is_type = ["struct", "enum", "trait", "type"].contains(&keyword);
        if is_type && !self.is_test() {
            self.types.push(name.clone());
        }
        if !self.doc.is_empty() && !self.is_test() {
            self.found.push(Found {
                scopes: self.scopes.iter().map(|(_, scope)| scope.clone()).collect(),
                name: name.clone(),
                line: number,
                doc: std::mem::take(&mut self.doc),
            });
        }
        let scope = match keyword {
            "mod" if self.for_tests => Scope::Tests,
            "mod" => Scope::Module(name),
            _ if is_type || is_impl => Scope::Type(name),
            _ => return,
        };
        if !text.ends_with(';') && !text.ends_with('}') {
            self.scopes.push((indent, scope));
        }
    }

    fn is_test(&self) -> bool {
        self.for_tests || self.scopes.iter().any(|(_, scope)| *scope == Scope::Tests)
    }

    fn items(&self, types: &Types) -> Vec<Item> {
        let module = Item {
            path: self.file.module.clone(),
            file: self.file.path.clone(),
            line: 1,
            doc: self.module_doc.clone(),
            is_module: true,
        };
        let mut items: Vec<_> = self
            .found
            .iter()
            .map(|found| Item {
                path: self.path_of(found, types),
                file: self.file.path.clone(),
                line: found.line,
                doc: found.doc.clone(),
                is_module: false,
            })
            .collect();
        if !module.doc.is_empty() {
            items.insert(0, module);
        }
        items
    }

    fn path_of(&self, found: &Found, types: &Types) -> String {
        let mut module = self.file.module.clone();
        let mut parts = Vec::new();
        for scope in &found.scopes {
            match scope {
                Scope::Module(name) => module = format!("{module}::{name}"),
                Scope::Type(name) => {
                    // An implementation may stand apart from its type.
                    let key = (crate_of(&module), name.clone());
                    let homes = types.get(&key).map(Vec::as_slice).unwrap_or_default();
                    if let [home] = homes {
                        module.clone_from(home);
                    }
                    parts = vec![name.as_str()];
                }
                Scope::Tests => {}
            }
        }
        parts.push(&found.name);
        parts.retain(|part| !part.is_empty());
        format!("{module}::{}", parts.join("::"))
    }
}

/// Adds a line of a comment: to the paragraph, or after the end of one.
fn add_line(doc: &mut String, line: &str) {
    let line = line.trim();
    if line.is_empty() {
        doc.push('\n');
    } else {
        if !doc.is_empty() && !doc.ends_with('\n') {
            doc.push(' ');
        }
        doc.push_str(line);
    }
}

/// An item without its visibility and what else may stand before its keyword.
fn strip_qualifiers(text: &str) -> &str {
    let mut rest = text;
    loop {
        // The one visibility with a space in it: `pub(in crate::daemon)`.
        let (first, after) = match rest.strip_prefix("pub(in ") {
            Some(path) => ("pub", path.split_once(") ").map_or("", |(_, after)| after)),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        let is_visibility = first == "pub" || first.starts_with("pub(") && first.ends_with(')');
        let is_function = ["fn", "async", "unsafe"].iter().any(|word| {
            let next = after.split(' ').next();
            next == Some(word)
        });
        let is_qualifier = match first {
            "async" | "unsafe" => is_function || after.starts_with("impl"),
            "const" => is_function,
            _ => false,
        };
        if !is_visibility && !is_qualifier {
            return rest;
        }
        rest = after;
    }
}

/// The identifier that a text begins with.
fn word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

/// The type that an `impl` is of.
fn implementor(item: &str) -> String {
    let rest = item.strip_prefix("impl").unwrap_or(item);
    let rest = match rest.strip_prefix('<') {
        Some(generics) => {
            let mut depth = 1;
            let end = generics.find(|letter| {
                depth += i32::from(letter == '<') - i32::from(letter == '>');
                depth == 0
            });
            &generics[end.map_or(0, |end| end + 1)..]
        }
        None => rest,
    };
    let of = rest.split(" for ").last().unwrap_or(rest).trim();
    let path = of.split(['<', ' ', '{']).next().unwrap_or(of);
    word(path.rsplit("::").next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(module, text)| SourceFile {
                path: "a.rs".into(),
                module: (*module).into(),
                text: (*text).into(),
            })
            .collect();
        items(&files).into_iter().map(|item| item.path).collect()
    }

    #[test]
    fn items_have_the_path_of_what_encloses_them() {
        let text = "//! Module.\n\
            /// A.\npub(crate) struct A {\n    /// F.\n    pub(super) f: u8,\n}\n\
            impl<'a, T: B<C>> D for A\nwhere\n    T: E,\n{\n    /// G.\n    async fn g() {\n    }\n}\n\
            /// H.\n#[derive(\n    Debug\n)]\npub enum H {\n    /// I.\n    I { x: u8 },\n}\n\
            /// J.\npub const J: u8 = 1;\n/// K.\n#[inline] // Why.\npub const fn k() {}\n\
            /// L.\nimpl H {}\n";
        let expected = [
            "m::n",
            "m::n::A",
            "m::n::A::f",
            "m::n::A::g",
            "m::n::H",
            "m::n::H::I",
            "m::n::J",
            "m::n::k",
            "m::n::H",
        ];
        assert_eq!(paths(&[("m::n", text)]), expected);
    }

    #[test]
    fn a_method_has_the_path_of_its_type_wherever_the_impl_stands() {
        let node = "pub struct Node {\n}\n";
        let io = "impl Node {\n    /// Reads.\n    pub async fn read(&self) {}\n}\n";
        assert_eq!(
            paths(&[("b::io", io), ("b::node", node)]),
            ["b::node::Node::read"]
        );
    }

    #[test]
    fn what_is_compiled_for_tests_is_left_out() {
        let text =
            "#[cfg(test)]\nmod tests {\n    /// A.\n    fn a() {\n    }\n}\n/// B.\nfn b() {}\n";
        assert_eq!(paths(&[("m", text)]), ["m::b"]);
    }

    #[test]
    fn lines_of_a_paragraph_are_joined_and_paragraphs_are_not() {
        let text = "/// One\n/// two.\n///\n/// Three.\nfn a() {}\n";
        let file = SourceFile {
            path: "a.rs".into(),
            module: "m".into(),
            text: text.into(),
        };
        let found = items(&[file]);
        assert_eq!(found[0].doc, "One two.\nThree.");
        assert_eq!(found[0].line, 5);
    }
}

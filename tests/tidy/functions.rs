//! Where functions and other items begin and end, by counting brackets in masked code.

use crate::names::words;

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// The lines from there to its closing brace, both counted.
    pub(crate) length_lines: usize,
}

/// All functions of masked code, nested ones too, in the order in which they begin.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for start in words(code, "fn") {
        let rest = code[start + 2..].trim_start();
        let name: String = rest
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        // The type `fn(u8)` has no name, and a function of a trait may have no body.
        if name.is_empty() {
            continue;
        }
        if let Some((_open, end)) = body(code, start) {
            found.push(Function {
                name,
                line: line_of(code, start),
                length_lines: code[start..=end].matches('\n').count() + 1,
            });
        }
    }
    found
}

/// The offsets of the braces around the body of the item that begins at `start`; none when it ends
/// with a semicolon.
pub(crate) fn body(code: &str, start: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some((at, closing_brace(code, at))),
            _ => {}
        }
    }
    None
}

/// The offset of the brace that closes the one at `open`, or of the last byte if none does.
pub(crate) fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    code.len() - 1
}

/// The line of an offset, counted from 1.
pub(crate) fn line_of(code: &str, offset: usize) -> usize {
    let before = &code.as_bytes()[..offset];
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

#[test]
fn a_function_is_measured_from_its_keyword_to_its_brace() {
    let code =
        "\nfn a(x: [u8; 4],\n y: fn(u8) -> u8)\nwhere\n X: Y,\n{\n if x { y }\n}\nfn b() {}\n";
    let found: Vec<_> = functions(code)
        .into_iter()
        .map(|f| (f.name, f.line, f.length_lines))
        .collect();
    assert_eq!(found, [("a".into(), 2, 7), ("b".into(), 9, 1)]);
}

#[test]
fn nested_functions_count_and_functions_without_a_body_do_not() {
    let code = "trait T { fn none(&self);\n fn some(&self) {\n fn inner() {\n }\n }\n}";
    let found: Vec<_> = functions(code)
        .into_iter()
        .map(|f| (f.name, f.length_lines))
        .collect();
    assert_eq!(found, [("some".into(), 4), ("inner".into(), 2)]);
}

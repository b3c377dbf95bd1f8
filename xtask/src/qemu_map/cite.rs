//! What a comment says of QEMU.
//!
//! Two forms are read: ``QEMU: `function` (file.c)``, also in parentheses, and ``the counterpart of
//! `function` (`file.c`)``. Both may name several functions and files; a file belongs to the names before
//! it, and names behind the last file are no citation. A file without names stands for all of it. Names
//! without any file are a fault: a reader could not find them.

/// One thing that QEMU has, and that ours is the counterpart of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Citation {
    pub(super) file: String,
    /// A function, type or constant; none for the file as a whole.
    pub(super) name: Option<String>,
}

const MARKERS: [&str; 2] = ["QEMU: ", "counterpart of "];

/// The endings of files in QEMU's tree.
const ENDINGS: [&str; 6] = [".c", ".h", ".hx", ".json", ".py", ".rst"];

/// All that a comment cites.
///
/// # Errors
///
/// One sentence, if it names something and not its file.
pub(super) fn citations(doc: &str) -> Result<Vec<Citation>, String> {
    let mut all = Vec::new();
    for paragraph in doc.lines() {
        let mut rest = paragraph;
        while let Some(at) = MARKERS.iter().filter_map(|m| end_of(rest, m)).min() {
            rest = &rest[at..];
            all.extend(pair(&tokens(rest))?);
        }
    }
    Ok(all)
}

/// Where the first occurrence of a marker ends.
fn end_of(text: &str, marker: &str) -> Option<usize> {
    text.find(marker).map(|at| at + marker.len())
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    File(String),
}

/// The names and files up to the end of the sentence, or of the parenthesis that it began in.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut depth, mut of) = (text, 0, false);
    while let Some(first) = rest.chars().next() {
        let next = match first {
            '`' => {
                let (inside, after) = rest[1..].split_once('`').unwrap_or((&rest[1..], ""));
                add(&mut tokens, inside, of);
                of = after.starts_with(" of `");
                after
            }
            // A link names something of ours.
            '[' => rest.split_once(']').map_or("", |(_, after)| after),
            '(' => {
                depth += 1;
                &rest[1..]
            }
            ')' if depth == 0 => break,
            ')' => {
                depth -= 1;
                &rest[1..]
            }
            '.' if rest[1..].is_empty() || rest[1..].starts_with(' ') => break,
            _ => {
                let end = rest.find([' ', '(', ')', ',', ';', '`', '[']);
                let word = &rest[..end.unwrap_or(rest.len())];
                let file = word.trim_end_matches('.');
                if is_file(file) {
                    tokens.push(Token::File(file.to_owned()));
                }
                // The full stop, if there is one, is looked at in the next turn.
                &rest[file.len().max(first.len_utf8())..]
            }
        };
        rest = next;
    }
    tokens
}

/// Adds what stood between backticks. With `of` it is what the name before belongs to.
fn add(tokens: &mut Vec<Token>, text: &str, of: bool) {
    if is_file(text) {
        tokens.push(Token::File(text.to_owned()));
        return;
    }
    let name = text.split('(').next().unwrap_or(text);
    match tokens.last_mut() {
        Some(Token::Name(member)) if of => *member = format!("{name}.{member}"),
        _ => tokens.push(Token::Name(name.to_owned())),
    }
}

fn is_file(text: &str) -> bool {
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    text.bytes().all(is_path)
        && ENDINGS
            .iter()
            .any(|end| text.len() > end.len() && text.ends_with(end))
}

fn pair(tokens: &[Token]) -> Result<Vec<Citation>, String> {
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for token in tokens {
        match token {
            Token::Name(name) => names.push(name.clone()),
            Token::File(file) => found.extend(cited(file, std::mem::take(&mut names))),
        }
    }
    match names.as_slice() {
        [name, ..] if found.is_empty() => Err(format!("`{name}` is cited without its file")),
        _ => Ok(found),
    }
}

fn cited(file: &str, names: Vec<String>) -> Vec<Citation> {
    let citation = |name| Citation {
        file: file.to_owned(),
        name,
    };
    if names.is_empty() {
        return vec![citation(None)];
    }
    names.into_iter().map(|name| citation(Some(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cites(doc: &str) -> Vec<String> {
        let found = citations(doc).expect("every name has its file");
        let text = |c: Citation| format!("{} {}", c.file, c.name.as_deref().unwrap_or("*"));
        found.into_iter().map(text).collect()
    }

    #[test]
    fn every_form_that_the_comments_use_is_read() {
        for doc in [
            "Reads.\nQEMU: `f` (block/io.c), which yields.",
            "Reads (QEMU: `f()` in `block/io.c`). Then `g`.",
            "Reads. The counterpart of `f` (`block/io.c`). See `g`.",
            "Reads. The counterpart of the choice in `f(x, y)` in block/io.c.",
            "QEMU: `f`, block/io.c.",
        ] {
            assert_eq!(cites(doc), ["block/io.c f"], "{doc}");
        }
    }

    #[test]
    fn a_file_belongs_to_the_names_before_it() {
        assert_eq!(
            cites("QEMU: `a`, `b` (x.c), `c` (y.h, up to 8.0); here `None`."),
            ["x.c a", "x.c b", "y.h c"]
        );
        assert_eq!(cites("QEMU: x.c, util/y.c."), ["x.c *", "util/y.c *"]);
        assert_eq!(cites("QEMU: `a` of `B` (x.c)."), ["x.c B.a"]);
    }

    #[test]
    fn a_link_is_ours_and_a_paragraph_ends_what_it_began() {
        assert_eq!(
            cites("The counterpart of `a` (`x.c`), as [`b`] is."),
            ["x.c a"]
        );
        assert_eq!(cites("QEMU: `a` (x.c)\n`b` is ours."), ["x.c a"]);
    }

    #[test]
    fn a_name_without_a_file_is_a_fault_and_a_comment_that_cites_nothing_is_none() {
        assert!(citations("QEMU: `a`.").is_err());
        assert_eq!(cites("There is no counterpart. QEMU has `a`."), [""; 0]);
    }
}

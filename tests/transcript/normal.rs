//! Takes out of a line what must differ from run to run, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

/// Members that are never compared: when an event happened, and how many blocks a file system has
/// given to a file.
const ALWAYS_MASKED: [&str; 3] = ["seconds", "microseconds", "actual-size"];
/// How the lines of `qemu-img info` begin that say how much a file system has given to a file.
const TOOL_LINES: [&str; 2] = ["disk size: ", "file length: "];
/// How generated node names begin; the number that follows has two random digits.
const GENERATED: &str = "#block";

/// What is known of one daemon's run.
pub(crate) struct Normaliser {
    dir: String,
    masked: Vec<String>,
    /// Generated node names, in the order in which they were first seen.
    generated: BTreeMap<String, usize>,
}

impl Normaliser {
    /// For a daemon in `dir`, with members whose values are not compared.
    pub(crate) fn new(dir: &Path, masked: &[String]) -> Normaliser {
        let always = ALWAYS_MASKED.into_iter().map(str::to_owned);
        Normaliser {
            dir: dir.display().to_string(),
            masked: always.chain(masked.iter().cloned()).collect(),
            generated: BTreeMap::new(),
        }
    }

    /// A line as it is compared. Line ends are shown: they are part of the protocol.
    pub(crate) fn line(&mut self, bytes: &[u8]) -> String {
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        for of_tool in TOOL_LINES {
            if text.trim_start().starts_with(of_tool) {
                return of_tool.to_owned();
            }
        }
        let mut text = text.replace(&self.dir, "$DIR");
        for member in &self.masked {
            text = mask(&text, member);
        }
        let text = self.name(&mask_lengths(&without_extensions(&text)));
        let text = text.replace("qemu-storage-daemon: ", "PROGRAM: ");
        let text = text.replace("blockjob serve: ", "PROGRAM: ");
        text.replace("blockjob: ", "PROGRAM: ")
            .replace('\r', "\\r")
            .trim_end_matches('\n')
            .to_owned()
    }

    /// Numbers generated node names by the order in which they are seen.
    fn name(&mut self, text: &str) -> String {
        let mut parts = text.split(GENERATED);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.chars().take_while(char::is_ascii_digit).count();
            let (number, rest) = part.split_at(digits);
            if number.is_empty() {
                out.push_str(GENERATED);
            } else {
                let next = self.generated.len();
                let index = self.generated.entry(number.to_owned()).or_insert(next);
                out.push_str(&format!("{GENERATED}<{index}>"));
            }
            out.push_str(rest);
        }
        out
    }
}

/// Takes out the members of objects whose names begin with `x-`, with what they hold: clients of both
/// know by the name that they must not rely on them, and the peer does not have ours.
fn without_extensions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("\"x-") {
        out.push_str(before);
        let member = from.split_once("\": ");
        let Some((_, value)) = member.filter(|(name, _)| !name.contains('"')) else {
            out.push_str("\"x-");
            rest = from;
            continue;
        };
        rest = &value[value_len(value)..];
        match rest.strip_prefix(", ") {
            Some(next) => rest = next,
            // It was the last one, of several or alone.
            None => out.truncate(out.strip_suffix(", ").unwrap_or(&out).len()),
        }
    }
    out.push_str(rest);
    out
}

/// How long the JSON value is that a text begins with.
fn value_len(text: &str) -> usize {
    let (mut depth, mut in_text, mut escaped) = (0_i32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_text {
            in_text = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Puts `N` for the length of a file below a format, which depends on where the format has put its
/// clusters; `format` comes after `virtual-size`, with nothing but a name between.
fn mask_lengths(text: &str) -> String {
    let mut parts = text.split("\"virtual-size\": ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("\"virtual-size\": ");
        let format = part.split("\"format\": \"").nth(1);
        if format.is_some_and(|format| format.starts_with("file\"")) {
            out.push_str(&mask(&format!("\"virtual-size\": {part}"), "virtual-size")[16..]);
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Puts `N` for the number, or the truth, of each member of that name.
fn mask(text: &str, member: &str) -> String {
    let key = format!("\"{member}\": ");
    let mut parts = text.split(key.as_str());
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(&key);
        let truth = part.strip_prefix("true").or(part.strip_prefix("false"));
        let number = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        let rest = truth.unwrap_or(number);
        if rest.len() < part.len() {
            out.push('N');
        }
        out.push_str(rest);
    }
    out
}

#[test]
fn times_folders_and_generated_names_do_not_differ() {
    let mut normaliser = Normaliser::new(Path::new("/d"), &["len".to_owned()]);
    let line = b"{\"seconds\": 12, \"len\": 3, \"x\": \"/d/a\", \"n\": \"#block172\"}\r\n";
    assert_eq!(
        normaliser.line(line),
        r##"{"seconds": N, "len": N, "x": "$DIR/a", "n": "#block<0>"}\r"##
    );
    assert_eq!(
        normaliser.line(b"#block944 #block172 #block"),
        "#block<1> #block<0> #block"
    );
}

#[test]
fn members_that_say_that_they_are_ours_are_left_out_with_all_that_they_hold() {
    let mut normaliser = Normaliser::new(Path::new("/d"), &[]);
    let line = b"[{\"x-a\": {\"x-n\": 1}, \"b\": \"x-c\", \"x-d\": {\"e\": [\"}\\\"\", {}]}, \"f\": 2}, {\"g\": 3, \"x-h\": true}, \
        {\"x-i\": \"j\"}]";
    assert_eq!(
        normaliser.line(line),
        r#"[{"b": "x-c", "f": 2}, {"g": 3}, {}]"#
    );
}

#[test]
fn what_is_no_number_is_compared_though_its_member_is_masked() {
    let mut normaliser = Normaliser::new(Path::new("/d"), &["len".to_owned()]);
    assert_eq!(normaliser.line(b"{\"len\": \"3\"}"), "{\"len\": \"3\"}");
}

#[test]
fn the_length_of_a_disk_is_compared_and_that_of_a_file_is_not() {
    let disk = "{\"virtual-size\": 1, \"filename\": \"a\", \"format\": \"qcow2\"}";
    let file = "{\"virtual-size\": 1, \"filename\": \"a\", \"format\": \"file\"}";
    let masked = file.replace('1', "N");
    assert_eq!(
        mask_lengths(&format!("{disk}{file}")),
        format!("{disk}{masked}")
    );
}

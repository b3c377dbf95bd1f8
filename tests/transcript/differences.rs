//! The differences that are meant, read from `differences.list` beside the scripts.
//!
//! An entry is a name on a line of its own, then, indented, `scripts:` (where it shows, or `*`), and the
//! two lines, `peer:` and `ours:`, in which `*` stands for any text; a line that is left out is one that
//! this daemon does not say. `docs/differences.md` has a heading of the same name with the reason.

use crate::compare::Finding;

/// One difference that is meant.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) name: String,
    scripts: Vec<String>,
    peer: Option<String>,
    ours: Option<String>,
}

/// Reads the list.
///
/// # Panics
///
/// With the line, if it has another form.
pub(crate) fn parse(text: &str) -> Vec<Difference> {
    let mut differences: Vec<Difference> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            differences.push(Difference {
                name: line.trim().to_owned(),
                ..Difference::default()
            });
            continue;
        }
        let entry = differences.last_mut().expect("an entry begins with a name");
        match line.trim().split_once(": ") {
            Some(("scripts", names)) => {
                let names = names.split_whitespace().map(str::to_owned);
                entry.scripts.extend(names);
            }
            Some(("peer", text)) => entry.peer = Some(text.to_owned()),
            Some(("ours", text)) => entry.ours = Some(text.to_owned()),
            _ => panic!("not a line of a difference: {line}"),
        }
    }
    differences
}

impl Difference {
    /// Whether it must show in this script.
    pub(crate) fn shows_in(&self, script: &str) -> bool {
        self.scripts.iter().any(|name| name == script)
    }

    fn may_show_in(&self, script: &str) -> bool {
        self.shows_in(script) || self.scripts.iter().any(|name| name == "*")
    }

    fn covers(&self, script: &str, finding: &Finding) -> bool {
        let fits = |pattern: &Option<String>, line: &Option<String>| match (pattern, line) {
            (None, None) => true,
            (Some(pattern), Some(line)) => matches(pattern, line),
            _ => false,
        };
        self.may_show_in(script)
            && fits(&self.peer, &finding.peer)
            && fits(&self.ours, &finding.ours)
    }
}

/// Whether `text` is `pattern`, whose `*` stand for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What is wrong with the findings of a script: those that no difference covers, and the differences
/// that do not show in it any more.
pub(crate) fn judge(script: &str, findings: &[Finding], known: &[Difference]) -> Vec<String> {
    let mut wrong: Vec<String> = findings
        .iter()
        .filter(|finding| !known.iter().any(|entry| entry.covers(script, finding)))
        .map(Finding::to_string)
        .collect();
    for entry in known.iter().filter(|entry| entry.shows_in(script)) {
        if !findings.iter().any(|finding| entry.covers(script, finding)) {
            wrong.push(format!(
                "the difference '{}' does not show here any more",
                entry.name
            ));
        }
    }
    wrong
}

#[cfg(test)]
fn finding(peer: Option<&str>, ours: Option<&str>) -> Finding {
    Finding {
        stream: "main".to_owned(),
        after: String::new(),
        peer: peer.map(str::to_owned),
        ours: ours.map(str::to_owned),
    }
}

#[test]
fn patterns_have_any_text_for_a_star() {
    assert!(matches("a*b*", "a12b") && matches("*", "") && matches("ab", "ab"));
    assert!(!matches("a*b", "a12bc") && !matches("ab", "abc") && !matches("a*c*b", "a12b"));
}

#[test]
fn a_difference_that_is_not_listed_is_wrong_and_so_is_one_that_has_gone() {
    let known = parse("# c\nname\n  scripts: here\n  peer: a*\n  ours: b\n");
    let listed = [finding(Some("a1"), Some("b"))];
    assert!(judge("here", &listed, &known).is_empty());
    assert_eq!(judge("elsewhere", &listed, &known).len(), 1);
    assert_eq!(judge("here", &[], &known).len(), 1);
    assert_eq!(judge("here", &[finding(Some("a1"), None)], &known).len(), 2);
}

//! Lays two transcripts side by side.

use std::collections::BTreeSet;
use std::fmt;

use crate::play::{Heading, Transcript};
use crate::races::settle;

/// One place where the daemons differ.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The monitor, or what else the line came from.
    pub(crate) stream: String,
    /// What was sent last before it.
    pub(crate) after: String,
    /// What the peer says; nothing if only ours speaks.
    pub(crate) peer: Option<String>,
    /// What ours says; nothing if only the peer speaks.
    pub(crate) ours: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |line: &Option<String>| line.clone().unwrap_or_else(|| "(nothing)".to_owned());
        writeln!(f, "{}, after: {}", self.stream, self.after)?;
        writeln!(f, "  peer: {}", text(&self.peer))?;
        write!(f, "  ours: {}", text(&self.ours))
    }
}

/// All places where two transcripts differ.
pub(crate) fn compare(peer: &Transcript, ours: &Transcript) -> Vec<Finding> {
    let names: BTreeSet<&String> = peer.streams.keys().chain(ours.streams.keys()).collect();
    let mut findings = Vec::new();
    for name in names {
        let of = |transcript: &Transcript| {
            let stream = transcript.streams.get(name);
            settle(stream.map(Vec::as_slice).unwrap_or_default())
        };
        findings.extend(differences(name, &of(peer), &of(ours)));
    }
    findings
}

/// The differences of one stream. Lines between two common ones are paired in their order.
fn differences(stream: &str, peer: &[Heading], ours: &[Heading]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut left, mut right) = (0, 0);
    for (next_left, next_right) in common(peer, ours)
        .into_iter()
        .chain([(peer.len(), ours.len())])
    {
        let (a, b) = (&peer[left..next_left], &ours[right..next_right]);
        for index in 0..a.len().max(b.len()) {
            let (a, b) = (a.get(index), b.get(index));
            let after = a.or(b).map(|heading| heading.after.clone());
            findings.push(Finding {
                stream: stream.to_owned(),
                after: after.unwrap_or_default(),
                peer: a.map(|heading| heading.text.clone()),
                ours: b.map(|heading| heading.text.clone()),
            });
        }
        (left, right) = (next_left + 1, next_right + 1);
    }
    findings
}

/// The places of the lines that both have, in order: as many as can be, and rather those that were said
/// after the same request, for replies are alike.
fn common(peer: &[Heading], ours: &[Heading]) -> Vec<(usize, usize)> {
    let weight = |a: usize, b: usize| match peer[a].text == ours[b].text {
        false => 0,
        true if peer[a].after == ours[b].after => 4,
        true => 1,
    };
    let width = ours.len() + 1;
    let mut best = vec![0u32; (peer.len() + 1) * width];
    for a in (0..peer.len()).rev() {
        for b in (0..ours.len()).rev() {
            let skip = best[(a + 1) * width + b].max(best[a * width + b + 1]);
            let take = match weight(a, b) {
                0 => 0,
                weight => best[(a + 1) * width + b + 1] + weight,
            };
            best[a * width + b] = skip.max(take);
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut places = Vec::new();
    while a < peer.len() && b < ours.len() {
        let here = best[a * width + b];
        let weight = weight(a, b);
        if weight > 0 && here == best[(a + 1) * width + b + 1] + weight {
            places.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if here == best[(a + 1) * width + b] {
            a += 1;
        } else {
            b += 1;
        }
    }
    places
}

#[cfg(test)]
fn transcript(lines: &[&str]) -> Transcript {
    let stream = lines
        .iter()
        .map(|line| Heading {
            after: String::new(),
            text: (*line).to_owned(),
            race: None,
        })
        .collect();
    let mut transcript = Transcript::default();
    transcript.streams.insert("main".to_owned(), stream);
    transcript
}

#[test]
fn a_changed_a_missing_and_an_additional_line_are_each_found() {
    let peer = transcript(&["a", "b", "c"]);
    assert!(compare(&peer, &peer).is_empty());
    let told = |ours: &[&str]| {
        let findings = compare(&peer, &transcript(ours));
        findings
            .into_iter()
            .map(|finding| (finding.peer, finding.ours))
            .collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told(&["a", "x", "c"]), [(some("b"), some("x"))]);
    assert_eq!(told(&["a", "c"]), [(some("b"), None)]);
    assert_eq!(told(&["a", "b", "x", "c"]), [(None, some("x"))]);
    assert_eq!(told(&["b", "a", "c"]).len(), 2);
}

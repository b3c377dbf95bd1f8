//! The directives: lines of a chapter in whose place the builder puts what it takes or makes.
//!
//! A directive stands alone on its line, between `{{#` and `}}`, and its first word says what it is.
//! Lines inside of fenced blocks are no directives, so that a chapter can show one.

use crate::failure::Wrong;

/// A directive of a chapter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Directive<'a> {
    /// An item or a whole file out of the repository.
    Listing(&'a str),
    /// What the program prints.
    Run(&'a str),
    /// A drawing of a run.
    Figure(&'a str),
    /// A small program and what it prints.
    Sample(&'a str),
    /// The curves of many runs, to choose among.
    Convergence,
}

/// What a line of a chapter is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Text that goes into the book as it stands.
    Text(&'a str),
    /// Something to be made.
    Directive(Directive<'a>),
    /// It looks like a directive and is none.
    Wrong(Wrong),
}

/// The lines of a chapter, each with what it is.
pub(crate) fn lines(chapter: &str) -> Vec<Line<'_>> {
    let mut fence = None;
    let mut lines = Vec::new();
    for text in chapter.lines() {
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| text.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        lines.push(if fence.is_none() && mark.is_none() {
            line(text)
        } else {
            Line::Text(text)
        });
    }
    lines
}

fn line(text: &str) -> Line<'_> {
    let Some(from) = text.find("{{#") else {
        return Line::Text(text);
    };
    let alone = text.trim();
    let inside = alone
        .strip_prefix("{{#")
        .and_then(|it| it.strip_suffix("}}"));
    let Some(inside) = inside else {
        if text[..from].contains('`') {
            return Line::Text(text);
        }
        return Line::Wrong("a directive stands alone on its line, from '{{#' to '}}'".to_owned());
    };
    let (name, rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let rest = rest.trim();
    Line::Directive(match name {
        "listing" => Directive::Listing(rest),
        "run" => Directive::Run(rest),
        "figure" => Directive::Figure(rest),
        "sample" => Directive::Sample(rest),
        "convergence" if rest.is_empty() => Directive::Convergence,
        _ => {
            return Line::Wrong(format!(
                "there is no directive '{name}': they are listing, run, figure, sample and convergence"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_known_by_its_first_word() {
        let text = "Look:\n{{#run sim explain tiny@1 | head 3}}\n  {{#sample one}}\n";
        assert_eq!(
            lines(text),
            [
                Line::Text("Look:"),
                Line::Directive(Directive::Run("sim explain tiny@1 | head 3")),
                Line::Directive(Directive::Sample("one")),
            ]
        );
    }

    #[test]
    fn a_directive_inside_of_a_fenced_block_is_text() {
        let text = "```text\n{{#nonsense}}\n```\n{{#sample one}}";
        let found = lines(text);
        assert_eq!(found[1], Line::Text("{{#nonsense}}"));
        assert_eq!(found[3], Line::Directive(Directive::Sample("one")));
    }

    #[test]
    fn a_word_that_is_no_directive_is_refused_with_those_that_are() {
        let Line::Wrong(wrong) = line("{{#include a.rs}}") else {
            panic!("it is refused");
        };
        assert!(
            wrong.contains("'include'") && wrong.contains("listing"),
            "{wrong}"
        );
    }

    #[test]
    fn a_directive_with_text_beside_it_is_refused() {
        assert!(matches!(line("see {{#sample one}}"), Line::Wrong(_)));
        assert!(matches!(line("see `{{#sample one}}`"), Line::Text(_)));
    }
}

//! A drawing: SVG in a page, with a caption.

use std::fmt::Write;

use crate::page::escape;

/// A drawing on its way.
pub(super) struct Drawing {
    kind: &'static str,
    width: f64,
    height: f64,
    body: String,
    /// What it shows, in some words.
    title: String,
    /// The same in sentences, for who cannot see it.
    about: String,
}

impl Drawing {
    /// An empty drawing of a size, in the units of SVG.
    pub(super) fn new(kind: &'static str, width: f64, height: f64) -> Drawing {
        Drawing {
            kind,
            width,
            height,
            body: String::new(),
            title: String::new(),
            about: String::new(),
        }
    }

    /// Says what it shows: some words, and sentences for who cannot see it.
    pub(super) fn says(&mut self, title: &str, about: &str) {
        title.clone_into(&mut self.title);
        about.clone_into(&mut self.about);
    }

    /// A rectangle; the class has its colour, and the title says what it is.
    pub(super) fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), title: &str) {
        let (x, y) = at;
        let (width, height) = size;
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">"
        );
        if !title.is_empty() {
            let _ = write!(self.body, "<title>{}</title>", escape(title));
        }
        self.body.push_str("</rect>\n");
    }

    /// A line through points.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut data = String::new();
        for (at, (x, y)) in points.iter().enumerate() {
            let _ = write!(data, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
        }
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{data}\"></path>");
    }

    /// A curve from one point over another to a third.
    pub(super) fn bend(&mut self, class: &str, points: [(f64, f64); 3]) {
        let [(x0, y0), (x1, y1), (x2, y2)] = points;
        let _ = writeln!(
            self.body,
            "<path class=\"{class}\" d=\"M{x0:.1} {y0:.1}Q{x1:.1} {y1:.1} {x2:.1} {y2:.1}\"></path>"
        );
    }

    /// A text; the class says where it is anchored.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            at.0,
            at.1,
            escape(text)
        );
    }

    /// A text that goes up to the right.
    pub(super) fn slanted(&mut self, class: &str, at: (f64, f64), text: &str) {
        let (x, y) = at;
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" transform=\"translate({x:.1} {y:.1}) rotate(-60)\">{}</text>",
            escape(text)
        );
    }

    /// The drawing as HTML of one block: no line of it is empty. `made_from` is what it was asked for.
    pub(super) fn finish(self, made_from: &str) -> String {
        let Drawing {
            kind,
            width,
            height,
            body,
            title,
            about,
        } = self;
        let (title, about) = (escape(&title), escape(&about));
        // A drawing that is squeezed into a narrow page has letters that nobody can read: it is scrolled.
        let narrowest = width * 0.85;
        format!(
            "<figure class=\"{kind}\">\n<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\" \
             style=\"max-width: {width:.0}px; min-width: {narrowest:.0}px\">\n<title>{title}</title>\n<desc>{about}</desc>\n{body}</svg>\n\
             <figcaption>{title}. Made from <code>{}</code>.</figcaption>\n</figure>\n",
            escape(made_from)
        )
    }
}

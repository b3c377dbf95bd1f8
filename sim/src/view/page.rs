//! The page: one file, with everything in it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::difference::Difference;
use super::document::Document;

/// The files of the page, the template first, as the build script found them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// How well the document is compressed, from 0 to 10: above this there is little to win.
const LEVEL: u8 = 6;

/// A page of one run, or of two of them side by side.
#[derive(Debug)]
pub struct Page {
    run: String,
    against: Option<(String, Difference)>,
    served: bool,
}

impl Page {
    /// A page of `run`.
    pub fn new(run: &mut Document) -> Page {
        Page {
            run: packed(run),
            against: None,
            served: false,
        }
    }

    /// The same, with another run beside it.
    #[must_use]
    pub fn against(mut self, other: &mut Document, difference: Difference) -> Page {
        self.against = Some((packed(other), difference));
        self
    }

    /// The same, for a browser that can ask the server that it has it from.
    #[must_use]
    pub fn served(mut self) -> Page {
        self.served = true;
        self
    }

    /// The page as HTML. It asks for nothing else.
    pub fn html(&self) -> String {
        let run = script("run", &self.run);
        let mut parts = BTreeMap::from([
            ("STYLE", style()),
            ("IMPORTMAP", import_map()),
            ("RUN", run),
        ]);
        if let Some((other, difference)) = &self.against {
            parts.insert("AGAINST", script("against", other));
            // A sign that ends the element cannot be in numbers.
            let difference = format!(
                "<script id=\"difference\" type=\"application/json\">{}</script>",
                difference.to_json()
            );
            parts.insert("DIFFERENCE", difference);
        }
        if self.served {
            let served = "<meta name=\"blockjob-served\" content=\"1\">";
            parts.insert("SERVED", served.to_owned());
        }
        fill(template(), &parts)
    }
}

/// The document as the page has it: JSON, compressed as zlib does, in base64.
fn packed(document: &mut Document) -> String {
    let json = document.to_json();
    STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(&json, LEVEL))
}

fn script(id: &str, content: &str) -> String {
    format!("<script id=\"{id}\" type=\"application/octet-stream\">{content}</script>")
}

fn template() -> &'static str {
    let template = FILES.iter().find(|(name, _)| *name == "index.html");
    template.map_or("<!doctype html><title>blockjob</title><!--RUN-->", |it| {
        it.1
    })
}

/// Puts the parts where their names stand in `template`, as `<!--NAME-->`. Where there is no part of the
/// name there is nothing then; and what is in a part stays as it is.
fn fill(template: &str, parts: &BTreeMap<&str, String>) -> String {
    let mut html = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("<!--") {
        html.push_str(before);
        let Some((name, after)) = after.split_once("-->") else {
            html.push_str("<!--");
            rest = after;
            continue;
        };
        match parts.get(name) {
            Some(part) => html.push_str(part),
            None if name.chars().all(|it| it.is_ascii_uppercase()) => {}
            None => html.push_str(&format!("<!--{name}-->")),
        }
        rest = after;
    }
    html + rest
}

fn with_ending(
    ending: &'static str,
) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    FILES.iter().filter(move |(name, _)| name.ends_with(ending))
}

fn style() -> String {
    let sheets = with_ending(".css").map(|(_, text)| *text);
    // No sheet may end the element that it stands in.
    sheets.collect::<Vec<_>>().join("\n").replace("</", "<\\/")
}

/// Names for the modules, each with its text as an address.
fn import_map() -> String {
    let modules = with_ending(".js").map(|(name, text)| {
        let file = name.rsplit('/').next().unwrap_or(name);
        let address = format!("data:text/javascript;base64,{}", STANDARD.encode(text));
        (format!("#page/{file}"), address)
    });
    let modules: BTreeMap<_, _> = modules.collect();
    let map = BTreeMap::from([("imports", modules)]);
    serde_json::to_string(&map).expect("texts can be written as JSON")
}

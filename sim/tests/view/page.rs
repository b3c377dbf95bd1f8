//! The page as one file.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blockjob_sim::view::{Difference, Page};
use serde_json::Value;

use super::support::{BUSY, document, parsed, record};

/// What stands in the element with that id.
fn element<'a>(html: &'a str, id: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!("<script id=\"{id}\" "))?;
    let (_, rest) = rest.split_once('>')?;
    Some(rest.split_once("</script>")?.0)
}

fn unpacked(packed: &str) -> Value {
    let bytes = STANDARD.decode(packed).expect("it is base64");
    let json = miniz_oxide::inflate::decompress_to_vec_zlib(&bytes).expect("it is of zlib");
    serde_json::from_slice(&json).expect("it is JSON")
}

#[test]
fn the_run_is_in_the_page_as_it_is() {
    let record = record(BUSY, 1);
    let html = Page::new(&mut document(&record)).html();
    let run = unpacked(element(&html, "run").expect("the page has its run"));
    assert_eq!(run, parsed(&mut document(&record)));
    assert_eq!(element(&html, "against"), None);
    assert_eq!(element(&html, "difference"), None);
    assert!(!html.contains("name=\"blockjob-served\""));
}

#[test]
fn two_runs_are_in_a_page_with_their_first_difference() {
    let (mut a, mut b) = (document(&record(BUSY, 1)), document(&record(BUSY, 2)));
    let difference = Difference::of(&a, &b);
    let html = Page::new(&mut a)
        .against(&mut b, difference)
        .served()
        .html();
    assert_eq!(
        unpacked(element(&html, "against").expect("the other run")),
        parsed(&mut b)
    );
    let first: Value = serde_json::from_str(element(&html, "difference").expect("it is there"))
        .expect("it is JSON");
    let decision = first["first_difference"]["decision"].as_u64();
    assert_eq!(decision, difference.decision);
    assert!(html.contains("<meta name=\"blockjob-served\" content=\"1\">"));
}

#[test]
fn every_file_that_the_page_is_made_of_is_in_it_and_it_asks_for_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let list = fs::read_to_string(page.join("files.txt")).expect("the list is there");
    let html = Page::new(&mut document(&record("", 0))).html();
    let map = html.split("<script type=\"importmap\"").nth(1);
    let map = map
        .and_then(|rest| rest.split_once('>'))
        .expect("there is a map")
        .1;
    let map = map.split("</script>").next().expect("it ends");
    let map: Value = serde_json::from_str(map).expect("the map is JSON");
    for name in list
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
    {
        let text = fs::read_to_string(page.join(name)).expect("what is listed is there");
        if let Some(file) = name.strip_suffix(".js") {
            let file = file.rsplit('/').next().expect("a name has an end");
            let address = map["imports"][format!("#page/{file}.js")].as_str();
            let address = address.unwrap_or_else(|| panic!("{name} is not in the map"));
            let module = address.strip_prefix("data:text/javascript;base64,");
            let module = STANDARD.decode(module.expect("it is an address of data"));
            assert_eq!(module.expect("it is base64"), text.as_bytes(), "{name}");
        } else if name.ends_with(".css") {
            let first = text
                .lines()
                .find(|line| !line.is_empty())
                .expect("it is not empty");
            assert!(html.contains(first), "{name} is not in the style");
        }
    }
    for name in [
        "STYLE",
        "IMPORTMAP",
        "RUN",
        "AGAINST",
        "DIFFERENCE",
        "SERVED",
    ] {
        assert!(!html.contains(&format!("<!--{name}-->")), "{name} is left");
    }
    for outside in ["src=\"", "@import", "url(http", "href=\"http", "href=\"//"] {
        assert!(
            !html.contains(outside),
            "the page asks for something with {outside}"
        );
    }
}

//! A run as a page: the document, the names of options, what if, the page.

#[path = "view/difference.rs"]
mod difference;
#[path = "view/document.rs"]
mod document;
#[path = "view/failing.rs"]
mod failing;
#[path = "view/long.rs"]
mod long;
#[path = "view/names.rs"]
mod names;
#[path = "view/page.rs"]
mod page;
#[path = "view/source.rs"]
mod source;
#[path = "view/support.rs"]
mod support;
#[path = "view/what_if.rs"]
mod what_if;

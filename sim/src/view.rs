//! A run as a page: what happened, step by step, in one file that a browser shows without a network.
//!
//! The page is made of a [`Document`], which holds a run as columns of numbers and a list of texts. A
//! document is made of a simulated run ([`of_record`]), or of the events of a real one, each as a kind with
//! fields: so whoever has those can make a page. `docs/explorer.md` tells the format.

mod columns;
mod difference;
mod document;
mod facts;
mod of_record;
mod page;
mod sites;
mod source;

pub use columns::{Column, Columns};
pub use difference::Difference;
pub use document::{
    Broken, Disk, Document, Event, JobFact, Origin, Site, StoryLine, StoryText, VERSION,
};
pub use facts::{States, states};
pub use of_record::{About, of_record};
pub use page::Page;
pub use sites::what_of_site;
pub use source::{StepSource, steps};

//! What is done with one run: cases, replays, shrinking, stories, exports.

#[path = "case/export.rs"]
mod export;
#[path = "case/mischief.rs"]
mod mischief;
#[cfg(feature = "museum")]
#[path = "case/museum.rs"]
mod museum;
#[path = "case/record.rs"]
mod record;
#[path = "case/replay.rs"]
mod replay;
#[path = "case/shiviz.rs"]
mod shiviz;
#[path = "case/shrink.rs"]
mod shrink;
#[path = "case/story.rs"]
mod story;
#[path = "case/text.rs"]
mod text;

//! To come.

pub mod dirty_bitmap;

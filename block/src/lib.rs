//! To come.

pub mod dirty_bitmap;
pub mod driver;
pub mod error;

//! The drivers, as their nodes show them: each against a model in plain memory, and each in what it
//! alone promises.

#[path = "drivers/blkdebug.rs"]
mod blkdebug;
#[path = "drivers/common.rs"]
mod common;
#[path = "drivers/file.rs"]
mod file;
#[path = "drivers/mem.rs"]
mod mem;
#[path = "drivers/model.rs"]
mod model;
#[path = "drivers/null_co.rs"]
mod null_co;
#[path = "drivers/overlay.rs"]
mod overlay;
#[path = "drivers/raw.rs"]
mod raw;
#[path = "drivers/scripts.rs"]
mod scripts;

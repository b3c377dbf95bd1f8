//! The `file` driver: images in regular files and on block devices (QEMU: `block/file-posix.c`).
//!
//! This half makes the system calls. Its functions block, so only a thread pool calls them; a
//! [`FileHandle`] is shared by all threads of that pool and keeps no state that a request leaves
//! for the next one, except what the storage was found unable to do.

mod at_once;
mod bounce;
mod create;
mod driver;
mod flush;
mod handle;
mod io;
mod known_data;
mod lanes;
mod lock;
mod lock_bytes;
mod moving;
mod open;
mod probe;
mod status;
mod zeroes;

pub use create::{CreateOptions, create};
pub use driver::{FileDriver, OpenImage};
pub use flush::FlushState;
pub use handle::{FileHandle, FileIdentity, FileKind};
pub use lock_bytes::{ImagePermissions, image_permission};
pub use open::{Locking, OpenOptions};
pub use probe::{Alignment, probe_by_reading};
pub use status::{BlockStatus, Extent};
pub use zeroes::{ZeroFlags, ZeroRange, ZeroSupport, write_zeroes_with};

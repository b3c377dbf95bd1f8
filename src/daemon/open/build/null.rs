//! `null-co` and `null-aio`.

use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};

use super::Built;
use crate::daemon::open::common::{take_bool, take_number, take_size};
use crate::daemon::open::format::Format;
use crate::daemon::open::inherit::Opening;
use crate::qapi::{QmpError, QmpResult};

/// QEMU: `null_open` (block/null.c).
pub(super) fn open(opening: &mut Opening<'_>, format: Format) -> QmpResult<Built> {
    let defaults = NullCoOptions::default();
    let options = &mut opening.options;
    let size = take_size(options, "size")?.unwrap_or(defaults.size);
    if i64::try_from(size).is_err() {
        return Err(QmpError::generic(format!(
            "Value '{size}' is out of range for parameter 'size'"
        )));
    }
    let latency_ns = take_number(options, "latency-ns")?.unwrap_or(0);
    if i64::try_from(latency_ns).is_err() {
        return Err(QmpError::generic("latency-ns is invalid"));
    }
    let read_zeroes = take_bool(options, "read-zeroes")?.unwrap_or(false);
    let options = NullCoOptions {
        size,
        latency_ns,
        read_zeroes,
    };
    let driver = match format {
        Format::NullAio => NullCoDriver::aio(options),
        _ => NullCoDriver::new(options),
    };
    Ok(Built {
        driver: Box::new(driver),
        read_only: !opening.flags.writable,
        children: Vec::new(),
    })
}

//! Files and named pipes.
//!
//! QEMU: chardev/char-file.c, chardev/char-pipe.c.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Io, Stream, generic};
use crate::qapi::{QmpError, QmpResult};

fn failed(path: &Path) -> impl Fn(io::Error) -> QmpError {
    move |error| generic(&format!("Could not open '{}'", path.display()), &error)
}

fn watched(file: File, path: &Path) -> QmpResult<Option<Rc<Io>>> {
    let io = Io::new(file.into()).map_err(failed(path))?;
    Ok(Some(Rc::new(io)))
}

/// Output goes to a file. QEMU: `qmp_chardev_open_file` (chardev/char-file.c).
pub(super) fn open_file(path: &Path, input: Option<&Path>, append: bool) -> QmpResult<Stream> {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o666);
    match append {
        true => options.append(true),
        false => options.write(true).truncate(true),
    };
    let output = options.open(path).map_err(failed(path))?;
    let input = match input {
        Some(input) => watched(File::open(input).map_err(failed(input))?, input)?,
        None => None,
    };
    Ok(Stream {
        input,
        output: watched(output, path)?,
    })
}

/// The two pipes of a name, or the one. QEMU: `qemu_chr_open_pipe` (chardev/char-pipe.c).
pub(super) fn open_pipe(path: &Path) -> QmpResult<Stream> {
    let named = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    // Both ways, so that a pipe lives on when its other side comes and goes.
    let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
    if let (Ok(input), Ok(output)) = (open(&named(".in")), open(&named(".out"))) {
        return Ok(Stream {
            input: watched(input, path)?,
            output: watched(output, path)?,
        });
    }
    let both = watched(open(path).map_err(failed(path))?, path)?;
    Ok(Stream {
        input: both.clone(),
        output: both,
    })
}

//! Exports of NBD servers as nodes: what SRC and DST are if their names begin with `nbd:` and the like.

use std::path::Path;
use std::rc::Rc;

use blockjob::block::Node;
use blockjob::block::driver::qcow2;
use blockjob::daemon::Daemon;
use blockjob::daemon::open::options::Options;
use blockjob::daemon::open::{OpenFlags, filename, open_image};
use bytes::BytesMut;

use crate::cli::{Format, Sync};
use crate::failure::Failure;

/// Where the name of a source ends whose format nobody has said, in bytes.
const PROBED_BYTES: usize = 512;

/// True for the name of an export. A file with such a name is called `./nbd:...`.
pub(crate) fn is_export(path: &Path) -> bool {
    let protocols = ["nbd:", "nbd+tcp:", "nbd+unix:"];
    path.to_str()
        .is_some_and(|name| protocols.iter().any(|protocol| name.starts_with(protocol)))
}

/// What is wrong with an export, with its name.
fn failure(path: &Path, what: &str) -> Failure {
    Failure::bad_input(format!("'{}': {what}", path.display()))
}

/// Makes the nodes `NAME-file` and `NAME` of an export.
pub(crate) fn open(
    daemon: &Rc<Daemon>,
    name: &str,
    path: &Path,
    format: Format,
    read_only: bool,
) -> Result<Rc<Node>, Failure> {
    let export = path.to_str().expect("it begins with a protocol");
    let file_name = format!("{name}-file");
    let options: Options = [
        ("driver", format.name()),
        ("node-name", name),
        ("read-only", if read_only { "on" } else { "off" }),
        ("discard", "unmap"),
        ("file.node-name", &file_name),
    ]
    .into_iter()
    .collect();
    open_image(daemon, Some(export), options, OpenFlags::default()).map_err(|error| {
        let hint = error
            .hint
            .map(|hint| format!(" ({})", hint.replace('\n', "; ")));
        failure(path, &format!("{}{}", error.desc, hint.unwrap_or_default()))
    })
}

/// Refuses what looks like an image, and was taken for a disk because nobody said which it is.
pub(crate) fn refuse_if_qcow2(
    daemon: &Rc<Daemon>,
    path: &Path,
    node: &Rc<Node>,
) -> Result<(), Failure> {
    let bytes = node.len()?.min(PROBED_BYTES as u64) as usize;
    let read = node.clone();
    let (head, result) = daemon.context().run("probe", async move {
        read.co_read(0, BytesMut::zeroed(bytes)).await
    });
    result?;
    if qcow2::probe(&head) == 0 {
        return Ok(());
    }
    Err(failure(
        path,
        "it looks like a qcow2 image: --format qcow2 copies the disk in it, and --format raw the \
         export as it is",
    ))
}

/// Makes the nodes of a target. An export is there already, so it is never created: it must be as long
/// as the source.
pub(crate) fn open_target(
    daemon: &Rc<Daemon>,
    path: &Path,
    format: Format,
    source: &Rc<Node>,
    sync: Sync,
) -> Result<Rc<Node>, Failure> {
    let target = open(daemon, "target", path, format, false)?;
    let same = |node: &Rc<Node>| {
        let name = filename::of(daemon, &node.skip_filters()).exact;
        (!name.is_empty()).then_some(name)
    };
    if let (Some(target), Some(source)) = (same(&target), same(source))
        && target == source
    {
        return Err(failure(path, "it is the source as well"));
    }
    let (has, needs) = (target.len()?, source.len()?);
    if has != needs {
        return Err(failure(
            path,
            &format!("it has {has} bytes, and the source has {needs}"),
        ));
    }
    if sync == Sync::Top && source.backing().is_some() && target.backing().is_none() {
        return Err(Failure::bad_input(
            "--sync top copies what is above the backing file of the source, and the target has no \
             backing file: what is not copied would be missing",
        ));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_the_protocol_is_an_export_and_all_else_a_file() {
        for name in ["nbd:unix:/s", "nbd://host/x", "nbd+unix:///x?socket=/s"] {
            assert!(is_export(Path::new(name)), "{name}");
        }
        for name in ["./nbd:unix:/s", "/nbd:x", "nbd", "nbds://x", "disk.raw"] {
            assert!(!is_export(Path::new(name)), "{name}");
        }
    }
}

//! A source, its user, and a target: in files, or in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use blockjob::block::driver::mem::{MemDisk, MemOptions};
use blockjob::block::{BlockBackend, Graph, Node, Perm, PermPair};

use crate::failure::Failure;
use crate::image::{self, Access};

/// What one mirror works on.
pub(super) struct Pair {
    pub(super) source: Rc<Node>,
    pub(super) target: Rc<Node>,
    _user: Rc<BlockBackend>,
    stored: Stored,
}

/// Where the target can be looked at, past the engine.
enum Stored {
    File(PathBuf),
    Memory(Rc<MemDisk>),
}

fn path(folder: &Path, name: &str, number: u32) -> PathBuf {
    folder.join(format!("{name}{number}.raw"))
}

/// Makes all source and target files.
pub(super) fn make_files(folder: &Path, jobs: u32, contents: &[u8]) -> Result<(), Failure> {
    let make = |number| {
        fs::write(path(folder, "source", number), contents)?;
        fs::File::create(path(folder, "target", number))?.set_len(contents.len() as u64)
    };
    (0..jobs)
        .try_for_each(make)
        .map_err(|error| Failure::failed(format!("the disks cannot be made: {error}")))
}

impl Pair {
    /// Opens the pair of that number in `folder`, or makes one in memory.
    pub(super) fn open(
        graph: &Rc<Graph>,
        number: u32,
        folder: Option<&Path>,
        contents: &[u8],
    ) -> Result<Pair, Failure> {
        let (source, target, stored) = match folder {
            Some(folder) => {
                let target = path(folder, "target", number);
                (
                    open_file(
                        graph,
                        "source",
                        number,
                        &path(folder, "source", number),
                        true,
                    )?,
                    open_file(graph, "target", number, &target, false)?,
                    Stored::File(target),
                )
            }
            None => {
                let (source, disk) = add_memory(graph, "source", number, contents.len())?;
                disk.write_at(0, contents);
                let (target, disk) = add_memory(graph, "target", number, contents.len())?;
                (source, target, Stored::Memory(disk))
            }
        };
        let perms = PermPair::new(
            Perm::CONSISTENT_READ,
            Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED),
        );
        let user = BlockBackend::new(graph, &format!("disk{number}"), perms)?;
        user.insert(&source)?;
        Ok(Pair {
            source,
            target,
            _user: user,
            stored,
        })
    }

    /// Compares the target with what the source was made of.
    pub(super) fn compare(&self, contents: &[u8]) -> Result<(), Failure> {
        let found = match &self.stored {
            Stored::File(path) => fs::read(path)
                .map_err(|error| Failure::failed(format!("a copy cannot be read: {error}")))?,
            Stored::Memory(disk) => {
                let mut found = vec![0; contents.len()];
                disk.read_at(0, &mut found);
                found
            }
        };
        if found == contents {
            return Ok(());
        }
        let name = self.target.name();
        Err(Failure::failed(format!("{name} is not what was copied")))
    }
}

fn open_file(
    graph: &Rc<Graph>,
    name: &str,
    number: u32,
    path: &Path,
    read_only: bool,
) -> Result<Rc<Node>, Failure> {
    let access = Access {
        read_only,
        direct: false,
    };
    let file = image::open(path, access)?;
    Ok(image::add_raw(graph, &format!("{name}{number}"), file)?)
}

fn add_memory(
    graph: &Rc<Graph>,
    name: &str,
    number: u32,
    bytes: usize,
) -> Result<(Rc<Node>, Rc<MemDisk>), Failure> {
    let driver = MemOptions::new(bytes as u64).build();
    let disk = driver.disk();
    let name = format!("{name}{number}");
    let node = graph.add_node(Some(&name), Box::new(driver), false, &[])?;
    Ok((node, disk))
}

//! The target of a copy: found or created, and removed again if it was created and is no copy.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use blockjob::block::driver::file::{CreateOptions, FileDriver, FileIdentity, create};
use blockjob::block::{BlockBackend, BlockResult, Node, Perm, PermPair};

use crate::cli::{Format, Mode};
use crate::failure::Failure;
use crate::image::{self, Access, Facts};

/// The length of a qcow2 disk is a multiple of this.
const SECTOR_BYTES: u64 = 512;

/// A target, and whether it goes when this does.
pub(crate) struct Target {
    path: PathBuf,
    /// The file that was created here and is not known to be a copy yet.
    unfinished: Cell<Option<FileIdentity>>,
    created: bool,
    /// What is written to, whatever becomes of its name meanwhile; none if it is no file.
    opened: Option<FileIdentity>,
    /// Of the file, where it follows from that of the disk.
    len_bytes: Option<u64>,
}

impl Target {
    /// Opens the target, and creates it first if `mode` says so. Everything that can be wrong with
    /// it is looked for before anything is created.
    pub(crate) fn open(
        path: &Path,
        mode: Mode,
        source: &Facts,
        format: Format,
        direct: bool,
    ) -> Result<(Target, FileDriver), Failure> {
        let raw_len_bytes = (format == Format::Raw).then_some(source.len_bytes);
        if raw_len_bytes.is_none() && !source.len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(Failure::bad_input(format!(
                "'{}' has {} bytes, which is no multiple of {SECTOR_BYTES}: no qcow2 image has that \
                 length",
                source.path.display(),
                source.len_bytes
            )));
        }
        refuse_source(path, source)?;
        let access = Access {
            read_only: false,
            direct,
        };
        let mut target = Target {
            path: path.to_owned(),
            unfinished: Cell::new(None),
            created: false,
            opened: None,
            len_bytes: raw_len_bytes,
        };
        let file = match mode {
            Mode::Existing => {
                let file = image::open(path, access)?;
                if raw_len_bytes.is_some() {
                    refuse_length(&Facts::of(&file)?, source)?;
                }
                file
            }
            Mode::AbsolutePaths => {
                target.create(raw_len_bytes.unwrap_or(0))?;
                image::open(path, access)?
            }
        };
        target.opened = Some(file.handle().identity());
        Ok((target, file))
    }

    /// An export of a server. It was there before, and there is no file to look after.
    pub(crate) fn export(name: &Path) -> Target {
        Target {
            path: name.to_owned(),
            unfinished: Cell::new(None),
            created: false,
            opened: None,
            len_bytes: None,
        }
    }

    fn create(&mut self, len_bytes: u64) -> Result<(), Failure> {
        // Also a link that leads nowhere is something that the user may not want to lose.
        if fs::symlink_metadata(&self.path).is_ok() {
            let can_be_image =
                fs::metadata(&self.path).is_ok_and(|m| image::identity(&m).is_some());
            let hint = match can_be_image {
                true => "; --mode existing overwrites it",
                false => ", and is no disk image",
            };
            return Err(Failure::bad_input(format!(
                "'{}' exists already{hint}",
                self.path.display()
            )));
        }
        create(&CreateOptions {
            path: self.path.clone(),
            size_bytes: len_bytes,
            exclusive: true,
        })?;
        self.created = true;
        let metadata = fs::symlink_metadata(&self.path);
        self.unfinished
            .set(metadata.ok().as_ref().and_then(image::identity));
        Ok(())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was created here.
    pub(crate) fn is_created(&self) -> bool {
        self.created
    }

    /// It is a copy, whose bytes are safe from a crash: makes its name safe, too, and keeps it. Fails
    /// if somebody has changed what the name means, or the length: then the name is no copy.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        if self.opened.is_none() {
            return Ok(());
        }
        let metadata = fs::metadata(&self.path).ok();
        let same = metadata.as_ref().and_then(image::identity) == self.opened;
        let whole = metadata.is_some_and(|m| {
            !m.is_file() || self.len_bytes.is_none_or(|len_bytes| m.len() == len_bytes)
        });
        if !same || !whole {
            let what = if same {
                "has another length now"
            } else {
                "is another file now"
            };
            return Err(Failure::failed(format!(
                "'{}' was changed by somebody else during the copy: it {what}, and is no copy",
                self.path.display()
            )));
        }
        if self.created {
            sync_folder(&self.path).map_err(|error| {
                let path = self.path.display();
                Failure::failed(format!("could not flush the folder of '{path}': {error}"))
            })?;
        }
        self.unfinished.set(None);
        Ok(())
    }

    /// Removes it if it was created here and is no copy. True if it is gone.
    pub(crate) fn remove_unfinished(&self) -> bool {
        let Some(unfinished) = self.unfinished.take() else {
            return false;
        };
        // Somebody may have put something else in its place meanwhile.
        let now = fs::symlink_metadata(&self.path).ok();
        now.as_ref().and_then(image::identity) == Some(unfinished)
            && fs::remove_file(&self.path).is_ok()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.remove_unfinished();
    }
}

/// A disk cannot be copied onto itself, by whatever path.
fn refuse_source(path: &Path, source: &Facts) -> Result<(), Failure> {
    let metadata = fs::metadata(path).ok();
    let identity = metadata.as_ref().and_then(image::identity);
    if identity.is_some() && identity == source.identity {
        return Err(Failure::bad_input(format!(
            "'{}' and '{}' are the same image",
            source.path.display(),
            path.display()
        )));
    }
    Ok(())
}

fn refuse_length(target: &Facts, source: &Facts) -> Result<(), Failure> {
    let how = match target.len_bytes.cmp(&source.len_bytes) {
        Ordering::Equal => return Ok(()),
        Ordering::Less => "small",
        Ordering::Greater => "large",
    };
    Err(Failure::bad_input(format!(
        "the target '{}' is too {how}: it has {} bytes, and '{}' has {}",
        target.path.display(),
        target.len_bytes,
        source.path.display(),
        source.len_bytes
    )))
}

/// Makes the name of a new file safe from a crash, where the filesystem has such a thing.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match fs::File::open(folder)?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// Finds out whether others let a mirror use the image: takes the locks, and gives them up.
pub(crate) fn probe_locks(node: &Rc<Node>) -> BlockResult<()> {
    let graph = node.graph().expect("the graph outlives its nodes");
    let perms = PermPair::new(Perm::WRITE, Perm::WRITE_UNCHANGED);
    BlockBackend::new(&graph, "", perms)?.insert(node)
}

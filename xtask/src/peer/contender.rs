//! The tools of each case and how they are called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::case::{Case, Geometry, LARGE_GRANULARITY_BYTES};
use super::daemon::Mirror;
use crate::Failure;

/// A tool, called in one way.
pub(crate) struct Contender {
    /// As it stands in the table.
    pub(crate) name: String,
    /// Whether it is the program of this workspace.
    pub(crate) ours: bool,
    pub(crate) how: How,
}

/// How the copy is made.
pub(crate) enum How {
    /// A process from start to end; `SRC` and `DST` in the words stand for the two paths.
    Program(Vec<String>),
    /// A job inside a running storage daemon.
    Mirror(Mirror),
}

impl Contender {
    /// Whether it writes into a file that must be there already.
    pub(crate) fn needs_a_target(&self) -> bool {
        matches!(self.how, How::Mirror(_))
    }
}

/// The tools that are installed here.
pub(crate) struct Tools {
    pub(crate) blockjob: Option<PathBuf>,
    pub(crate) qemu_img: bool,
    pub(crate) storage_daemon: bool,
}

impl Tools {
    /// Looks for QEMU's tools in `PATH`, and says which are missing.
    pub(crate) fn found(blockjob: Option<PathBuf>) -> Result<Self, Failure> {
        let path = env::var_os("PATH").ok_or("PATH is not set")?;
        let has = |name: &str| {
            let found = env::split_paths(&path).any(|dir| dir.join(name).is_file());
            if !found {
                eprintln!("{name} is not installed (package qemu-utils): measured without it");
            }
            found
        };
        Ok(Self {
            blockjob,
            qemu_img: has("qemu-img"),
            storage_daemon: has("qemu-storage-daemon"),
        })
    }
}

/// The contenders of a case. One whose target would not fit into the free bytes is left out,
/// and the reason is printed.
pub(crate) fn list(geometry: &Geometry, tools: &Tools, free_bytes: u64) -> Vec<Contender> {
    let mut list = Vec::new();
    if let Some(blockjob) = &tools.blockjob {
        add_blockjob(&mut list, geometry.case, blockjob);
    }
    for line in program_lines(geometry.case) {
        if tools.qemu_img || !line.starts_with("qemu-img") {
            list.push(Contender {
                name: line.replace(" status=none", ""),
                ours: false,
                how: How::Program(line.split(' ').map(String::from).collect()),
            });
        }
    }
    if tools.storage_daemon {
        add_mirrors(&mut list, geometry, free_bytes);
    }
    list
}

fn add_blockjob(list: &mut Vec<Contender>, case: Case, blockjob: &Path) {
    let lines: &[&str] = match case {
        Case::Allocated => &["mirror SRC DST --mode existing"],
        Case::Fresh => &["mirror SRC DST"],
        Case::Sparse => &["mirror SRC DST", "mirror SRC DST --granularity 1M"],
    };
    for line in lines {
        let mut words = vec![blockjob.display().to_string()];
        words.extend(line.split(' ').map(String::from));
        list.push(Contender {
            name: format!("blockjob {line}"),
            ours: true,
            how: How::Program(words),
        });
    }
}

/// The processes beside blockjob. A tool that truncates its target does not copy onto an
/// allocated one, so it is not in that case. `dd conv=sparse` is not in the sparse one: it reads
/// every hole through the page cache, which then holds little of what the next tool finds warm.
fn program_lines(case: Case) -> &'static [&'static str] {
    match case {
        Case::Allocated => &[
            "dd if=SRC of=DST bs=1M conv=fsync,notrunc status=none",
            "qemu-img convert -n -W -m 16 -f raw -O raw SRC DST",
            "qemu-img convert -n -m 16 -f raw -O raw SRC DST",
        ],
        Case::Fresh => &[
            "dd if=SRC of=DST bs=1M conv=fsync status=none",
            "cp --sparse=always SRC DST",
            "qemu-img convert -W -m 16 -f raw -O raw SRC DST",
            "qemu-img convert -m 16 -f raw -O raw SRC DST",
        ],
        Case::Sparse => &[
            "cp --sparse=always SRC DST",
            "qemu-img convert -W -m 16 -f raw -O raw SRC DST",
            "qemu-img convert -m 16 -f raw -O raw SRC DST",
        ],
    }
}

fn add_mirrors(list: &mut Vec<Contender>, geometry: &Geometry, free_bytes: u64) {
    // With unmap, the daemon first punches a hole over the whole target: right for a new file,
    // and needless work on an allocated one.
    let unmap = geometry.case != Case::Allocated;
    list.push(Contender {
        name: "qemu-storage-daemon blockdev-mirror".into(),
        ours: false,
        how: How::Mirror(Mirror {
            daemon: peer_daemon(),
            format: "raw",
            granularity_bytes: None,
            unmap,
        }),
    });
    if geometry.case != Case::Sparse {
        return;
    }
    let needed_bytes = geometry.written_bytes(LARGE_GRANULARITY_BYTES) * 5 / 4;
    if free_bytes < needed_bytes {
        eprintln!(
            "blockdev-mirror at a granularity of 1 MiB writes {} MiB, which do not fit: left out",
            needed_bytes >> 20
        );
        return;
    }
    list.push(Contender {
        name: "qemu-storage-daemon blockdev-mirror granularity=1M".into(),
        ours: false,
        how: How::Mirror(Mirror {
            daemon: peer_daemon(),
            format: "raw",
            granularity_bytes: Some(LARGE_GRANULARITY_BYTES),
            unmap,
        }),
    });
}

/// The words that start the peer's daemon.
pub(crate) fn peer_daemon() -> Vec<String> {
    vec!["qemu-storage-daemon".into()]
}

/// The command of a program with the two paths in their places.
pub(crate) fn command(words: &[String], source: &Path, target: &Path) -> Command {
    let source = source.display().to_string();
    let target = target.display().to_string();
    let mut filled = words
        .iter()
        .map(|word| word.replace("SRC", &source).replace("DST", &target));
    let program = filled.next().expect("a command has at least one word");
    let mut command = Command::new(program);
    command.args(filled);
    command
}

//! `cargo xtask bench-peer --guest` and `--convergence`: what a guest feels of a mirror, ours and the
//! peer's in turns.

mod alone;
mod convergence;
pub(crate) mod fio;
mod mirrors;
mod run;
mod runs;
pub(crate) mod server;
mod to_nbd;

use std::path::Path;

use super::contender::{Tools, peer_daemon};
use super::scratch::Scratch;
use crate::{Failure, size};
use fio::Load;
use server::Daemon;

/// Where the disks of `Place::Tmpfs` and `Place::Nbd` are.
const TMPFS: &str = "/dev/shm";

/// What to measure of guests.
#[derive(clap::Args, Default)]
pub(crate) struct GuestOptions {
    /// In place of the cases: 4 KiB requests of a guest over NBD during a mirror.
    #[arg(long, conflicts_with_all = ["many", "qcow2", "qmp"])]
    pub(crate) guest: bool,
    /// In place of the cases: guests from 10 % to 200 % of the rate of the copy: is the mirror ever ready?
    #[arg(long, conflicts_with_all = ["many", "qcow2", "qmp", "guest"])]
    pub(crate) convergence: bool,
    /// With --guest: only these places; may be repeated.
    #[arg(long = "where", value_enum)]
    places: Vec<Place>,
    /// How many seconds of each guest are counted [default: 5, and 10 with --convergence, 2 with
    /// --iothreads].
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    /// Bytes of a guest's disk [default: 512M, and 128M with --convergence].
    #[arg(long, value_parser = size::parse)]
    guest_size: Option<u64>,
    /// With --convergence: bytes per second that the mirror may copy.
    #[arg(long, default_value = "64M", value_parser = size::parse)]
    speed: u64,
}

impl GuestOptions {
    /// Whether any of it was asked for.
    pub(crate) fn is_on(&self) -> bool {
        self.guest || self.convergence
    }
}

/// Where source and target are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Place {
    /// Both in memory.
    Tmpfs,
    /// Both on the disk of the scratch folder, past the page cache.
    Disk,
    /// In memory, the target behind qemu-nbd.
    Nbd,
    /// No mirror: the server alone, beside qemu-nbd.
    Alone,
    /// No guest: a qcow2 image to an NBD server.
    Qcow2,
    /// All of these.
    All,
}

/// What all of these measurements work with.
struct Bench<'a> {
    scratch: &'a Scratch,
    options: &'a GuestOptions,
    /// How often each of them runs.
    rounds: usize,
    /// Ours first, if it is there.
    daemons: Vec<Daemon>,
    /// Of our mirror.
    has_auto: bool,
}

impl Bench<'_> {
    /// What `--guest` measures, unless a row says otherwise.
    fn load(&self, rw: &'static str) -> Load {
        Load {
            rw,
            block_bytes: 4096,
            depth: 8,
            rate_bytes: None,
            seconds: self.options.seconds.unwrap_or(5),
        }
    }

    fn size_bytes(&self, default_bytes: u64) -> Result<u64, Failure> {
        match self.options.guest_size.unwrap_or(default_bytes) {
            bytes if bytes == 0 || bytes % (1 << 20) != 0 => {
                Err("the size of a guest's disk must be a multiple of 1 MiB".into())
            }
            bytes => Ok(bytes),
        }
    }
}

/// Runs what was asked for, and prints a table for each part of it.
pub(crate) fn run(
    scratch: &Scratch,
    tools: &Tools,
    options: &GuestOptions,
    rounds: usize,
) -> Result<(), Failure> {
    let daemons = daemons(tools)?;
    let has_auto = match &daemons[0] {
        ours if ours.ours => server::has_auto(scratch, ours)?,
        _ => false,
    };
    println!("guest: {}", super::machine::version("fio"));
    println!("load before: {}", super::machine::load());
    let bench = Bench {
        scratch,
        options,
        rounds,
        daemons,
        has_auto,
    };
    let memory = scratch.folder_in(Path::new(TMPFS))?;
    let all_went_well = match options.convergence {
        true => convergence::run(&bench, memory.path())?,
        false => run_places(&bench, memory.path(), tools)?,
    };
    println!("load after: {}", super::machine::load());
    match all_went_well {
        true => Ok(()),
        false => Err("there were runs that failed; the tables say how many".into()),
    }
}

/// The daemons to be measured: ours first, if it is there, and the peer's.
pub(crate) fn daemons(tools: &Tools) -> Result<Vec<Daemon>, Failure> {
    if !tools.storage_daemon {
        return Err("there is no peer to compare with".into());
    }
    let ours = tools.blockjob.as_ref().map(|blockjob| Daemon {
        name: "blockjob serve",
        ours: true,
        words: vec![blockjob.display().to_string(), "serve".into()],
    });
    let peer = Daemon {
        name: "qemu-storage-daemon",
        ours: false,
        words: peer_daemon(),
    };
    Ok(ours.into_iter().chain([peer]).collect())
}

fn run_places(bench: &Bench<'_>, memory: &Path, tools: &Tools) -> Result<bool, Failure> {
    let asked = &bench.options.places;
    let is_asked =
        |place| asked.is_empty() || asked.contains(&place) || asked.contains(&Place::All);
    let mut all_went_well = true;
    for place in [Place::Tmpfs, Place::Disk, Place::Nbd] {
        if is_asked(place) {
            all_went_well &= mirrors::run(bench, place, memory)?;
        }
    }
    if is_asked(Place::Alone) {
        all_went_well &= alone::run(bench, memory)?;
    }
    if is_asked(Place::Qcow2) {
        to_nbd::run(bench, memory, tools)?;
    }
    Ok(all_went_well)
}

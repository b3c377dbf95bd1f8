//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Prints machine, file system, versions and the state of the caches. No date: the figures belong
/// to the versions.
pub(crate) fn print_header(dir: &Path, blockjob: Option<&Path>) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine: {}, {cores} cores, {}", cpu_model(), memory());
    println!("kernel: {}", read("/proc/sys/kernel/osrelease"));
    println!("file system: {}", file_system(dir));
    let blockjob = blockjob.map(|path| path.display().to_string());
    for program in
        blockjob
            .as_deref()
            .into_iter()
            .chain(["dd", "cp", "qemu-img", "qemu-storage-daemon"])
    {
        println!("version: {}", version(program));
    }
    println!(
        "caches: warm; before each run all that is dirty is synced and the source is read, and \
         nothing is dropped"
    );
    println!(
        "times: processes from their start, the daemon's job from its command; all to the end of \
         an fsync of the target"
    );
}

/// How many wanted to run in the last 1, 5 and 15 minutes, as a mean.
pub(crate) fn load() -> String {
    let load = read("/proc/loadavg");
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or("unknown".into(), |text| text.trim().to_owned())
}

fn cpu_model() -> String {
    let info = read("/proc/cpuinfo");
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": "))
        .map_or("unknown processor".into(), |(_, model)| model.to_owned())
}

fn memory() -> String {
    let info = read("/proc/meminfo");
    let kib = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or("unknown memory".into(), |kib| {
        format!("{} MiB of memory", kib >> 10)
    })
}

/// The type of the file system that holds the folder: of the mount with the longest path to it.
fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = read("/proc/self/mounts");
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (place, kind) = (words.nth(1)?, words.next()?);
            dir.starts_with(place).then_some((place.len(), kind))
        })
        .max_by_key(|&(length, _)| length)
        .map_or("unknown".into(), |(_, kind)| kind.to_owned())
}

/// The first line that the program prints for `--version`.
pub(crate) fn version(program: &str) -> String {
    let name = Path::new(program).file_name().unwrap_or_default().display();
    match Command::new(program).arg("--version").output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let line = text.lines().next().unwrap_or("says none");
            format!("{name}: {line}")
        }
        Err(_) => format!("{name}: not installed"),
    }
}

//! `cargo xtask bench-peer --iothreads`: two exports in one I/O thread, and in one each, ours and the
//! peer's in turns.

mod light;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::Pid;
use serde_json::json;

use super::contender::Tools;
use super::guest::fio::{Guest, Load, RAMP_S};
use super::guest::server::Daemon;
use super::qmp::Qmp;
use super::report::median;
use super::scratch::{Running, Scratch};
use crate::Failure;
use crate::clock::beside;
use crate::suites::heading;
use light::{Given, LightGuest};

/// Requests that each guest has under way.
const DEPTH: usize = 16;
const REQUEST_BYTES: usize = 4096;
/// The size of each disk, which is of the driver `null-co`.
const DISK_BYTES: u64 = 1 << 30;
/// The exports, and the nodes below them.
const EXPORTS: [&str; 2] = ["a", "b"];
/// How long is counted, unless it is said.
const DEFAULT_SECONDS: u32 = 2;
/// What a run may take besides the time that is measured.
const LIMIT_S: u32 = 30;

/// What the measurement is told.
pub(super) struct Asked {
    pub(super) rounds: usize,
    pub(super) seconds: Option<u32>,
}

/// How the exports are spread over the two threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Together,
    OneEach,
}

const LAYOUTS: [Layout; 2] = [Layout::Together, Layout::OneEach];

#[derive(Clone, Copy, PartialEq, Eq)]
enum GuestKind {
    Light,
    Fio,
}

/// What both guests of one run were given.
#[derive(Clone, Copy)]
struct Outcome {
    iops: f64,
    /// Microseconds of the daemon's processor time.
    cpu_us_a_request: f64,
}

/// All runs of one guest with one daemon.
struct Row<'a> {
    guest: GuestKind,
    writes: bool,
    daemon: &'a Daemon,
    /// Of both layouts, in their order.
    runs: [Vec<Outcome>; 2],
}

impl Row<'_> {
    fn title(&self) -> String {
        let guest = match self.guest {
            GuestKind::Light => "light",
            GuestKind::Fio => "fio",
        };
        format!("{guest}, {}", if self.writes { "writes" } else { "reads" })
    }

    fn median(&self, layout: usize, of: impl Fn(&Outcome) -> f64) -> f64 {
        median(self.runs[layout].iter().map(of).collect())
    }
}

/// Runs all of it, `rounds` times, and prints the table.
pub(super) fn run(scratch: &Scratch, tools: &Tools, asked: &Asked) -> Result<(), Failure> {
    let daemons = super::guest::daemons(tools)?;
    println!("guest: {}", super::machine::version("fio"));
    println!("load before: {}", super::machine::load());
    heading("two exports of null-co, random requests of 4 KiB, 16 under way in each");
    let seconds = asked.seconds.unwrap_or(DEFAULT_SECONDS);
    let mut rows = Vec::new();
    for guest in [GuestKind::Light, GuestKind::Fio] {
        for writes in [false, true] {
            for daemon in &daemons {
                rows.push(Row {
                    guest,
                    writes,
                    daemon,
                    runs: Default::default(),
                });
            }
        }
    }
    for round in 0..asked.rounds {
        for row in &mut rows {
            // Each round begins with the other layout: a slow moment falls on both.
            for turn in 0..LAYOUTS.len() {
                let index = (round + turn) % LAYOUTS.len();
                let outcome = one(scratch, row, LAYOUTS[index], seconds, round)?;
                eprintln!(
                    "round {} of {}: {:<20} {:<13} {} {:>9.0} IOPS, {:.2} us a request",
                    round + 1,
                    asked.rounds,
                    row.daemon.name,
                    row.title(),
                    ["one thread ", "two threads"][index],
                    outcome.iops,
                    outcome.cpu_us_a_request
                );
                row.runs[index].push(outcome);
            }
        }
    }
    print(&rows);
    println!("load after: {}", super::machine::load());
    Ok(())
}

fn print(rows: &[Row<'_>]) {
    println!(
        "| {:<13} | {:<19} | {:>10} | {:>10} | {:>5} | {:>21} | {:>4} |",
        "guest", "daemon", "one thread", "two", "ratio", "CPU a request us, one", "two"
    );
    println!("|---|---|--:|--:|--:|--:|--:|");
    for row in rows {
        let [one, two] = [0, 1].map(|layout| row.median(layout, |run| run.iops));
        let [cpu_one, cpu_two] =
            [0, 1].map(|layout| row.median(layout, |run| run.cpu_us_a_request));
        println!(
            "| {:<13} | {:<19} | {one:>10.0} | {two:>10.0} | {:>5.2} | {cpu_one:>21.2} | {cpu_two:>4.2} |",
            row.title(),
            row.daemon.name,
            two / one
        );
    }
}

/// One daemon from its start to its end, with two guests at once.
fn one(
    scratch: &Scratch,
    row: &Row<'_>,
    layout: Layout,
    seconds: u32,
    round: usize,
) -> Result<Outcome, Failure> {
    let _limit = scratch.limit(seconds + RAMP_S + LIMIT_S);
    let server = Server::start(scratch, row.daemon, layout)?;
    let before_ns = processor_ns(server.running.pid())?;
    let (iops, requests) = match row.guest {
        GuestKind::Light => light_guests(&server.socket, row.writes, seconds, round)?,
        GuestKind::Fio => fio_guests(scratch, &server.socket, row.writes, seconds, round)?,
    };
    let spent_ns = processor_ns(server.running.pid())? - before_ns;
    server.quit()?;
    Ok(Outcome {
        iops,
        cpu_us_a_request: spent_ns as f64 / 1000.0 / requests,
    })
}

/// The rates of both together, and the number of their requests.
fn light_guests(
    socket: &Path,
    writes: bool,
    seconds: u32,
    round: usize,
) -> Result<(f64, f64), Failure> {
    let mut guests = Vec::new();
    for (index, export) in EXPORTS.iter().enumerate() {
        let seed = (round * EXPORTS.len() + index) as u64;
        guests.push(LightGuest::connect(socket, export, writes, seed)?);
    }
    // A thread each, begun when both are connected.
    let at_work: Vec<_> = guests
        .into_iter()
        .map(|guest| beside(move || guest.work(f64::from(seconds))))
        .collect();
    let (mut iops, mut requests) = (0.0, 0.0);
    for guest in at_work {
        let given: Given = guest.join().map_err(|_| "a light guest panicked")??;
        iops += given.iops;
        requests += given.requests as f64;
    }
    Ok((iops, requests))
}

/// The same of `fio`, which counts no requests before its time begins: as many a second are taken for
/// granted.
fn fio_guests(
    scratch: &Scratch,
    socket: &Path,
    writes: bool,
    seconds: u32,
    round: usize,
) -> Result<(f64, f64), Failure> {
    let load = Load {
        rw: if writes { "randwrite" } else { "randread" },
        block_bytes: REQUEST_BYTES as u64,
        depth: DEPTH as u32,
        rate_bytes: None,
        seconds,
    };
    let mut guests = Vec::new();
    for (index, export) in EXPORTS.iter().enumerate() {
        let seed = round * EXPORTS.len() + index;
        guests.push(Guest::start_on(
            scratch, socket, export, DISK_BYTES, load, seed,
        )?);
    }
    let mut iops = 0.0;
    for guest in guests {
        iops += guest.finish()?.iops;
    }
    Ok((iops, iops * f64::from(RAMP_S + seconds)))
}

/// A daemon with both exports.
struct Server {
    running: Running,
    qmp: Qmp,
    socket: PathBuf,
}

impl Server {
    fn start(scratch: &Scratch, daemon: &Daemon, layout: Layout) -> Result<Self, Failure> {
        let socket = scratch.path().join("iothreads.sock");
        // The one of the daemon before may be there.
        super::disk::remove(&socket)?;
        let (program, first) = daemon.words.split_first().expect("a daemon has a name");
        let mut command = Command::new(program);
        command.args(first);
        command.args([
            "--object",
            "iothread,id=iot0",
            "--object",
            "iothread,id=iot1",
        ]);
        for name in EXPORTS {
            let node = format!("driver=null-co,node-name={name},size={DISK_BYTES}");
            command.arg("--blockdev").arg(node);
        }
        let address = format!("addr.type=unix,addr.path={}", socket.display());
        command.arg("--nbd-server").arg(address);
        for (index, name) in EXPORTS.iter().enumerate() {
            let thread = match layout {
                Layout::Together => 0,
                Layout::OneEach => index,
            };
            command.arg("--export").arg(format!(
                "type=nbd,id=e{name},node-name={name},name={name},writable=on,iothread=iot{thread}"
            ));
        }
        command
            .args(["--chardev", "stdio,id=qmp,signal=off"])
            .args(["--monitor", "chardev=qmp,mode=control"])
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut running = scratch.spawn(&mut command)?;
        let (input, output) = running.pipes();
        Ok(Self {
            qmp: Qmp::negotiate(output, input)?,
            running,
            socket,
        })
    }

    fn quit(mut self) -> Result<(), Failure> {
        self.qmp.execute("quit", json!({}))?;
        drop(self.qmp);
        match self.running.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("the daemon ended badly: {status}").into()),
        }
    }
}

/// Nanoseconds of processor time of all threads that a process has. One that has ended is not in it.
fn processor_ns(pid: Pid) -> Result<u64, Failure> {
    let mut spent_ns = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // The first of its words; a thread may end meanwhile.
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        spent_ns += text.split(' ').next().map_or(Ok(0), |word| match word {
            "" => Ok(0),
            word => word.parse::<u64>(),
        })?;
    }
    Ok(spent_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole measurement on the peer, where it is installed.
    #[test]
    fn both_guests_are_served_by_one_thread_and_by_two() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let tools = Tools::found(None).unwrap();
        if !tools.storage_daemon {
            return;
        }
        let daemons = super::super::guest::daemons(&tools).unwrap();
        for layout in LAYOUTS {
            let server = Server::start(&scratch, &daemons[0], layout).unwrap();
            let before_ns = processor_ns(server.running.pid()).unwrap();
            let (iops, requests) = light_guests(&server.socket, true, 0, 0).unwrap();
            assert!(requests > 0.0 && iops >= 0.0);
            assert!(processor_ns(server.running.pid()).unwrap() > before_ns);
            server.quit().unwrap();
        }
    }

    #[test]
    fn an_export_that_is_not_there_is_said_so() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let tools = Tools::found(None).unwrap();
        if !tools.storage_daemon {
            return;
        }
        let daemons = super::super::guest::daemons(&tools).unwrap();
        let server = Server::start(&scratch, &daemons[0], Layout::Together).unwrap();
        let absent = LightGuest::connect(&server.socket, "c", false, 0).map(|_| ());
        assert!(absent.unwrap_err().to_string().contains("no export"));
        server.quit().unwrap();
    }
}

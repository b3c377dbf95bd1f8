//! A guest of our own: it writes stamps at random places, several at a time, zeroes some, reads some
//! back, flushes, and keeps a journal of what it was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use blockjob::block::nbd::client::{Command, Finished, Handshake, Outcome, Transmission};
use bytes::BytesMut;

use super::journal::{BLOCK, Journal, stamp};
use super::rounds::Dice;

/// Requests under way at most.
const DEPTH: usize = 8;
/// Writes between two flushes, about.
const WRITES_OF_A_FLUSH: u64 = 50;
/// How long it waits for an answer before it says that it is stuck.
const PATIENCE_S: u64 = 30;

/// What both threads see.
#[derive(Debug, Default)]
struct Progress {
    /// Requests that were answered well.
    answered: u64,
    /// Requests that were answered with an error.
    failed: u64,
    /// Requests that may still be sent.
    allowed: u64,
    /// It is to flush, and to end.
    stop: bool,
    /// It has ended.
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<Progress>,
    moved: Condvar,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nobody panics with it")
    }
}

/// What it leaves behind.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) journal: Journal,
    pub(crate) failed: u64,
    /// Why it has ended: nothing if it was told to, and its last flush was answered well.
    pub(crate) end: Result<(), String>,
    /// What it has read and nobody has written, or that was overwritten.
    pub(crate) wrong: Vec<String>,
}

pub(crate) struct Guest {
    shared: Arc<Shared>,
    thread: JoinHandle<Remains>,
}

impl Guest {
    /// Connects to an export that holds `base`, and waits to be let go.
    pub(crate) fn connect(stream: UnixStream, base: &[u8], dice: Dice) -> Guest {
        let shared = Arc::new(Shared::default());
        let worker = Worker::new(stream, Journal::new(base), dice, shared.clone());
        // The process has no event loop: its guest is a foreigner, as real ones are.
        #[allow(clippy::disallowed_methods)]
        let thread = std::thread::spawn(move || worker.run());
        Guest { shared, thread }
    }

    /// It may send so many requests more.
    pub(crate) fn allow(&self, more: u64) {
        self.shared.change(|progress| progress.allowed += more);
    }

    /// It may send no more.
    pub(crate) fn hold(&self) {
        self.shared.change(|progress| progress.allowed = 0);
    }

    /// How many requests were answered, well or not.
    pub(crate) fn answers(&self) -> u64 {
        let progress = self.shared.lock();
        progress.answered + progress.failed
    }

    /// Waits until it has got so many answers more than `before`.
    ///
    /// # Errors
    ///
    /// It has ended, or gets none for ten seconds.
    pub(crate) fn wait_for(&self, before: u64, more: u64) -> Result<(), String> {
        let mut progress = self.shared.lock();
        loop {
            let answers = progress.answered + progress.failed;
            if answers >= before + more {
                return Ok(());
            }
            if progress.ended {
                return Err("the guest has ended".to_owned());
            }
            let wait = self
                .shared
                .moved
                .wait_timeout(progress, Duration::from_secs(10));
            let (now, timeout) = wait.expect("nobody panics with it");
            if timeout.timed_out() && now.answered + now.failed == answers {
                return Err(format!("the guest is stuck after {answers} answers"));
            }
            progress = now;
        }
    }

    /// Has it flush and end.
    pub(crate) fn end(self) -> Remains {
        self.shared.change(|progress| progress.stop = true);
        self.thread.join().expect("the guest does not panic")
    }
}

/// A request under way.
#[derive(Debug)]
enum Asked {
    /// The same number at all of these places.
    Write {
        places: Vec<u64>,
        number: u64,
    },
    Read {
        place: u64,
    },
    Flush {
        sent: u64,
    },
}

struct Worker {
    stream: UnixStream,
    transmission: Transmission,
    journal: Journal,
    dice: Dice,
    shared: Arc<Shared>,
    under_way: BTreeMap<u64, Asked>,
    busy: BTreeSet<u64>,
    flushing: bool,
    wrong: Vec<String>,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Worker {
    fn new(mut stream: UnixStream, journal: Journal, dice: Dice, shared: Arc<Shared>) -> Worker {
        let patience = Some(Duration::from_secs(PATIENCE_S));
        stream.set_read_timeout(patience).expect("it is a socket");
        stream.set_write_timeout(patience).expect("it is a socket");
        let mut handshake = Handshake::new("disk").expect("the name is short");
        let info = loop {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the server goes on");
            let mut out = Vec::new();
            let fed = handshake.feed(&mut &byte[..], &mut out);
            stream.write_all(&out).expect("the server listens");
            if let Some(info) = fed.expect("there is an export") {
                break info;
            }
        };
        assert_eq!(info.size, journal.len() * BLOCK);
        Worker {
            stream,
            transmission: Transmission::new(&info),
            journal,
            dice,
            shared,
            under_way: BTreeMap::new(),
            busy: BTreeSet::new(),
            flushing: false,
            wrong: Vec::new(),
        }
    }

    fn run(mut self) -> Remains {
        let end = self.work();
        self.shared.change(|progress| progress.ended = true);
        let failed = self.shared.lock().failed;
        Remains {
            journal: self.journal,
            failed,
            end,
            wrong: self.wrong,
        }
    }

    fn work(&mut self) -> Result<(), String> {
        loop {
            let stop = self.waits_for_leave();
            while !stop && self.under_way.len() < DEPTH && self.takes_one() {
                self.send_something()?;
            }
            if stop && self.under_way.is_empty() {
                self.send_flush()?;
                let failed = self.shared.lock().failed;
                self.receive()?;
                if self.shared.lock().failed > failed {
                    return Err("the last flush has failed".to_owned());
                }
                return Ok(());
            }
            self.receive()?;
        }
    }

    /// True if it may send a request, which counts now.
    fn takes_one(&self) -> bool {
        let mut progress = self.shared.lock();
        let may = progress.allowed > 0;
        progress.allowed -= u64::from(may);
        may
    }

    /// Waits while there is nothing to do. True if it is to end.
    fn waits_for_leave(&self) -> bool {
        let mut progress = self.shared.lock();
        while self.under_way.is_empty() && progress.allowed == 0 && !progress.stop {
            let moved = self.shared.moved.wait(progress);
            progress = moved.expect("nobody panics with it");
        }
        progress.stop
    }

    fn send(&mut self, command: Command, asked: Asked) -> Result<(), String> {
        let payload = command.payload().cloned().unwrap_or_default();
        let begun = self.transmission.begin(command);
        let (cookie, header) = begun.expect("fewer are under way than may be");
        self.under_way.insert(cookie, asked);
        self.stream.write_all(&header).map_err(text)?;
        self.stream.write_all(&payload).map_err(text)
    }

    fn send_flush(&mut self) -> Result<(), String> {
        self.flushing = true;
        let sent = self.journal.now();
        self.send(Command::Flush, Asked::Flush { sent })
    }

    fn send_something(&mut self) -> Result<(), String> {
        if !self.flushing && self.dice.one_in(WRITES_OF_A_FLUSH) {
            return self.send_flush();
        }
        let blocks = match self.dice.below(8) {
            0 => 1 + self.dice.below(16),
            _ => 1,
        };
        let first = self.dice.below(self.journal.len() - blocks);
        let places: Vec<u64> = (first..first + blocks).collect();
        if places.iter().any(|place| self.busy.contains(place)) {
            return self.send_read_elsewhere();
        }
        if blocks == 1 && self.dice.one_in(10) {
            return self.send_read(first);
        }
        let number = match self.dice.one_in(20) {
            true => 0,
            false => self.journal.number(),
        };
        for place in &places {
            self.journal.begins(*place, number);
            self.busy.insert(*place);
        }
        let offset = first * BLOCK;
        let command = match number {
            0 => Command::WriteZeroes {
                offset,
                bytes: (blocks * BLOCK) as u32,
                may_unmap: self.dice.one_in(2),
                fast: false,
            },
            _ => Command::Write {
                offset,
                data: places
                    .iter()
                    .flat_map(|place| stamp(*place, number))
                    .collect(),
                fua: false,
            },
        };
        self.send(command, Asked::Write { places, number })
    }

    /// The first place at which nothing is under way.
    fn send_read_elsewhere(&mut self) -> Result<(), String> {
        let free = (0..).find(|place| !self.busy.contains(place));
        self.send_read(free.expect("few are busy"))
    }

    fn send_read(&mut self, place: u64) -> Result<(), String> {
        self.busy.insert(place);
        let buf = BytesMut::zeroed(BLOCK as usize);
        let offset = place * BLOCK;
        self.send(Command::Read { offset, buf }, Asked::Read { place })
    }

    /// Takes at least one answer.
    fn receive(&mut self) -> Result<(), String> {
        let mut buffer = [0; 65536];
        loop {
            let read = self.stream.read(&mut buffer).map_err(text)?;
            if read == 0 {
                return Err("the server has hung up".to_owned());
            }
            self.transmission.feed(&buffer[..read]).map_err(text)?;
            let finished = self.transmission.take_finished();
            if !finished.is_empty() {
                for finished in finished {
                    self.finish(finished);
                }
                return Ok(());
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        let asked = self.under_way.remove(&finished.cookie);
        let well = finished.outcome == Outcome::Done;
        match asked.expect("the codec has checked that") {
            Asked::Write { places, number } => {
                for place in places {
                    self.busy.remove(&place);
                    if well {
                        self.journal.is_answered(place, number);
                    }
                }
            }
            Asked::Read { place } => {
                self.busy.remove(&place);
                if let (true, Command::Read { buf, .. }) = (well, &finished.command) {
                    self.wrong.extend(self.journal.check_read(place, buf).err());
                }
            }
            Asked::Flush { sent } => {
                self.flushing = false;
                if well {
                    self.journal.is_flushed(sent);
                }
            }
        }
        self.shared.change(|progress| match well {
            true => progress.answered += 1,
            false => progress.failed += 1,
        });
    }
}

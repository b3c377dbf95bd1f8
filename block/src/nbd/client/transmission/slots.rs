//! The commands that are under way, and their names.

use super::ServerError;
use crate::nbd::client::command::Command;
use crate::nbd::client::coverage::{Coverage, Refused};
use crate::nbd::client::violation::Violation;
use crate::nbd::proto::{Extent, MAX_REQUESTS, RequestHeader};

/// A command under way.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) cookie: u64,
    pub(super) command: Command,
    /// A chunk of its reply has come.
    pub(super) touched: bool,
    /// What has come of the data.
    covered: Coverage,
    pub(super) error: Option<ServerError>,
    pub(super) extent: Option<Extent>,
}

/// The commands that are under way. A cookie is the number of the request, counted from 1, times the
/// number of slots, plus the slot: so it says where to look, and one of the past is told from one of
/// now.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: [Option<Slot>; MAX_REQUESTS],
    used: usize,
    begun: u64,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    pub(super) fn is_full(&self) -> bool {
        self.used == MAX_REQUESTS
    }

    pub(super) fn begin(
        &mut self,
        command: Command,
    ) -> Result<(u64, [u8; RequestHeader::LEN]), Command> {
        let Some(index) = self.slots.iter().position(Option::is_none) else {
            return Err(command);
        };
        self.begun += 1;
        let cookie = self.begun * MAX_REQUESTS as u64 + index as u64;
        let header = command.header(cookie).encode();
        self.slots[index] = Some(Slot {
            cookie,
            command,
            touched: false,
            covered: Coverage::default(),
            error: None,
            extent: None,
        });
        self.used += 1;
        Ok((cookie, header))
    }

    /// Which command the server speaks of.
    pub(super) fn find(&self, cookie: u64) -> Result<usize, Violation> {
        let index = (cookie % MAX_REQUESTS as u64) as usize;
        match &self.slots[index] {
            Some(slot) if slot.cookie == cookie => Ok(index),
            _ => Err(Violation::new(format!(
                "a reply to request {cookie:#x} came, which is not under way"
            ))),
        }
    }

    pub(super) fn get(&self, index: usize) -> &Slot {
        let slot = self.slots[index].as_ref();
        slot.expect("the parser stays with a slot until it ends")
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Slot {
        let slot = self.slots[index].as_mut();
        slot.expect("the parser stays with a slot until it ends")
    }

    /// `left` bytes of the buffer of a read, from `at` on.
    pub(super) fn buffer(&mut self, index: usize, at: usize, left: usize) -> &mut [u8] {
        match &mut self.get_mut(index).command {
            Command::Read { buf, .. } => &mut buf[at..at + left],
            _ => &mut [],
        }
    }

    /// Notes that `bytes` of the data, from `at` on, are coming, which lie in the buffer.
    pub(super) fn cover(&mut self, index: usize, at: u64, bytes: u64) -> Result<(), Violation> {
        let slot = self.get_mut(index);
        slot.touched = true;
        slot.covered.add(at, at + bytes).map_err(|refused| {
            Violation::new(match refused {
                Refused::Twice => "the same data came twice",
                Refused::TooMany => "data came in too many pieces",
            })
        })
    }

    /// The first byte of a read's data that has not come.
    pub(super) fn first_gap(&self, index: usize) -> Option<u64> {
        let slot = self.get(index);
        slot.covered.first_gap(slot.command.range().1)
    }

    pub(super) fn take(&mut self, index: usize) -> Slot {
        let slot = self.slots[index].take();
        self.used -= 1;
        slot.expect("the parser stays with a slot until it ends")
    }

    pub(super) fn take_all(&mut self) -> Vec<(u64, Command)> {
        let slots = self.slots.iter_mut().filter_map(Option::take);
        let mut all: Vec<_> = slots.map(|slot| (slot.cookie, slot.command)).collect();
        all.sort_by_key(|(cookie, _)| *cookie);
        self.used = 0;
        all
    }
}

//! What a guest was promised, place by place, and whether a disk keeps it.
//!
//! A place is a block of 4 KiB. What is written to it is a stamp: its place and a number that no other
//! write has, over and over; the number 0 is a block of zeroes. At each place at most one write is under
//! way, so those that were answered have an order.

use std::collections::BTreeMap;

pub(crate) const BLOCK: u64 = 4096;

/// The content of a place.
pub(crate) fn stamp(place: u64, number: u64) -> Vec<u8> {
    match number {
        0 => vec![0; BLOCK as usize],
        _ => [place.to_le_bytes(), number.to_le_bytes()]
            .concat()
            .repeat(BLOCK as usize / 16),
    }
}

/// The number in a content, if it is a whole stamp of that place.
fn number(place: u64, content: &[u8]) -> Option<u64> {
    if content.iter().all(|byte| *byte == 0) {
        return Some(0);
    }
    let number = u64::from_le_bytes(content[8..16].try_into().expect("eight bytes"));
    (number != 0 && content == stamp(place, number)).then_some(number)
}

/// What is known of one place.
#[derive(Debug, Clone, Default)]
struct Place {
    /// The newest number that a completed flush covers.
    flushed: u64,
    /// What was answered after that, in order: when, and the number.
    answered: Vec<(u64, u64)>,
    /// What may be there as well: a write under way, or one that has failed.
    perhaps: Vec<u64>,
}

/// How a disk compares.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Found {
    /// Places that a guest had changed since the last flush, and that show what was there before.
    pub(crate) unflushed_lost: u64,
}

/// The guest's memory.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    places: BTreeMap<u64, Place>,
    answers: u64,
    next: u64,
}

impl Journal {
    /// For a disk that holds `base`.
    pub(crate) fn new(base: &[u8]) -> Journal {
        let places = base
            .chunks(BLOCK as usize)
            .zip(0..)
            .map(|(content, place)| {
                let flushed = number(place, content).expect("it holds stamps");
                let known = Place {
                    flushed,
                    ..Place::default()
                };
                (place, known)
            });
        let places: BTreeMap<u64, Place> = places.collect();
        let next = places.values().map(|place| place.flushed).max();
        Journal {
            places,
            answers: 0,
            next: next.unwrap_or(0) + 1,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    fn place(&mut self, place: u64) -> &mut Place {
        self.places.get_mut(&place).expect("it is on the disk")
    }

    /// A number that nobody has used.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A write is about to be sent.
    pub(crate) fn begins(&mut self, place: u64, number: u64) {
        self.place(place).perhaps.push(number);
    }

    /// A write was answered well: whatever was there before is gone.
    pub(crate) fn is_answered(&mut self, place: u64, number: u64) {
        self.answers += 1;
        let when = self.answers;
        let known = self.place(place);
        known.perhaps.clear();
        known.answered.push((when, number));
    }

    /// What a flush that is sent now will cover.
    pub(crate) fn now(&self) -> u64 {
        self.answers
    }

    /// A flush that was sent at that time was answered well.
    pub(crate) fn is_flushed(&mut self, sent: u64) {
        for known in self.places.values_mut() {
            let covered = known.answered.iter().take_while(|(when, _)| *when <= sent);
            let covered = covered.count();
            if let Some((_, number)) = known.answered.drain(..covered).next_back() {
                known.flushed = number;
            }
        }
    }

    /// Says what is wrong with what a guest has read at a place where nothing is under way.
    pub(crate) fn check_read(&self, place: u64, content: &[u8]) -> Result<(), String> {
        let known = &self.places[&place];
        let newest = known
            .answered
            .last()
            .map_or(known.flushed, |(_, number)| *number);
        match number(place, content) {
            Some(number) if number == newest || known.perhaps.contains(&number) => Ok(()),
            None if !known.perhaps.is_empty() => Ok(()),
            found => Err(format!(
                "read at {place}: {found:?}, and not {newest}: {known:?}"
            )),
        }
    }

    /// Compares a disk after a crash.
    ///
    /// # Errors
    ///
    /// It lacks what was flushed, or shows what nobody has written.
    pub(crate) fn check(&self, disk: &[u8]) -> Result<Found, String> {
        assert_eq!(disk.len() as u64, self.len() * BLOCK);
        let mut found = Found::default();
        for (content, (&place, known)) in disk.chunks(BLOCK as usize).zip(&self.places) {
            let newest = known
                .answered
                .last()
                .map_or(known.flushed, |(_, number)| *number);
            match number(place, content) {
                Some(number) if number == newest || known.perhaps.contains(&number) => {}
                Some(number)
                    if number == known.flushed
                        || known.answered.iter().any(|(_, old)| *old == number) =>
                {
                    found.unflushed_lost += 1;
                }
                // Part of a write that nobody has answered.
                None if !known.perhaps.is_empty() => {}
                other => {
                    let head = &content[..16];
                    return Err(format!("at {place}: {other:?} {head:?}, and not {known:?}"));
                }
            }
        }
        Ok(found)
    }
}

#[test]
fn a_disk_is_judged_by_what_its_guest_was_promised() {
    let mut journal = Journal::new(&vec![0; 3 * BLOCK as usize]);
    let disk = |numbers: [u64; 3]| -> Vec<u8> {
        let stamps = numbers.iter().zip(0..);
        stamps
            .flat_map(|(number, place)| stamp(place, *number))
            .collect()
    };
    let lost = |journal: &Journal, numbers| {
        let found = journal.check(&disk(numbers));
        found.map(|found| found.unflushed_lost).ok()
    };
    journal.begins(0, 1);
    journal.begins(1, 2);
    assert_eq!(lost(&journal, [0, 2, 0]), Some(0), "nothing was promised");
    assert_eq!(lost(&journal, [0, 0, 2]), None, "nobody wrote there");
    journal.is_answered(0, 1);
    let sent = journal.now();
    journal.is_answered(1, 2);
    assert_eq!(lost(&journal, [0, 0, 0]), Some(2));
    journal.is_flushed(sent);
    assert_eq!(lost(&journal, [0, 2, 0]), None, "that was flushed");
    assert_eq!(
        lost(&journal, [1, 0, 0]),
        Some(1),
        "that was too late for the flush"
    );
    let mut torn = disk([1, 2, 0]);
    torn[4095] = 9;
    assert!(journal.check(&torn).is_err());
    journal.begins(0, 3);
    assert!(journal.check(&torn).is_ok());
    assert_eq!(lost(&journal, [3, 2, 0]), Some(0));
    assert!(journal.check_read(1, &stamp(1, 0)).is_err());
    assert!(journal.check_read(1, &stamp(1, 2)).is_ok());
}

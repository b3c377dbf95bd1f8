//! What the content of a disk may be, by what its guests were told.
//!
//! For each unit of the disk the model keeps the values that a read may return. A write that begins adds
//! its own; when it has ended well, every value that was there for good before it began is out. A write
//! that failed may have been done or not, and one that nobody waits for may be done at any time. A read
//! may return whatever was possible at one moment or another while it was under way.

use slab::Slab;

use crate::disk::UNIT_BYTES;

/// The value of a unit that reads as zeroes.
pub const ZERO: u64 = 0;

/// Marks a unit with more than one possible value, with the place of the list in the rest.
const MANY: u64 = u64::MAX << 40;

/// The value that the write `request` gives the place `unit`.
pub fn stamp(request: u32, unit: u64) -> u64 {
    1 << 62 | u64::from(request) << 24 | unit
}

#[derive(Clone, Copy, Debug)]
struct Possible {
    value: u64,
    request: u32,
    /// When the write ended; `NEVER` while it is under way.
    ended: u64,
}

const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Unit {
    possible: Vec<Possible>,
    under_way: u32,
}

/// A write under way.
#[derive(Clone, Copy, Debug)]
struct Write {
    request: u32,
    began: u64,
    first: u64,
    units: u64,
    /// Whether what was there before may also stay: nobody promises what a discard does.
    may_keep: bool,
}

/// A read under way.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    began: u64,
    first: u64,
}

/// A unit that holds what it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// Where it is, in bytes.
    pub offset: u64,
    /// What it holds, in words of the model.
    pub found: String,
    /// What it might hold.
    pub legal: Vec<String>,
}

/// See the module.
pub struct Model {
    /// A value, or `MANY` with the place of a list.
    units: Vec<u64>,
    many: Slab<Unit>,
    writes: Vec<Write>,
    /// Counts beginnings and ends.
    now: u64,
    reads: u32,
    /// What became impossible while reads were under way: unit, value, when.
    gone: Vec<(u64, u64, u64)>,
    spare: Vec<Vec<Possible>>,
}

impl Model {
    /// A disk whose units hold `values`.
    pub fn new(values: impl IntoIterator<Item = u64>) -> Model {
        Model {
            units: values.into_iter().collect(),
            many: Slab::new(),
            writes: Vec::new(),
            now: 0,
            reads: 0,
            gone: Vec::new(),
            spare: Vec::new(),
        }
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// A guest asks for a write: each unit gets what `value` says, or perhaps keeps what it has.
    pub fn begin_write(
        &mut self,
        request: u32,
        (offset, bytes): (u64, u64),
        may_keep: bool,
        value: impl Fn(u64) -> u64,
    ) {
        let began = self.tick();
        let first = offset / UNIT_BYTES;
        let units = bytes.div_ceil(UNIT_BYTES);
        for unit in first..first + units {
            let place = self.open(unit);
            let open = &mut self.many[place];
            open.under_way += 1;
            open.possible.push(Possible {
                value: value(unit),
                request,
                ended: NEVER,
            });
        }
        self.writes.push(Write {
            request,
            began,
            first,
            units,
            may_keep,
        });
    }

    /// The list of the values of a unit.
    fn open(&mut self, unit: u64) -> usize {
        let held = self.units[unit as usize];
        if held & MANY == MANY {
            return (held & !MANY) as usize;
        }
        let mut possible = self.spare.pop().unwrap_or_default();
        possible.clear();
        possible.push(Possible {
            value: held,
            request: 0,
            ended: 0,
        });
        let place = self.many.insert(Unit {
            possible,
            under_way: 0,
        });
        self.units[unit as usize] = MANY | place as u64;
        place
    }

    /// The guest hears that the write was done, or that it failed.
    pub fn end_write(&mut self, request: u32, done: bool) {
        let Some(index) = self
            .writes
            .iter()
            .position(|write| write.request == request)
        else {
            return;
        };
        let write = self.writes.swap_remove(index);
        let ended = self.tick();
        for unit in write.first..write.first + write.units {
            let place = (self.units[unit as usize] & !MANY) as usize;
            let open = &mut self.many[place];
            open.under_way -= 1;
            if done && !write.may_keep {
                let (gone, reads) = (&mut self.gone, self.reads);
                open.possible.retain(|possible| {
                    let stays = possible.request == request || possible.ended >= write.began;
                    if !stays && reads > 0 {
                        gone.push((unit, possible.value, ended));
                    }
                    stays
                });
            }
            for possible in &mut open.possible {
                if possible.request == request {
                    possible.ended = ended;
                }
            }
            self.settle(unit, place);
        }
    }

    /// With one value left and no write under way a unit needs no list.
    fn settle(&mut self, unit: u64, place: usize) {
        let open = &self.many[place];
        if open.under_way == 0 && open.possible.len() == 1 {
            let open = self.many.remove(place);
            self.units[unit as usize] = open.possible[0].value;
            self.spare.push(open.possible);
        }
    }

    /// A guest asks for a read from `offset` on.
    pub fn begin_read(&mut self, offset: u64) -> Reading {
        self.reads += 1;
        Reading {
            began: self.tick(),
            first: offset / UNIT_BYTES,
        }
    }

    /// The guest gets `data`.
    ///
    /// # Errors
    ///
    /// The first unit that holds what it may not.
    pub fn end_read(&mut self, reading: Reading, data: &[u8]) -> Result<(), Illegal> {
        let result = self.check_read(reading, data);
        self.give_read_up(reading);
        result
    }

    /// Whether a read might get `data`, if it ended now.
    fn check_read(&self, reading: Reading, data: &[u8]) -> Result<(), Illegal> {
        for (index, bytes) in data.chunks(UNIT_BYTES as usize).enumerate() {
            let unit = reading.first + index as u64;
            let was_possible = |value| {
                let mut gone = self.gone.iter();
                gone.any(|&(at, old, when)| at == unit && old == value && when > reading.began)
            };
            let value = value_of(bytes);
            let legal =
                value.is_some_and(|value| self.is_possible(unit, value) || was_possible(value));
            if !legal {
                return Err(self.illegal(unit, bytes));
            }
        }
        Ok(())
    }

    /// The same, of units that nobody has been writing to since the read began: the others may hold
    /// anything.
    ///
    /// # Errors
    ///
    /// The first unit that holds what it may not.
    pub fn check_untouched(&self, reading: Reading, data: &[u8]) -> Result<(), Illegal> {
        let gone = self.gone.iter().filter(|it| it.2 > reading.began);
        let touched: std::collections::BTreeSet<u64> = gone.map(|it| it.0).collect();
        let parts = data.chunks(UNIT_BYTES as usize);
        for (unit, bytes) in (reading.first..).zip(parts) {
            let held = self.units[unit as usize];
            let is_settled = held & MANY != MANY && !touched.contains(&unit);
            if is_settled && value_of(bytes) != Some(held) {
                return Err(self.illegal(unit, bytes));
            }
        }
        Ok(())
    }

    /// A read has failed, or nobody waits for it.
    pub fn give_read_up(&mut self, _reading: Reading) {
        self.reads -= 1;
        if self.reads == 0 {
            self.gone.clear();
        }
    }

    fn is_possible(&self, unit: u64, value: u64) -> bool {
        let held = self.units[unit as usize];
        if held & MANY != MANY {
            return held == value;
        }
        let open = &self.many[(held & !MANY) as usize];
        open.possible.iter().any(|possible| possible.value == value)
    }

    fn illegal(&self, unit: u64, bytes: &[u8]) -> Illegal {
        let held = self.units[unit as usize];
        let legal = if held & MANY == MANY {
            let open = &self.many[(held & !MANY) as usize];
            open.possible
                .iter()
                .map(|possible| describe(possible.value))
                .collect()
        } else {
            vec![describe(held)]
        };
        Illegal {
            offset: unit * UNIT_BYTES,
            found: value_of(bytes).map_or_else(|| "parts of several values".to_owned(), describe),
            legal,
        }
    }

    /// Whether all of `disk` is what it may be.
    ///
    /// # Errors
    ///
    /// The first unit that is not.
    pub fn check_all(&self, disk: &[u8]) -> Result<(), Illegal> {
        for (unit, bytes) in disk.chunks(UNIT_BYTES as usize).enumerate() {
            let legal = value_of(bytes).is_some_and(|value| self.is_possible(unit as u64, value));
            // A write under way may have been done in part.
            if !legal && !self.is_being_written(unit as u64 * UNIT_BYTES, 1) {
                return Err(self.illegal(unit as u64, bytes));
            }
        }
        Ok(())
    }

    /// Whether a write to any of the range is under way.
    pub fn is_being_written(&self, offset: u64, bytes: u64) -> bool {
        let (first, last) = (offset / UNIT_BYTES, (offset + bytes - 1) / UNIT_BYTES);
        let mut writes = self.writes.iter();
        writes.any(|write| write.first <= last && first < write.first + write.units)
    }

    /// How many units there are.
    pub fn units(&self) -> usize {
        self.units.len()
    }
}

/// The value of a unit that holds the same word all over.
fn value_of(bytes: &[u8]) -> Option<u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    let first = u64::from_le_bytes(*words.first()?);
    // Without an early end, so that the words are compared several at a time.
    let differ = words.iter().fold(0, |differ, word| {
        differ | (u64::from_le_bytes(*word) ^ first)
    });
    let tail = rest.iter().zip(first.to_le_bytes());
    let same = differ == 0 && tail.into_iter().all(|(a, b)| *a == b);
    same.then_some(first)
}

/// A value in words.
pub fn describe(value: u64) -> String {
    match value >> 62 {
        0 if value == ZERO => "zeroes".to_owned(),
        1 => {
            let (request, unit) = (value >> 24 & 0xffff_ffff, value & 0xff_ffff);
            format!("what request {request} wrote at {}", unit * UNIT_BYTES)
        }
        2 => format!(
            "what was at {} in the beginning",
            (value & 0xff_ffff) * UNIT_BYTES
        ),
        3 => "what the target held before".to_owned(),
        _ => format!("{value:#x}, which nobody wrote"),
    }
}

//! What a guest's disk may hold, by what the guest was told: the simulator's model (`sim/src/model.rs`)
//! without its economies.
//!
//! For each unit it knows the values that a read may return. A write adds its own when it is asked for; when
//! it is answered, what had been there for good before it was asked for is out. A read may return
//! whatever was possible at a moment at which it was under way.

/// The unit in which content is told apart, in bytes.
pub(crate) const UNIT_BYTES: u64 = 128;

/// The value of a unit that reads as zeroes.
pub(crate) const ZERO: u64 = 0;

/// The value that the write `request` gives the unit `unit`.
pub(crate) fn stamp(request: u32, unit: u64) -> u64 {
    1 << 62 | u64::from(request) << 24 | unit
}

/// What the unit `unit` of a source holds before anybody writes.
pub(crate) fn at_first(unit: u64) -> u64 {
    2 << 62 | unit
}

/// What the unit `unit` of a target holds before anybody copies.
pub(crate) fn noise(unit: u64) -> u64 {
    3 << 62 | unit
}

#[derive(Clone, Copy)]
struct Possible {
    value: u64,
    /// 0 for what was there at first.
    request: u32,
    /// When it was answered; none while it is under way.
    ended: Option<u64>,
    /// When it became impossible.
    gone: Option<u64>,
}

struct Write {
    request: u32,
    began: u64,
    first: u64,
    units: u64,
}

/// See the module.
pub(crate) struct Model {
    units: Vec<Vec<Possible>>,
    writes: Vec<Write>,
    /// Counts beginnings and ends.
    now: u64,
    /// When the reads under way began.
    reads: Vec<u64>,
}

impl Model {
    /// A disk of so many units that nobody has written to.
    pub(crate) fn new(units: u64) -> Model {
        let first = |unit| Possible {
            value: at_first(unit),
            request: 0,
            ended: Some(0),
            gone: None,
        };
        Model {
            units: (0..units).map(|unit| vec![first(unit)]).collect(),
            writes: Vec::new(),
            now: 0,
            reads: Vec::new(),
        }
    }

    /// How many units there are.
    pub(crate) fn units(&self) -> u64 {
        self.units.len() as u64
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// A write is asked for: each unit gets what `value` says.
    pub(crate) fn begin_write(
        &mut self,
        request: u32,
        (offset, bytes): (u64, u64),
        value: impl Fn(u64) -> u64,
    ) {
        let began = self.tick();
        let (first, units) = (offset / UNIT_BYTES, bytes / UNIT_BYTES);
        for unit in first..first + units {
            self.units[unit as usize].push(Possible {
                value: value(unit),
                request,
                ended: None,
                gone: None,
            });
        }
        self.writes.push(Write {
            request,
            began,
            first,
            units,
        });
    }

    /// It is answered. One that was not done may have been done in part.
    pub(crate) fn end_write(&mut self, request: u32, done: bool) {
        let index = self.writes.iter().position(|it| it.request == request);
        let Some(index) = index else { return };
        let write = self.writes.swap_remove(index);
        let ended = self.tick();
        let oldest_read = self.reads.iter().copied().min().unwrap_or(ended);
        for unit in write.first..write.first + write.units {
            let possible = &mut self.units[unit as usize];
            for it in possible.iter_mut() {
                if it.request == request {
                    it.ended = Some(ended);
                } else if done && it.gone.is_none() && it.ended.is_some_and(|at| at < write.began) {
                    it.gone = Some(ended);
                }
            }
            possible.retain(|it| it.gone.is_none_or(|at| at > oldest_read));
        }
    }

    /// A read is asked for.
    pub(crate) fn begin_read(&mut self) -> u64 {
        let began = self.tick();
        self.reads.push(began);
        began
    }

    /// The read that began then is over, with nothing read.
    pub(crate) fn give_read_up(&mut self, began: u64) {
        self.reads.retain(|it| *it != began);
    }

    /// The read that began then has returned `data`, from `offset` on.
    ///
    /// # Errors
    ///
    /// The first unit that holds what it may not, in words.
    pub(crate) fn end_read(&mut self, began: u64, offset: u64, data: &[u8]) -> Result<(), String> {
        self.give_read_up(began);
        self.check(offset, data, began)
    }

    /// Whether `disk` is all that it may be at this moment.
    ///
    /// # Errors
    ///
    /// The first unit that is not, in words.
    pub(crate) fn check_all(&self, disk: &[u8]) -> Result<(), String> {
        self.check(0, disk, self.now)
    }

    fn check(&self, offset: u64, data: &[u8], began: u64) -> Result<(), String> {
        let parts = data.chunks(UNIT_BYTES as usize);
        for (unit, bytes) in (offset / UNIT_BYTES..).zip(parts) {
            let value = value_of(bytes);
            let possible = self.units[unit as usize].iter();
            let mut possible = possible.filter(|it| it.gone.is_none_or(|at| at > began));
            if possible.clone().any(|it| Some(it.value) == value) {
                continue;
            }
            let found = value.map_or_else(|| "parts of several values".to_owned(), describe);
            let mut legal = possible.by_ref().map(|it| describe(it.value));
            let legal = legal.by_ref().collect::<Vec<_>>().join(" or ");
            let at = unit * UNIT_BYTES;
            return Err(format!("{found} at {at}, where there may be {legal}"));
        }
        Ok(())
    }
}

/// The value of a unit that holds the same word all over.
fn value_of(bytes: &[u8]) -> Option<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    let first = words.first()?;
    let same = words.iter().all(|word| word == first);
    same.then(|| u64::from_le_bytes(*first))
}

fn describe(value: u64) -> String {
    let at = (value & 0xff_ffff) * UNIT_BYTES;
    match value >> 62 {
        0 if value == ZERO => "zeroes".to_owned(),
        1 => format!("what request {} wrote at {at}", value >> 24 & 0xffff_ffff),
        2 => format!("what was at {at} in the beginning"),
        3 => format!("what the target held at {at} before"),
        _ => format!("{value:#x}, which nobody wrote"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(values: &[u64]) -> Vec<u8> {
        let word = |value: &u64| value.to_le_bytes().repeat(UNIT_BYTES as usize / 8);
        values.iter().flat_map(word).collect()
    }

    #[test]
    fn a_write_under_way_may_be_read_or_not_and_one_that_was_answered_must() {
        let mut model = Model::new(1);
        let (old, new) = (disk(&[at_first(0)]), disk(&[stamp(1, 0)]));
        model.begin_write(1, (0, UNIT_BYTES), |unit| stamp(1, unit));
        assert!(model.check_all(&old).is_ok() && model.check_all(&new).is_ok());
        model.end_write(1, true);
        assert!(model.check_all(&old).is_err() && model.check_all(&new).is_ok());
    }

    #[test]
    fn of_two_writes_at_a_time_either_may_be_last() {
        let mut model = Model::new(1);
        for request in [1, 2] {
            model.begin_write(request, (0, UNIT_BYTES), |unit| stamp(request, unit));
        }
        model.end_write(1, true);
        model.end_write(2, true);
        assert!(model.check_all(&disk(&[stamp(1, 0)])).is_ok());
        assert!(model.check_all(&disk(&[stamp(2, 0)])).is_ok());
        assert!(model.check_all(&disk(&[at_first(0)])).is_err());
    }

    #[test]
    fn a_read_may_return_what_was_overwritten_while_it_was_under_way() {
        let mut model = Model::new(1);
        let old = disk(&[at_first(0)]);
        let early = model.begin_read();
        model.begin_write(1, (0, UNIT_BYTES), |_| ZERO);
        model.end_write(1, true);
        let late = model.begin_read();
        assert!(model.end_read(early, 0, &old).is_ok());
        assert!(model.end_read(late, 0, &old).is_err());
    }
}

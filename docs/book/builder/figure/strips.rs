//! What is dirty and what is in flight, a row for each granule.

use std::collections::BTreeMap;
use std::ops::Range;

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_sim::config::Field;
use blockjob_sim::record::{Record, What};

use super::svg::Drawing;
use crate::failure::Wrong;

const MAX_ROWS: usize = 64;
const MAX_COLUMNS: usize = 100;
const LEFT: f64 = 84.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 620.0;

/// How a granule stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Granule {
    pub(super) dirty: bool,
    /// So many copies or active writes have it.
    pub(super) in_flight: u32,
}

/// How all granules stand from a moment on.
pub(super) struct Moment {
    pub(super) at_ns: u64,
    pub(super) granules: Vec<Granule>,
}

/// The moments of a run at which a granule changes, each with how they stand then.
pub(super) fn moments(record: &Record) -> Vec<Moment> {
    let granularity = record.config.get(Field::Granularity);
    let count = record.config.len_bytes().div_ceil(granularity) as usize;
    let mut granules = vec![Granule::default(); count];
    let rows = |offset: u64, bytes: u64| -> Range<usize> {
        let first = (offset / granularity) as usize;
        let last = ((offset + bytes).div_ceil(granularity)) as usize;
        first.min(count)..last.min(count)
    };
    // Another job would have bits of its own: the first one's are shown.
    let mut bitmap: Option<String> = None;
    let mut job: Option<String> = None;
    let mut moments = vec![Moment {
        at_ns: 0,
        granules: granules.clone(),
    }];
    for entry in &record.entries {
        let before = granules.clone();
        match &entry.what {
            What::Dirty(trace) => {
                let shown = bitmap.get_or_insert_with(|| trace.bitmap.to_string());
                if *shown == *trace.bitmap {
                    for granule in &mut granules[rows(trace.offset, trace.bytes)] {
                        granule.dirty = trace.dirty;
                    }
                }
            }
            What::Mirror(trace)
                if *job.get_or_insert_with(|| trace.job.to_string()) == *trace.job =>
            {
                let (offset, bytes, begins) = match trace.event {
                    MirrorEvent::MirrorIteration { offset, bytes }
                    | MirrorEvent::MirrorActiveBegin { offset, bytes } => (offset, bytes, true),
                    MirrorEvent::MirrorIterationDone { offset, bytes }
                    | MirrorEvent::MirrorActiveEnd { offset, bytes } => (offset, bytes, false),
                    _ => continue,
                };
                for granule in &mut granules[rows(offset, bytes)] {
                    granule.in_flight = match begins {
                        true => granule.in_flight + 1,
                        false => granule.in_flight.saturating_sub(1),
                    };
                }
            }
            _ => continue,
        }
        if granules != before {
            moments.push(Moment {
                at_ns: entry.at_ns,
                granules: granules.clone(),
            });
        }
    }
    moments
}

/// Draws a run.
pub(super) fn draw(record: &Record) -> Result<Drawing, Wrong> {
    let moments = moments(record);
    let rows = moments.first().map_or(0, |moment| moment.granules.len());
    if moments.len() < 2 {
        return Err("nothing becomes dirty in this run".to_owned());
    }
    if rows > MAX_ROWS || moments.len() > MAX_COLUMNS {
        return Err(format!(
            "{rows} granules change {} times, and up to {MAX_ROWS} and {MAX_COLUMNS} can be drawn: choose a smaller run",
            moments.len()
        ));
    }
    Ok(paint(&moments, rows))
}

fn paint(moments: &[Moment], rows: usize) -> Drawing {
    let row = (220.0 / rows as f64).clamp(5.0, 26.0);
    let column = (WIDTH / moments.len() as f64).min(26.0);
    let bottom = TOP + row * rows as f64;
    let width = LEFT + column * moments.len() as f64 + 20.0;
    let mut drawing = Drawing::new("strips", width.max(420.0), bottom + 66.0);
    for granule in 0..rows {
        if rows <= 16 || granule % 8 == 0 {
            let y = TOP + row * (granule as f64 + 0.5) + 4.0;
            drawing.text("name", (LEFT - 8.0, y), &format!("granule {granule}"));
        }
        for (at, moment) in moments.iter().enumerate() {
            let place = (LEFT + column * at as f64, TOP + row * granule as f64);
            let (class, says) = look(moment.granules[granule]);
            let ms = moment.at_ns as f64 / 1e6;
            drawing.rect(
                class,
                place,
                (column - 1.0, row - 1.0),
                &format!("{ms:.3} ms: {says}"),
            );
        }
    }
    let mut written = f64::MIN;
    for (at, moment) in moments.iter().enumerate() {
        let x = LEFT + column * at as f64;
        let news = at == 0 || moments[at - 1].at_ns != moment.at_ns;
        if news && x - written >= 44.0 {
            drawing.text(
                "time",
                (x, bottom + 16.0),
                &format!("{:.3}", moment.at_ns as f64 / 1e6),
            );
            written = x;
        }
    }
    drawing.text(
        "time",
        (LEFT, bottom + 32.0),
        "ms of virtual time; a column for each change",
    );
    for (at, granule) in [(false, 0), (true, 0), (false, 1), (true, 1)]
        .into_iter()
        .enumerate()
    {
        let (dirty, in_flight) = granule;
        let (class, says) = look(Granule { dirty, in_flight });
        let x = LEFT + [0.0, 60.0, 120.0, 200.0][at];
        drawing.rect(class, (x, bottom + 44.0), (12.0, 12.0), "");
        drawing.text("time", (x + 16.0, bottom + 54.0), says);
    }
    drawing.says("What is dirty and what is in flight", &summary(moments));
    drawing
}

fn look(granule: Granule) -> (&'static str, &'static str) {
    match (granule.dirty, granule.in_flight > 0) {
        (false, false) => ("clean", "clean"),
        (true, false) => ("dirty", "dirty"),
        (false, true) => ("flight", "in flight"),
        (true, true) => ("both", "dirty and in flight"),
    }
}

fn summary(moments: &[Moment]) -> String {
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for moment in moments {
        let mut now: BTreeMap<&str, usize> = BTreeMap::new();
        for granule in &moment.granules {
            *now.entry(look(*granule).1).or_default() += 1;
        }
        for (says, count) in now {
            let most = most.entry(says).or_default();
            *most = count.max(*most);
        }
    }
    let parts: Vec<_> = most
        .into_iter()
        .map(|(says, count)| format!("{count} granules {says}"))
        .collect();
    format!(
        "A row for each granule, from left to right in time. At most at one time: {}.",
        parts.join(", ")
    )
}

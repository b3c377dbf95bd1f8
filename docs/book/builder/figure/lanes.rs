//! Who runs, event by event: a lane for each context and coroutine, with the wakes between them.

use blockjob_sim::export::text;
use blockjob_sim::record::{Entry, Record, RuntimeEvent, What};

use super::svg::Drawing;
use crate::failure::Wrong;

/// More events than this are too narrow to be read.
const MAX_COLUMNS: usize = 110;
const COLUMN: f64 = 11.0;
const ROW: f64 = 24.0;
const LEFT: f64 = 170.0;
const TOP: f64 = 92.0;

/// An event of the drawing.
struct Column {
    lane: usize,
    /// What stands above it.
    label: Option<String>,
    /// The lane of the coroutine that is woken.
    wakes: Option<usize>,
    /// The event in full.
    full: String,
}

/// Draws the events of a run, or those from the first that has one text to the next that has the other.
pub(super) fn draw(record: &Record, range: Option<&str>) -> Result<Drawing, Wrong> {
    let texts = texts(record);
    let (first, last) = match range {
        None => (0, texts.len()),
        Some(range) => window(&texts, range)?,
    };
    let mut lanes: Vec<String> = Vec::new();
    let mut columns = Vec::new();
    for (entry, full) in record.entries.iter().zip(&texts).take(last).skip(first) {
        let Some((name, label)) = place(entry) else {
            continue;
        };
        let lane = lane_of(&mut lanes, name);
        let wakes = match entry.what {
            What::Runtime(RuntimeEvent::Wake { serial, .. }) => {
                woken(record, &entry.context, serial).map(|name| lane_of(&mut lanes, name))
            }
            _ => None,
        };
        columns.push(Column {
            lane,
            label,
            wakes,
            full: full.clone(),
        });
    }
    if columns.is_empty() || columns.len() > MAX_COLUMNS {
        return Err(format!(
            "{} events are to be drawn, and up to {MAX_COLUMNS} can be: choose them with 'from TEXT to TEXT'",
            columns.len()
        ));
    }
    Ok(paint(&lanes, &columns))
}

/// The events as `blockjob sim trace` writes them, one a line, without its heading.
fn texts(record: &Record) -> Vec<String> {
    let text = text::export(record);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
    debug_assert_eq!(lines.len(), record.entries.len());
    lines
}

fn window(texts: &[String], range: &str) -> Result<(usize, usize), Wrong> {
    let (from, to) = range
        .split_once(" to ")
        .ok_or_else(|| format!("'{range}' is no range: write from TEXT to TEXT"))?;
    let first = texts.iter().position(|text| text.contains(from.trim()));
    let first = first.ok_or_else(|| format!("no event has '{from}'"))?;
    let last = texts[first + 1..]
        .iter()
        .position(|text| text.contains(to.trim()));
    let last = last.ok_or_else(|| format!("no event after that with '{from}' has '{to}'"))?;
    Ok((first, first + last + 2))
}

/// In whose lane an event is, and what stands above it; none for what is not drawn.
fn place(entry: &Entry) -> Option<(String, Option<String>)> {
    let who = match &entry.coroutine {
        Some(who) => who.to_string(),
        None => format!("{} (loop)", entry.context),
    };
    let flat = entry.what.flat();
    let label = match &entry.what {
        What::Runtime(event) => match event {
            RuntimeEvent::BottomHalf { name } => Some(format!("bh {name}")),
            RuntimeEvent::Timer { name } => Some(format!("timer {name}")),
            RuntimeEvent::EventSource { name } => Some(format!("event {name}")),
            RuntimeEvent::Enter { coroutine, .. } => {
                return Some((format!("{}/{coroutine}", entry.context), None));
            }
            _ => None,
        },
        What::Mirror(trace) => match trace.event {
            blockjob_jobs::mirror::steps::MirrorEvent::Step(step) => Some(step.to_string()),
            _ => return None,
        },
        What::Job(_) => Some(flat.kind.trim_start_matches("job-").to_owned()),
        What::Block(_) if flat.kind.starts_with("drain") => Some(flat.kind.to_owned()),
        What::Disk(event) => {
            let label = format!(
                "{} {}",
                flat.kind,
                format!("{:?}", event.kind).to_lowercase()
            );
            return Some((format!("disk {}", event.disk), Some(label)));
        }
        What::Guest(event) => {
            return Some((format!("guest {}", event.guest), Some(flat.kind.to_owned())));
        }
        What::Monitor(event) => {
            return Some((
                "monitor".to_owned(),
                Some(format!("{:?}", event.verb).to_lowercase()),
            ));
        }
        _ => return None,
    };
    Some((who, label))
}

fn lane_of(lanes: &mut Vec<String>, name: String) -> usize {
    let known = lanes.iter().position(|lane| *lane == name);
    known.unwrap_or_else(|| {
        lanes.push(name);
        lanes.len() - 1
    })
}

/// The coroutine of a context that has this serial.
fn woken(record: &Record, context: &str, serial: u64) -> Option<String> {
    record.entries.iter().find_map(|entry| match entry.what {
        What::Runtime(RuntimeEvent::Create { coroutine })
            if coroutine.serial == serial && &*entry.context == context =>
        {
            Some(format!("{context}/{coroutine}"))
        }
        _ => None,
    })
}

fn paint(lanes: &[String], columns: &[Column]) -> Drawing {
    let width = LEFT + COLUMN * columns.len() as f64 + 60.0;
    let height = TOP + ROW * lanes.len() as f64 + 8.0;
    let mut drawing = Drawing::new("lanes", width, height);
    let middle = |lane: usize| TOP + ROW * (lane as f64 + 0.5);
    let x_of = |at: usize| LEFT + COLUMN * at as f64;
    for (lane, name) in lanes.iter().enumerate() {
        drawing.path(
            "lane",
            &[(LEFT, middle(lane)), (width - 60.0, middle(lane))],
        );
        drawing.text("name", (LEFT - 8.0, middle(lane) + 4.0), name);
    }
    for (at, column) in columns.iter().enumerate() {
        let y = middle(column.lane);
        if let Some(before) = at.checked_sub(1).map(|before| &columns[before])
            && before.lane != column.lane
        {
            drawing.path("control", &[(x_of(at), middle(before.lane)), (x_of(at), y)]);
        }
        drawing.rect("runs", (x_of(at), y - 7.0), (COLUMN, 14.0), &column.full);
        if let Some(label) = &column.label {
            drawing.path(
                "lead",
                &[(x_of(at) + 5.5, TOP - 4.0), (x_of(at) + 5.5, y - 7.0)],
            );
            drawing.slanted("label", (x_of(at) + 8.0, TOP - 8.0), label);
        }
        if let Some(to) = column.wakes {
            let x = x_of(at) + COLUMN / 2.0;
            let over = (x + 22.0, (y + middle(to)) / 2.0);
            drawing.bend("wake", [(x, y), over, (x + 4.0, middle(to))]);
        }
    }
    drawing.says(
        "Who runs, event by event",
        &format!(
            "{} events from left to right in {} lanes: {}. A block is an event in the lane of who ran; a dashed line is a wake.",
            columns.len(),
            lanes.len(),
            lanes.join(", ")
        ),
    );
    drawing
}

//! The states of a job, from the table in `jobs/src/state.rs`, with the way that a job took.

use blockjob_jobs::state::{JobStatus, can_transition};
use blockjob_jobs::trace::JobTraceKind;
use blockjob_sim::record::{Record, What};

use super::svg::Drawing;
use crate::failure::Wrong;

const BOX: (f64, f64) = (88.0, 30.0);

/// Where the box of a state stands.
const fn place(status: JobStatus) -> (f64, f64) {
    use JobStatus as S;
    match status {
        S::Undefined => (10.0, 90.0),
        S::Created => (130.0, 90.0),
        S::Running => (250.0, 90.0),
        S::Paused => (250.0, 10.0),
        S::Ready => (370.0, 90.0),
        S::Standby => (370.0, 10.0),
        S::Waiting => (490.0, 90.0),
        S::Pending => (610.0, 90.0),
        S::Aborting => (370.0, 200.0),
        S::Concluded => (610.0, 200.0),
        S::Null => (250.0, 280.0),
    }
}

/// Draws the table, with the way of the first job of a run.
pub(super) fn draw(record: &Record) -> Result<Drawing, Wrong> {
    let way = way(record);
    if way.is_empty() {
        return Err("no job changes its state in this run".to_owned());
    }
    let mut drawing = Drawing::new("states", 720.0, 330.0);
    for from in JobStatus::ALL {
        for to in JobStatus::ALL {
            if can_transition(from, to) && from != to {
                let steps: Vec<_> = (1..)
                    .zip(&way)
                    .filter(|(_, step)| **step == (from, to))
                    .collect();
                arrow(
                    &mut drawing,
                    from,
                    to,
                    &steps.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
                );
            }
        }
    }
    for status in JobStatus::ALL {
        let (x, y) = place(status);
        let taken = way
            .iter()
            .any(|(from, to)| *from == status || *to == status);
        drawing.rect(if taken { "taken state" } else { "state" }, (x, y), BOX, "");
        drawing.text("middle", (x + BOX.0 / 2.0, y + 20.0), status.as_str());
    }
    let names: Vec<_> = way.iter().map(|(_, to)| to.as_str()).collect();
    drawing.says(
        "The states of a job, and the way that this one took",
        &format!("The job went from {} to {}.", way[0].0, names.join(", to ")),
    );
    Ok(drawing)
}

/// The changes of state of the first job of a run.
fn way(record: &Record) -> Vec<(JobStatus, JobStatus)> {
    let mut first = None;
    let mut way = Vec::new();
    for entry in &record.entries {
        if let What::Job(trace) = &entry.what
            && let JobTraceKind::Status { from, to } = trace.what
            && *first.get_or_insert_with(|| trace.job.clone()) == trace.job
        {
            way.push((from, to));
        }
    }
    way
}

fn arrow(drawing: &mut Drawing, from: JobStatus, to: JobStatus, steps: &[usize]) {
    let centre = |status| {
        let (x, y) = place(status);
        (x + BOX.0 / 2.0, y + BOX.1 / 2.0)
    };
    let ((x0, y0), (x1, y1)) = (centre(from), centre(to));
    let (dx, dy) = (x1 - x0, y1 - y0);
    let length = dx.hypot(dy);
    // Two arrows between the same boxes stand apart, and one that jumps over a box goes around it.
    let side = match (from, to) {
        _ if can_transition(to, from) => 12.0,
        (JobStatus::Running, JobStatus::Waiting) => 48.0,
        _ => 0.0,
    };
    let (nx, ny) = (-dy / length, dx / length);
    let over = ((x0 + x1) / 2.0 + nx * side, (y0 + y1) / 2.0 + ny * side);
    // It begins and ends inside of the boxes, however far it goes around.
    let apart = (side * 0.5).min(6.0);
    let begin = edge((x0 + nx * apart, y0 + ny * apart), over);
    let end = edge((x1 + nx * apart, y1 + ny * apart), over);
    let class = if steps.is_empty() {
        "arrow"
    } else {
        "taken arrow"
    };
    drawing.bend(class, [begin, over, end]);
    let (hx, hy) = (end.0 - over.0, end.1 - over.1);
    let reach = hx.hypot(hy).max(1.0);
    let (hx, hy) = (hx / reach * 7.0, hy / reach * 7.0);
    drawing.path(
        class,
        &[
            (end.0 - hx - hy * 0.5, end.1 - hy + hx * 0.5),
            end,
            (end.0 - hx + hy * 0.5, end.1 - hy - hx * 0.5),
        ],
    );
    if !steps.is_empty() {
        let numbers: Vec<_> = steps.iter().map(ToString::to_string).collect();
        drawing.text(
            "step",
            (over.0 + ny.abs() * -4.0 + 4.0, over.1 - 4.0),
            &numbers.join(", "),
        );
    }
}

/// Where the way from the middle of a box to a point leaves the box.
fn edge(middle: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (to.0 - middle.0, to.1 - middle.1);
    let out = |reach: f64, along: f64| match along == 0.0 {
        true => f64::INFINITY,
        false => reach / along.abs(),
    };
    let part = out(BOX.0 / 2.0 - 4.0, dx)
        .min(out(BOX.1 / 2.0 - 4.0, dy))
        .min(1.0);
    (middle.0 + dx * part, middle.1 + dy * part)
}

//! The dirty bytes over virtual time, of one scenario under several settings.

use std::path::Path;

use blockjob_sim::config::Field;
use blockjob_sim::record::Record;

use super::case;
use super::strips::moments;
use super::svg::Drawing;
use crate::failure::Wrong;

const LEFT: f64 = 60.0;
const TOP: f64 = 14.0;
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 220.0;
/// As many colours as there are.
const MAX_CURVES: usize = 5;

/// A run: what it is called, and its dirty bytes from moments on.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws `CASE vary FIELD=A,B,.. [until MS]`.
pub(super) fn draw(root: &Path, words: &str) -> Result<Drawing, Wrong> {
    let (words, until_ms) = match words.split_once(" until ") {
        None => (words, None),
        Some((words, ms)) => {
            let ms = ms.trim();
            let parsed = ms.parse::<f64>().ok().filter(|ms| *ms > 0.0);
            (
                words,
                Some(parsed.ok_or_else(|| format!("'{ms}' is no number of milliseconds"))?),
            )
        }
    };
    let expected = "write {{#figure curve SCENARIO@SEED vary FIELD=A,B}}";
    let (name, vary) = words.split_once(" vary ").ok_or(expected)?;
    let (scenario, seed) = case::seeded(name.trim()).ok_or(expected)?;
    let (field, values) = vary.trim().split_once('=').ok_or(expected)?;
    let key = field;
    let field = Field::parse(key).map_err(|error| error.to_string())?;
    let config = case::config(root, scenario, seed)?;
    let mut curves = Vec::new();
    for text in values.split(',') {
        let value = field.parse_value(text).map_err(|error| error.to_string())?;
        let config = config.clone().with(field, value);
        config.check().map_err(|error| error.to_string())?;
        let record = case::of_config(&config, seed, None)?;
        if let Some(failure) = &record.report.failure {
            return Err(format!("the run with {key}={text} fails: {failure}"));
        }
        curves.push(Curve {
            name: format!("{key}={text}"),
            points: points(&record),
        });
    }
    if curves.len() > MAX_CURVES {
        return Err(format!(
            "{} values are given, and up to {MAX_CURVES} can be drawn",
            curves.len()
        ));
    }
    Ok(paint(&curves, until_ms))
}

fn points(record: &Record) -> Vec<(f64, f64)> {
    let granularity = record.config.get(Field::Granularity) as f64;
    let points = moments(record).into_iter().map(|moment| {
        let dirty = moment
            .granules
            .iter()
            .filter(|granule| granule.dirty)
            .count();
        (
            moment.at_ns as f64 / 1e6,
            dirty as f64 * granularity / 1024.0,
        )
    });
    points.collect()
}

fn paint(curves: &[Curve], until_ms: Option<f64>) -> Drawing {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let most = all().map(|(_, kib)| *kib).fold(1.0, f64::max);
    let last = all().map(|(ms, _)| *ms).fold(0.001, f64::max);
    let last = until_ms.unwrap_or(last);
    let x_of = |ms: f64| LEFT + WIDTH * ms.min(last) / last;
    let y_of = |kib: f64| TOP + HEIGHT * (1.0 - kib / most);
    let legend = TOP + HEIGHT + 46.0;
    let height = legend + 18.0 * curves.len() as f64;
    let mut drawing = Drawing::new("curve", LEFT + WIDTH + 30.0, height);
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        drawing.path(
            "lane",
            &[
                (LEFT, y_of(most * share)),
                (LEFT + WIDTH, y_of(most * share)),
            ],
        );
        drawing.text(
            "name",
            (LEFT - 6.0, y_of(most * share) + 4.0),
            &format!("{:.1}", most * share),
        );
        drawing.text(
            "middle time",
            (x_of(last * share), TOP + HEIGHT + 16.0),
            &format!("{:.1}", last * share),
        );
    }
    drawing.text(
        "time",
        (LEFT, TOP + HEIGHT + 32.0),
        "KiB dirty over ms of virtual time",
    );
    let mut sentences = Vec::new();
    for (at, curve) in curves.iter().enumerate() {
        let class = format!("line line{at}");
        let mut steps = Vec::new();
        let mut before = 0.0;
        for &(ms, kib) in curve.points.iter().filter(|(ms, _)| *ms <= last) {
            steps.push((x_of(ms), y_of(before)));
            steps.push((x_of(ms), y_of(kib)));
            before = kib;
        }
        steps.push((x_of(last), y_of(before)));
        drawing.path(&class, &steps);
        let y = legend + 18.0 * at as f64;
        drawing.path(&class, &[(LEFT, y), (LEFT + 24.0, y)]);
        let clean = curve
            .points
            .iter()
            .find(|(ms, kib)| *ms > 0.0 && *kib == 0.0);
        let says = match clean {
            Some((ms, _)) => format!(
                "{}: nothing is dirty for the first time at {ms:.3} ms",
                curve.name
            ),
            None => format!("{}: something is dirty all the time", curve.name),
        };
        drawing.text("time", (LEFT + 30.0, y + 4.0), &says);
        sentences.push(says);
    }
    drawing.says(
        "Dirty bytes over time",
        &format!("{}.", sentences.join(". ")),
    );
    drawing
}

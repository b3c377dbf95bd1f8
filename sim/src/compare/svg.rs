//! A comparison as a picture: for each metric the share of runs below each value.
//!
//! The picture draws no text itself: that is left to whoever shows it, in a font of his. Lines and texts
//! have the colour of the text around them, and the curves have colours that stand out from white and
//! from black.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::report::{ComparisonReport, MetricReport};

/// The size of a panel in pixels.
const PANEL: (u32, u32) = (360, 240);
/// Panels side by side, at most.
const COLUMNS: usize = 3;
/// The height of a line of the legend.
const LEGEND_LINE: u32 = 24;
/// What stands for the colour of text until the picture is finished.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_TEXT: &str = "#010203";
/// The class that the picture's own style is for, so that it touches nothing else on a page.
const CLASS: &str = "blockjob-comparison";
/// From this ratio between the greatest and the least value on, values are drawn by their logarithms.
const LOG_RATIO: f64 = 50.0;

/// The colours of alternatives, each with as much contrast to white as to black as there can be.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x3b, 0x82, 0xc4),
    RGBColor(0xd0, 0x6f, 0x1e),
    RGBColor(0x2c, 0x97, 0x6a),
    RGBColor(0xb0, 0x5f, 0xc0),
    RGBColor(0xcc, 0x4f, 0x55),
    RGBColor(0x84, 0x84, 0x84),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

impl ComparisonReport {
    /// A picture: one panel for each metric whose values are not all the same, and in it one curve for
    /// each alternative, the share of runs whose value is not above that on the axis.
    pub fn svg(&self) -> String {
        let panels: Vec<_> = self.metrics.iter().filter(|it| it.varies()).collect();
        let columns = panels.len().clamp(1, COLUMNS);
        let rows = panels.len().div_ceil(columns);
        let head = LEGEND_LINE * (self.alternatives.len() as u32 + 2);
        let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32 + head);
        let mut picture = String::new();
        let drawn = self.draw(&mut picture, size, &panels, (rows, columns));
        drawn.expect("a picture that is a text can always be drawn");
        finish(&picture, &self.title())
    }

    fn title(&self) -> String {
        let Range { start, end } = self.seeds;
        format!("{}, seeds {start}..{end}", self.scenario)
    }

    fn draw<'a>(
        &self,
        picture: &'a mut String,
        size: (u32, u32),
        panels: &[&MetricReport],
        grid: (usize, usize),
    ) -> Drawn<'a> {
        let root = SVGBackend::with_string(picture, size).into_drawing_area();
        let (head, body) =
            root.split_vertically(LEGEND_LINE * (self.alternatives.len() as u32 + 2));
        self.draw_legend(&head)?;
        for (area, it) in body.split_evenly(grid).iter().zip(panels) {
            draw_panel(area, it)?;
        }
        root.present()
    }

    fn draw_legend<'a>(&self, area: &Area<'a>) -> Drawn<'a> {
        let line = LEGEND_LINE as i32;
        let heading = ("sans-serif", 20).into_font().style(FontStyle::Bold);
        area.draw(&Text::new(self.title(), (12, 8), heading.color(&INK)))?;
        for (place, name) in self.alternatives.iter().enumerate() {
            let top = line * (place as i32 + 1) + 8;
            let stroke = vec![(12, top + 6), (40, top + 6)];
            area.draw(&PathElement::new(stroke, colour(place).stroke_width(3)))?;
            area.draw(&Text::new(name.clone(), (48, top), label_style(17)))?;
        }
        Ok(())
    }
}

fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

/// Texts come out at four fifths of their size.
fn label_style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn draw_panel<'a>(area: &Area<'a>, it: &MetricReport) -> Drawn<'a> {
    let axis = Axis::of(it);
    let mut chart = ChartBuilder::on(area)
        .caption(it.metric.title, label_style(18))
        .margin(10)
        .x_label_area_size(42)
        .y_label_area_size(54)
        .build_cartesian_2d(axis.range.clone(), 0.0..1.0)?;
    let unit = match it.scale().name {
        "" => "index",
        name => name,
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.15))
        .axis_style(INK.mix(0.6))
        .label_style(label_style(14))
        .axis_desc_style(label_style(15))
        .x_labels(5)
        .y_labels(5)
        .x_desc(if axis.log {
            format!("{unit}, log scale")
        } else {
            unit.to_owned()
        })
        .y_desc("share of runs")
        .x_label_formatter(&|place| axis.label(*place))
        .y_label_formatter(&|share| format!("{share:.2}"))
        .draw()?;
    let alternatives = it.values.len() as u32;
    for (place, values) in it.values.iter().enumerate() {
        // The first ones are wider, and so can be seen below others that are the same.
        let width = (2 * (alternatives - place as u32)).min(8);
        let curve = LineSeries::new(axis.curve(values), colour(place).stroke_width(width));
        chart.draw_series(curve)?;
    }
    Ok(())
}

/// How values become places on the horizontal axis.
struct Axis {
    /// By their logarithms.
    log: bool,
    /// From where to where.
    range: Range<f64>,
    factor: f64,
}

impl Axis {
    fn of(it: &MetricReport) -> Axis {
        let all = || it.values.iter().flatten().copied();
        let least = all().fold(f64::INFINITY, f64::min);
        let greatest = all().fold(f64::NEG_INFINITY, f64::max);
        let mut axis = Axis {
            log: least > 0.0 && greatest > least * LOG_RATIO,
            range: 0.0..1.0,
            factor: it.scale().factor,
        };
        let (from, to) = (axis.place(least), axis.place(greatest));
        // So that the first step and the last one can be seen.
        let margin = match (to - from) * 0.04 {
            margin if margin > 0.0 => margin,
            // An axis of no length would have labels without end.
            _ => 0.5,
        };
        axis.range = from - margin..to + margin;
        axis
    }

    fn place(&self, value: f64) -> f64 {
        match self.log {
            true => (value / self.factor).log10(),
            false => value / self.factor,
        }
    }

    fn label(&self, place: f64) -> String {
        let value = if self.log { 10_f64.powf(place) } else { place };
        let shown = value.abs().max((self.range.end - self.range.start) / 10.0);
        let decimals = match shown {
            shown if shown >= 100.0 => 0,
            shown if shown >= 10.0 => 1,
            shown if shown >= 1.0 => 2,
            _ => 3,
        };
        format!("{value:.decimals$}")
    }

    /// The steps of the share of `values` that are not above a value.
    fn curve(&self, values: &[f64]) -> Vec<(f64, f64)> {
        let mut sorted: Vec<_> = values.iter().map(|value| self.place(*value)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut steps = vec![(self.range.start, 0.0)];
        let mut share = 0.0;
        for (below, place) in sorted.iter().enumerate() {
            steps.push((*place, share));
            share = (below + 1) as f64 / sorted.len() as f64;
            steps.push((*place, share));
        }
        steps.push((self.range.end, share));
        // Values that are equal make one step.
        steps.dedup();
        steps
    }
}

/// Gives the picture its style: text as the page has it, dark on light or light on dark.
fn finish(picture: &str, title: &str) -> String {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let style = format!(
        "<title>{title}</title>\n<style>.{CLASS}{{color:#1c1c20;background:#ffffff;max-width:100%;height:auto}}\
         @media(prefers-color-scheme:dark){{.{CLASS}{{color:#e6e6ea;background:#17171a}}}}</style>"
    );
    let picture = picture.replacen("<svg ", &format!("<svg class=\"{CLASS}\" role=\"img\" "), 1);
    let picture = picture.replace(INK_TEXT, "currentColor");
    let head = picture
        .find("<svg ")
        .and_then(|at| Some(at + picture[at..].find('>')? + 1));
    match head {
        Some(head) => format!("{}\n{style}{}", &picture[..head], &picture[head..]),
        None => picture,
    }
}

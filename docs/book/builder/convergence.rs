//! `{{#convergence}}`: how much is left to copy, over time, for a grid of guests, speeds, granularities and
//! copy modes, with controls to choose among them.
//!
//! Every curve is a run of the engine, made while the book is built. The page looks them up, and computes
//! nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use blockjob_sim::config::Config;
use blockjob_sim::measure::{Measurer, Schedule, Streams};

use crate::failure::Wrong;

/// What the page shows and does, with a place for the curves.
const PAGE: &str = include_str!("convergence.html");

/// Where in the page the curves go.
const PLACE: &str = "CURVES";

/// Writes of the guest in a second; each is one of 512 bytes, at any place of the disk.
const GUEST_PER_S: [u64; 6] = [0, 100, 200, 400, 800, 1600];

/// The speed limit of the copy, in KiB in a second.
const COPY_KIB_PER_S: [u64; 5] = [96, 128, 256, 512, 1024];

/// Bytes of a granule.
const GRANULARITY: [u64; 4] = [512, 1024, 2048, 4096];

/// As the configuration has them.
const MODES: [&str; 2] = ["background", "write-blocking"];

const DISK_BYTES: u64 = 256 << 10;
const LATENCY_NS: u64 = 100_000;
const NS_PER_S: u64 = 1_000_000_000;

/// So long the guest writes.
const GUEST_SECONDS: u64 = 4;

/// A curve has so many points, evenly over the guest's time.
const POINTS: u64 = 80;

/// One run.
#[derive(Clone, Copy, Debug)]
struct Setting {
    guest_per_s: u64,
    copy_kib_per_s: u64,
    granularity: u64,
    mode: &'static str,
}

/// What one run came to.
#[derive(Debug, PartialEq, Eq)]
struct Curve {
    /// When it was READY, in milliseconds, if the guest was still at it.
    ready_ms: Option<u64>,
    /// The median of what a write took, in microseconds.
    latency_us: u64,
    /// Dirty units of 512 bytes.
    dirty: Vec<u64>,
}

impl Setting {
    /// All of them, in the order in which the page looks for them.
    fn all() -> impl Iterator<Item = Setting> {
        MODES.into_iter().flat_map(|mode| {
            GRANULARITY.into_iter().flat_map(move |granularity| {
                COPY_KIB_PER_S.into_iter().flat_map(move |copy_kib_per_s| {
                    GUEST_PER_S.into_iter().map(move |guest_per_s| Setting {
                        guest_per_s,
                        copy_kib_per_s,
                        granularity,
                        mode,
                    })
                })
            })
        })
    }

    fn config(&self) -> String {
        // A guest rests for a half of the longest rest on average, and its write takes as long as the
        // disk does.
        let rest_ns = match self.guest_per_s {
            0 => 0,
            rate => 2 * (NS_PER_S / rate).saturating_sub(LATENCY_NS),
        };
        format!(
            "granules={},granularity={},copymode={},speed={},guests={},requests={},span=1,step=4,rest={rest_ns},\
             latency={LATENCY_NS},tlatency={},maxio=1,tfill=noise,steps=10000000",
            DISK_BYTES / self.granularity,
            self.granularity,
            self.mode,
            self.copy_kib_per_s << 10,
            u64::from(self.guest_per_s > 0),
            self.guest_per_s * GUEST_SECONDS,
            4 * LATENCY_NS,
        )
    }

    fn curve(&self, measurer: &mut Measurer) -> Result<Curve, Wrong> {
        let told = self.config();
        let config = Config::parse(&told).map_err(|error| format!("{told}: {error}"))?;
        let measured = measurer.measure(&config, Box::new(Streams::new(1, &Schedule::Random)));
        let metrics = measured
            .metrics
            .ok_or_else(|| format!("the run {told} breaks off: {:?}", measured.report.failure))?;
        let job = &metrics.jobs[0];
        let guest_ns = match self.guest_per_s {
            0 => GUEST_SECONDS * NS_PER_S,
            _ => metrics.all_guests.active_ns,
        };
        let ready_ns = job.ready_after_ns.filter(|ready_ns| *ready_ns < guest_ns);
        let at = |time_ns: u64| {
            let points = &job.dirty_bytes.points;
            let after = points.partition_point(|(point_ns, _)| *point_ns <= time_ns);
            points[..after]
                .last()
                .map_or(DISK_BYTES, |(_, bytes)| *bytes)
        };
        let times = (0..POINTS).map(|point| point * GUEST_SECONDS * NS_PER_S / POINTS);
        let latency_us = metrics.all_guests.latency_ns.as_ref();
        Ok(Curve {
            ready_ms: ready_ns.map(|ready_ns| ready_ns / 1_000_000),
            latency_us: latency_us.map_or(0, |quantiles| quantiles.p50 / 1000),
            dirty: times.map(|time_ns| at(time_ns) / 512).collect(),
        })
    }
}

impl Curve {
    fn json(&self) -> String {
        let ready = self.ready_ms.map_or("null".to_owned(), |ms| ms.to_string());
        let dirty: Vec<_> = self.dirty.iter().map(u64::to_string).collect();
        format!("[{ready},{},[{}]]", self.latency_us, dirty.join(","))
    }
}

/// The curves of all these settings, in their order. The runs share nothing, so each processor makes some.
fn curves(settings: &[Setting]) -> Result<Vec<Curve>, Wrong> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut measurer = Measurer::new();
        let mut made = Vec::new();
        while let Some((at, setting)) = take(&next, settings) {
            made.push((at, setting.curve(&mut measurer)));
        }
        made
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut made: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().flat_map(|worker| {
            worker
                .join()
                .expect("a run reports its failures and does not panic")
        });
        joined.collect()
    });
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, curve)| curve).collect()
}

/// The next setting that nobody has taken, with its place in the list.
fn take<'a>(next: &AtomicUsize, settings: &'a [Setting]) -> Option<(usize, &'a Setting)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, settings.get(at)?))
}

/// The page's part, with all curves.
pub(crate) fn make() -> Result<String, Wrong> {
    let settings: Vec<_> = Setting::all().collect();
    Ok(page(&curves(&settings)?))
}

fn page(curves: &[Curve]) -> String {
    let curves: Vec<_> = curves.iter().map(Curve::json).collect();
    let data = format!(
        "{{\"guest\":{GUEST_PER_S:?},\"copy\":{COPY_KIB_PER_S:?},\"granularity\":{GRANULARITY:?},\
         \"mode\":{MODES:?},\"seconds\":{GUEST_SECONDS},\"disk\":{},\"curves\":[{}]}}",
        DISK_BYTES / 512,
        curves.join(",")
    );
    // A blank line would end the HTML for Markdown.
    PAGE.replace(PLACE, &data)
        .lines()
        .filter(|line| !line.trim().is_empty())
        .fold(String::new(), |page, line| page + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(guest_per_s: u64, mode: &'static str) -> Curve {
        let setting = Setting {
            guest_per_s,
            copy_kib_per_s: 256,
            granularity: 512,
            mode,
        };
        setting
            .curve(&mut Measurer::new())
            .expect("it comes to an end")
    }

    #[test]
    fn a_guest_that_is_faster_than_the_copy_is_caught_in_write_blocking_mode_alone() {
        assert_eq!(curve(1600, MODES[0]).ready_ms, None);
        assert!(curve(1600, MODES[1]).ready_ms.is_some());
    }

    #[test]
    fn a_curve_falls_from_the_whole_disk_to_nothing_where_nobody_writes() {
        let curve = curve(0, MODES[0]);
        // Before any time has passed, the job has taken as many granules as may be in flight.
        assert_eq!(curve.dirty.first(), Some(&(DISK_BYTES / 512 - 16)));
        assert_eq!(curve.dirty.last(), Some(&0));
        assert!(curve.dirty.is_sorted_by(|earlier, later| earlier >= later));
    }

    #[test]
    fn the_curves_come_in_the_order_of_the_settings_whoever_has_made_them() {
        let settings: Vec<_> = Setting::all().take(4).collect();
        let mut measurer = Measurer::new();
        let alone = settings.iter().map(|setting| setting.curve(&mut measurer));
        assert_eq!(curves(&settings), alone.collect());
    }

    #[test]
    fn the_page_has_a_curve_for_each_setting_and_no_blank_line() {
        let curves: Vec<_> = Setting::all()
            .map(|setting| Curve {
                ready_ms: None,
                latency_us: 100,
                dirty: vec![setting.guest_per_s],
            })
            .collect();
        assert_eq!(
            curves.len(),
            GUEST_PER_S.len() * COPY_KIB_PER_S.len() * GRANULARITY.len() * MODES.len()
        );
        let page = page(&curves);
        // Each ends with its points; the last one's end is that of the list, too.
        assert_eq!(page.matches("]]").count(), curves.len());
        assert!(!page.contains("\n\n"));
    }
}

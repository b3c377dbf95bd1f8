//! Whether a mirror catches up with whoever writes to its disk: for queries, and in words.

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::mirror::convergence::Forecast;
use blockjob_jobs::mirror::{Limit, MirrorJob};

use crate::qapi::types::convergence::{XMirrorConvergence, XMirrorForecast, XMirrorLimit};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_US: u64 = 1_000;
const MS_PER_S: u64 = 1_000;

/// What `query-block-jobs` says of it.
pub fn convergence(mirror: &MirrorJob) -> XMirrorConvergence {
    let seen = mirror.convergence();
    let stats = mirror.stats();
    XMirrorConvergence {
        mode: seen.mode,
        asked_mode: seen.asked_mode,
        dirty_bytes: seen.dirty_bytes,
        in_flight_bytes: seen.in_flight_bytes,
        copied_bytes: stats.copied_bytes,
        recopied_bytes: stats.recopied_bytes,
        active_bytes: stats.active_bytes,
        dirty_rate: seen.rates.map(|rates| rates.dirty),
        copy_rate: seen.rates.map(|rates| rates.copy),
        forecast: match seen.forecast {
            Forecast::Unknown => XMirrorForecast::Unknown,
            Forecast::Ready => XMirrorForecast::Ready,
            Forecast::ReadyIn { .. } => XMirrorForecast::ReadyIn,
            Forecast::Diverges { .. } => XMirrorForecast::Diverges,
            Forecast::KeepsUp => XMirrorForecast::KeepsUp,
            Forecast::Stalled => XMirrorForecast::Stalled,
            Forecast::Waits => XMirrorForecast::Waits,
        },
        ready_in_ms: match seen.forecast {
            Forecast::ReadyIn { ns } => Some(ns.div_ceil(NS_PER_MS)),
            _ => None,
        },
        limited_by: seen.limit.map(|limit| match limit {
            Limit::Pause => XMirrorLimit::Pause,
            Limit::Error => XMirrorLimit::Error,
            Limit::Speed => XMirrorLimit::Speed,
            Limit::GuestLatency => XMirrorLimit::GuestLatency,
            Limit::Memory => XMirrorLimit::Memory,
        }),
        guest_latency_us: seen.guest_latency_ns.map(|ns| ns / NS_PER_US),
        guest_cost_us: seen.guest_cost_ns.map(|ns| ns / NS_PER_US),
    }
}

/// The forecast in a few words, with the numbers that it is made from; `None` if there is none.
pub fn forecast(seen: &XMirrorConvergence) -> Option<String> {
    let (dirty, copy) = (rate(seen.dirty_rate), rate(seen.copy_rate));
    let text = match seen.forecast {
        XMirrorForecast::Unknown => return None,
        XMirrorForecast::Ready => "ready".to_owned(),
        XMirrorForecast::ReadyIn => format!("ready in {}", span(seen.ready_in_ms.unwrap_or(0))),
        XMirrorForecast::Diverges => match limit(seen) {
            Some(limit) => {
                format!("{limit} keeps the copy at {copy}: diverges, the guest dirties {dirty}")
            }
            None => format!("diverges: the guest dirties {dirty}, the copy makes {copy}"),
        },
        XMirrorForecast::KeepsUp => {
            format!("keeps up with the guest, who dirties {dirty}, but something is always left")
        }
        XMirrorForecast::Stalled => "stalled: nothing is copied".to_owned(),
        XMirrorForecast::Waits => match seen.limited_by {
            Some(XMirrorLimit::Error) => "stopped by an error".to_owned(),
            _ => "stands still".to_owned(),
        },
    };
    Some(text)
}

/// What of its options holds it back.
fn limit(seen: &XMirrorConvergence) -> Option<String> {
    match seen.limited_by? {
        XMirrorLimit::Speed => Some("the speed limit".to_owned()),
        XMirrorLimit::GuestLatency => {
            let budget_us = seen.guest_latency_us.unwrap_or(0);
            Some(format!("the guest latency budget of {budget_us} us"))
        }
        XMirrorLimit::Memory => Some("the memory that other jobs fill".to_owned()),
        XMirrorLimit::Pause | XMirrorLimit::Error => None,
    }
}

/// What is said of it to somebody who asks for an explanation, in at most three sentences.
pub fn sentences(seen: &XMirrorConvergence) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(told) = forecast(seen) {
        let advice = match (seen.forecast, seen.mode) {
            (XMirrorForecast::Diverges | XMirrorForecast::KeepsUp, MirrorCopyMode::Background) => {
                match seen.asked_mode {
                    MirrorCopyMode::Auto => "; should that last, it turns to write-blocking",
                    _ => "; copy-mode=write-blocking (block-job-change) would end that",
                }
            }
            _ => "",
        };
        let told = match seen.forecast {
            XMirrorForecast::ReadyIn | XMirrorForecast::Diverges => {
                format!("At the rates of the last two seconds: {told}")
            }
            _ => format!("Its forecast: {told}"),
        };
        sentences.push(format!("{told}{advice}."));
    }
    if seen.asked_mode == MirrorCopyMode::Auto && seen.mode == MirrorCopyMode::WriteBlocking {
        sentences.push(
            "It has turned to write-blocking, because the background could not win: what the guest \
             writes goes to both sides at once."
                .to_owned(),
        );
    }
    if let (Some(budget_us), Some(cost_us)) = (seen.guest_latency_us, seen.guest_cost_us) {
        sentences.push(format!(
            "Its copies cost the guest {cost_us} us a request, and may cost it {budget_us} us."
        ));
    }
    sentences
}

fn rate(bytes_per_s: Option<u64>) -> String {
    let bytes = bytes_per_s.unwrap_or(0);
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let one = 1u64 << shift;
        if bytes >= one {
            return format!("{:.1} {unit}/s", bytes as f64 / one as f64);
        }
    }
    format!("{bytes} bytes/s")
}

/// A time that is yet to come, rounded up.
fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(MS_PER_S);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min {} s", seconds % 60),
        7200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn seen(forecast: XMirrorForecast) -> XMirrorConvergence {
        XMirrorConvergence {
            mode: MirrorCopyMode::Background,
            asked_mode: MirrorCopyMode::Background,
            dirty_bytes: MIB,
            in_flight_bytes: 0,
            copied_bytes: 0,
            recopied_bytes: 0,
            active_bytes: 0,
            dirty_rate: Some(80 * MIB),
            copy_rate: Some(60 * MIB),
            forecast,
            ready_in_ms: None,
            limited_by: None,
            guest_latency_us: None,
            guest_cost_us: None,
        }
    }

    #[test]
    fn a_divergence_is_told_with_both_rates_and_what_to_do() {
        let mut seen = seen(XMirrorForecast::Diverges);
        let told = "diverges: the guest dirties 80.0 MiB/s, the copy makes 60.0 MiB/s";
        assert_eq!(forecast(&seen).as_deref(), Some(told));
        let advice = "copy-mode=write-blocking (block-job-change) would end that";
        assert!(sentences(&seen)[0].contains(advice));
        seen.asked_mode = MirrorCopyMode::Auto;
        assert!(sentences(&seen)[0].ends_with("it turns to write-blocking."));
    }

    #[test]
    fn whoever_holds_the_copy_back_is_named() {
        let mut seen = seen(XMirrorForecast::Diverges);
        seen.limited_by = Some(XMirrorLimit::GuestLatency);
        seen.guest_latency_us = Some(500);
        let told = "the guest latency budget of 500 us keeps the copy at 60.0 MiB/s: diverges, \
                    the guest dirties 80.0 MiB/s";
        assert_eq!(forecast(&seen).as_deref(), Some(told));
        seen.guest_cost_us = Some(480);
        assert_eq!(sentences(&seen).len(), 2);
        seen.limited_by = Some(XMirrorLimit::Speed);
        assert!(forecast(&seen).is_some_and(|told| told.starts_with("the speed limit keeps")));
    }

    #[test]
    fn the_time_that_is_left_is_rounded_up_and_told_in_units_that_suit_it() {
        let told = [
            (0, "ready in 0 s"),
            (1, "ready in 1 s"),
            (11_001, "ready in 12 s"),
            (150_000, "ready in 2 min 30 s"),
            (3 * 3_600_000, "ready in 3 h 0 min"),
            (u64::MAX, "ready in 213503982334 days"),
        ];
        for (ms, text) in told {
            let seen = XMirrorConvergence {
                ready_in_ms: Some(ms),
                ..seen(XMirrorForecast::ReadyIn)
            };
            assert_eq!(forecast(&seen).as_deref(), Some(text));
        }
    }

    #[test]
    fn without_evidence_nothing_is_said() {
        assert_eq!(
            sentences(&seen(XMirrorForecast::Unknown)),
            Vec::<String>::new()
        );
    }
}

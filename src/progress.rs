//! Shows how far a copy is: a bar on a terminal, and else a line every two seconds.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::rc::Rc;

use blockjob::daemon::convergence::{convergence, forecast};
use blockjob::jobs::error_policy::IoStatus;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::drive::Run;
use crate::{say, size};

/// The time between two looks at the job.
const TICK_NS: u64 = 200_000_000;
/// A line is printed at every so many looks, if there is no terminal.
const TICKS_PER_LINE: u32 = 10;

/// The display of one job. Clones are the same display.
#[derive(Clone)]
pub(crate) struct Progress {
    shared: Rc<Shared>,
}

struct Shared {
    run: Run,
    /// None without a terminal.
    bar: Option<ProgressBar>,
    ticks: Cell<u32>,
    said_ready: Cell<bool>,
    said_verifying: Cell<bool>,
    said_stopped: Cell<bool>,
    finished: Cell<bool>,
}

impl Progress {
    /// Shows `run` from now on, each time its context comes to it.
    pub(crate) fn start(run: &Run) -> Progress {
        let progress = Progress {
            shared: Rc::new(Shared {
                run: run.clone(),
                bar: stderr()
                    .is_terminal()
                    .then(|| new_bar(run.mirror.len_bytes())),
                ticks: Cell::new(0),
                said_ready: Cell::new(false),
                said_verifying: Cell::new(false),
                said_stopped: Cell::new(false),
                finished: Cell::new(false),
            }),
        };
        let shown = progress.clone();
        let ctx = run.ctx.clone();
        let ticker = run.ctx.coroutine("progress", async move {
            while !shown.shared.finished.get() {
                shown.tick();
                ctx.sleep(TICK_NS).await;
            }
        });
        ticker.enter();
        progress
    }

    /// A line that stays, above the bar.
    pub(crate) fn line(&self, text: &str) {
        match &self.shared.bar {
            Some(bar) => bar.println(text),
            None => say::err(text),
        }
    }

    /// Tells what has happened to the job since the last look, in a line. Between looks nothing is
    /// missed for good: a state that has passed by then needs no line any more.
    pub(crate) fn look(&self) {
        let job = &self.shared.run.job;
        if job.is_ready() && !self.shared.said_ready.replace(true) {
            self.line("ready: the target has caught up with the source");
        }
        let verifying = self.shared.run.mirror.verified_bytes().is_some();
        if verifying && !self.shared.said_verifying.replace(true) {
            self.line("verifying: both sides are read back and compared");
        }
        let status = job.io_status();
        let stopped = status != IoStatus::Ok;
        if self.shared.said_stopped.replace(stopped) != stopped && stopped {
            let why = match status {
                IoStatus::Nospace => "there is no space left",
                _ => "a request failed",
            };
            self.line(&format!(
                "stopped, because {why}: SIGCONT (`kill -CONT {}`) has the copy go on, Ctrl-C \
                 gives it up",
                std::process::id()
            ));
        }
    }

    /// Clears the display; nothing is shown any more.
    pub(crate) fn finish(&self) {
        self.shared.finished.set(true);
        if let Some(bar) = &self.shared.bar {
            bar.finish_and_clear();
        }
    }

    fn tick(&self) {
        let meter = self.shared.run.job.progress();
        if meter.total() == 0 {
            return;
        }
        let text = self.text();
        match &self.shared.bar {
            Some(bar) => {
                // Together: a new end with an old position would be drawn, and is nothing to show.
                bar.update(|state| {
                    state.set_len(meter.total());
                    state.set_pos(meter.current());
                });
                bar.set_message(text);
            }
            None => {
                let ticks = self.shared.ticks.get();
                self.shared.ticks.set((ticks + 1) % TICKS_PER_LINE);
                if ticks + 1 == TICKS_PER_LINE {
                    match self.verified_percent() {
                        Some(_) => say::err(&text),
                        None => {
                            let percent = 100 * meter.current() / meter.total();
                            say::err(&format!("{percent} %, {text}"));
                        }
                    }
                }
            }
        }
    }

    /// How much of the disk is known to be the same on both sides, while they are read back.
    fn verified_percent(&self) -> Option<u64> {
        let mirror = &self.shared.run.mirror;
        let percent = u128::from(mirror.verified_bytes()?) * 100;
        let percent = percent / u128::from(mirror.len_bytes().max(1));
        Some(u64::try_from(percent).unwrap_or(100))
    }

    /// What is dirty, how fast it goes, and whether and when it will be over.
    fn text(&self) -> String {
        let seen = convergence(&self.shared.run.mirror);
        let mut parts = vec![format!("{} dirty", size::show(seen.dirty_bytes))];
        if let Some(rate) = seen.copy_rate {
            parts.push(format!("{}/s", size::show(rate)));
        }
        parts.extend(forecast(&seen));
        parts.join(", ")
    }
}

fn new_bar(len_bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "[{bar:30}] {percent:>3} %  {bytes} of {total_bytes}\n{wide_msg}",
    )
    .expect("the template is well formed")
    .progress_chars("=> ");
    ProgressBar::with_draw_target(Some(len_bytes), ProgressDrawTarget::stderr()).with_style(style)
}

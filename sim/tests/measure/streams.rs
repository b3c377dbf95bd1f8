//! Schedules, and the dice of everything else.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::decide::Site;
use blockjob_sim::config::Config;
use blockjob_sim::decide::{Policy, Question};
use blockjob_sim::measure::{Measurer, Schedule, ScheduleError, Streams};

static PLACE: Site = Site::new("guest.place");
static LATENCY: Site = Site::new("disk.latency");
static NEXT: Site = Site::new("aio.next");

fn ask(policy: &mut Streams, site: &'static Site) -> usize {
    policy.choose(&Question {
        site,
        n: 1 << 30,
        odds: None,
        who: None,
    })
}

#[test]
fn what_one_site_draws_does_not_depend_on_how_often_others_do() {
    let mut alone = Streams::new(3, &Schedule::Random);
    let mut beside = Streams::new(3, &Schedule::Random);
    for _ in 0..100 {
        ask(&mut beside, &LATENCY);
        ask(&mut beside, &NEXT);
        ask(&mut beside, &NEXT);
        assert_eq!(ask(&mut alone, &PLACE), ask(&mut beside, &PLACE));
    }
}

#[test]
fn sites_and_seeds_have_different_dice() {
    let draw = |seed, site| ask(&mut Streams::new(seed, &Schedule::Random), site);
    // Of 2^30 answers: two that are equal by chance would be one in a billion.
    assert_ne!(draw(3, &PLACE), draw(3, &LATENCY));
    assert_ne!(draw(3, &PLACE), draw(4, &PLACE));
    assert_ne!(draw(3, &NEXT), draw(4, &NEXT));
}

#[test]
fn a_schedule_answers_who_runs_next_and_nothing_else() {
    let mut fifo = Streams::new(3, &Schedule::Fifo);
    let mut lifo = Streams::new(3, &Schedule::Lifo);
    let mut random = Streams::new(3, &Schedule::Random);
    for _ in 0..100 {
        assert_eq!(ask(&mut fifo, &NEXT), 0);
        assert_eq!(ask(&mut lifo, &NEXT), (1 << 30) - 1);
        ask(&mut random, &NEXT);
        let place = ask(&mut fifo, &PLACE);
        assert_eq!(place, ask(&mut lifo, &PLACE));
        assert_eq!(place, ask(&mut random, &PLACE));
    }
}

#[test]
fn all_that_a_run_asks_who_is_next_goes_to_the_schedule() {
    struct Listener(Rc<RefCell<Vec<&'static str>>>);
    impl Policy for Listener {
        fn choose(&mut self, question: &Question<'_>) -> usize {
            let mut sites = self.0.borrow_mut();
            if !sites.contains(&question.site.name) {
                sites.push(question.site.name);
            }
            question.n - 1
        }
    }
    // The list is of this thread, as the run is.
    thread_local!(static SITES: Rc<RefCell<Vec<&'static str>>> = Rc::default());
    let schedule = Schedule::custom("listener", |_| Box::new(Listener(SITES.with(Rc::clone))));
    let config = Config::parse(
        "jobs=2,granules=64,guests=2,own=yes,depth=4,requests=40,spread=uniform,rest=1000",
    );
    let policy = Streams::new(1, &schedule);
    let measured = Measurer::new().measure(&config.unwrap(), Box::new(policy));
    assert_eq!(measured.report.failure, None);
    let mut sites = SITES.with(|sites| sites.borrow().clone());
    sites.sort_unstable();
    assert_eq!(sites, ["aio.next", "disk.deliver", "world.actor"]);
}

#[test]
fn a_schedule_is_written_as_it_is_read() {
    for text in ["fifo", "lifo", "random", "pct:3", "pct:2:100"] {
        assert_eq!(Schedule::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "", "rr", "pct", "pct:", "pct:0", "pct:x", "pct:3:", "pct:3:x",
    ] {
        let expected = ScheduleError {
            text: text.to_owned(),
        };
        assert_eq!(Schedule::parse(text).unwrap_err(), expected);
    }
}

//! The seams for choice and for observation.

#[macro_use]
mod common;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use blockjob_runtime::decide::{Decide, Site};
use blockjob_runtime::trace::{Event, LayerEvent, Recorder, Trace};
use blockjob_runtime::{AioContext, CoMutex, Coroutine, yield_now};

use common::{Diary, settle, spawn};

/// Answers from a list, then 0, and notes what it was asked.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<usize>>,
    asked: RefCell<Vec<(&'static str, usize)>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = usize>) -> Rc<Script> {
        let answers = RefCell::new(answers.into_iter().collect());
        Rc::new(Script {
            answers,
            asked: RefCell::default(),
        })
    }
}

impl Decide for Script {
    fn decide(&self, site: &'static Site, n: usize) -> usize {
        self.asked.borrow_mut().push((site.name, n));
        self.answers.borrow_mut().pop_front().unwrap_or(0)
    }
}

/// Queues four oneshots and says in which order they ran.
fn order_of_four(ctx: &AioContext) -> String {
    let diary = Diary::default();
    for name in ["a", "b", "c", "d"] {
        let diary = diary.clone();
        ctx.schedule_oneshot(name, move || diary.note(name));
    }
    settle(ctx);
    diary.read()
}

fn decided_by(script: Rc<Script>) -> AioContext {
    AioContext::builder().virtual_time().decide(script).build()
}

#[test]
fn without_a_decider_the_first_to_be_ready_is_the_first_to_run() {
    assert_eq!(order_of_four(&common::virtual_context()), "a b c d");
}

#[test]
fn a_decider_that_always_says_0_changes_nothing() {
    assert_eq!(order_of_four(&decided_by(Script::new([]))), "a b c d");
}

#[test]
fn a_decider_picks_which_of_the_ready_runs_next() {
    let script = Script::new([2, 0, 1]);
    assert_eq!(order_of_four(&decided_by(script.clone())), "c a d b");
    let asked = script.asked.take();
    assert_eq!(asked, [("aio.next", 4), ("aio.next", 3), ("aio.next", 2)]);
}

#[test]
fn a_decider_is_not_asked_when_there_is_no_choice() {
    let script = Script::new([]);
    let ctx = decided_by(script.clone());
    ctx.schedule_oneshot("only", || ());
    settle(&ctx);
    static NOWHERE: Site = Site::new("nowhere");
    assert_eq!((ctx.decide(&NOWHERE, 0), ctx.decide(&NOWHERE, 1)), (0, 0));
    assert_eq!(script.asked.take(), []);
}

#[test]
fn what_a_pass_causes_is_not_among_its_choices() {
    let script = Script::new([]);
    let ctx = decided_by(script.clone());
    let ctx2 = ctx.clone();
    ctx.schedule_oneshot("first", move || {
        ctx2.schedule_oneshot("caused", || ());
        ctx2.schedule_oneshot("caused too", || ());
    });
    ctx.schedule_oneshot("second", || ());
    settle(&ctx);
    let sizes: Vec<_> = script.asked.take().into_iter().map(|(_, n)| n).collect();
    assert_eq!(
        sizes,
        [2, 2],
        "first or second; then, in the next pass, one of the two caused"
    );
}

#[test]
fn coroutines_timers_and_events_are_among_the_choices() {
    let script = Script::new([3, 2, 1]);
    let ctx = decided_by(script.clone());
    let diary = Diary::default();
    let note = |entry: &'static str| {
        let diary = diary.clone();
        move || diary.note(entry)
    };
    let timer = ctx.timer("timer", note("timer"));
    timer.arm(0);
    let current = ctx.make_current();
    let coroutine = note("coroutine");
    ctx.coroutine("coroutine", async move { coroutine() })
        .wake();
    ctx.bottom_half("bh", note("bh")).schedule();
    ctx.event_source("event", false, note("event")).set();
    drop(current);
    settle(&ctx);
    assert_eq!(diary.read(), "timer event bh coroutine");
}

#[test]
#[should_panic(expected = "aio.next chose 4 of 4")]
fn a_decider_that_picks_what_is_not_there_panics() {
    order_of_four(&decided_by(Script::new([4])));
}

/// A program with a bit of everything.
fn program(ctx: &AioContext) {
    let mutex = Rc::new(CoMutex::new());
    let bh = ctx.bottom_half("tick", || ());
    let source = ctx.event_source("guest", true, || ());
    for name in ["a", "b", "c"] {
        let (ctx2, mutex, bh, source) = (ctx.clone(), mutex.clone(), bh.clone(), source.clone());
        spawn(ctx, name, async move {
            for round in 0..5 {
                let _guard = mutex.lock().await;
                bh.schedule();
                ctx2.sleep(round * 10).await;
                source.set();
                let job = ctx2.spawn_blocking(move || round);
                assert_eq!(job.await, Ok(round));
            }
        });
    }
    ctx.poll_while(|| ctx.live_coroutines() > 0);
}

/// The record of the program under the answers of `script`.
fn record(script: Rc<Script>) -> Vec<String> {
    let recorder = Rc::new(Recorder::new());
    let ctx = AioContext::builder()
        .virtual_time()
        .decide(script)
        .trace(recorder.clone())
        .build();
    program(&ctx);
    recorder.take()
}

#[test]
fn the_same_program_twice_in_virtual_time_makes_the_same_record() {
    let first = record(Script::new([]));
    assert!(first.len() > 100, "{} lines", first.len());
    assert_eq!(first, record(Script::new([])));
    let answers = [1, 1, 0, 1, 1, 0, 1];
    let second = record(Script::new(answers));
    assert_ne!(first, second);
    assert_eq!(second, record(Script::new(answers)));
}

#[test]
fn the_record_tells_who_ran_who_woke_whom_and_when() {
    let recorder = Rc::new(Recorder::new());
    let ctx = AioContext::builder()
        .virtual_time()
        .trace(recorder.clone())
        .build();
    let sleeper = ctx.coroutine("sleeper", yield_now());
    spawn(&ctx, "waker", {
        let ctx = ctx.clone();
        async move {
            sleeper.enter();
            ctx.sleep(5).await;
            sleeper.wake();
        }
    });
    ctx.poll_while(|| ctx.live_coroutines() > 0);
    let expected = [
        "0 main Create { coroutine: sleeper#1 }",
        "0 main Create { coroutine: waker#2 }",
        "0 main Enter { coroutine: waker#2, by: None }",
        "0 main Enter { coroutine: sleeper#1, by: Some(waker#2) }",
        "0 main Yield { coroutine: sleeper#1 }",
        "0 main TimerArm { name: \"sleep\", id: 0, deadline_ns: 5 }",
        "0 main Yield { coroutine: waker#2 }",
        "5 main Wake { serial: 2, by: None }",
        "5 main Enter { coroutine: waker#2, by: None }",
        "5 main Wake { serial: 1, by: Some(waker#2) }",
        "5 main End { coroutine: waker#2 }",
        "5 main Enter { coroutine: sleeper#1, by: None }",
        "5 main End { coroutine: sleeper#1 }",
    ];
    assert_eq!(recorder.take(), expected);
}

#[test]
fn callbacks_and_decisions_are_recorded_by_name() {
    let recorder = Rc::new(Recorder::new());
    let ctx = AioContext::builder()
        .virtual_time()
        .name("iothread0")
        .decide(Script::new([1]))
        .trace(recorder.clone())
        .build();
    let timer = ctx.timer("alarm", || ());
    timer.arm(3);
    ctx.bottom_half("tick", || ()).schedule();
    ctx.event_source("guest", true, || ()).set();
    settle(&ctx);
    ctx.poll(true);
    let expected = [
        "0 iothread0 TimerArm { name: \"alarm\", id: 0, deadline_ns: 3 }",
        "0 iothread0 BottomHalfSchedule { name: \"tick\" }",
        "0 iothread0 Decision { site: Site { name: \"aio.next\" }, n: 2, chosen: 1 }",
        "0 iothread0 EventSource { name: \"guest\" }",
        "0 iothread0 BottomHalf { name: \"tick\" }",
        "3 iothread0 Timer { name: \"alarm\" }",
    ];
    assert_eq!(recorder.take(), expected);
}

#[derive(Debug)]
struct Stepped(u32);

impl LayerEvent for Stepped {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn an_event_of_a_layer_above_arrives_typed_and_is_made_only_for_a_listener() {
    #[derive(Default)]
    struct Steps(RefCell<Vec<u32>>);
    impl Trace for Steps {
        fn event(&self, _now_ns: u64, _context: &str, event: &Event<'_>) {
            if let Event::Layer(layer) = event
                && let Some(Stepped(step)) = layer.as_any().downcast_ref()
            {
                self.0.borrow_mut().push(*step);
            }
        }
    }
    let steps = Rc::new(Steps::default());
    let heard = AioContext::builder()
        .virtual_time()
        .trace(steps.clone())
        .build();
    heard.trace_layer(|| Stepped(14));
    assert_eq!(steps.0.take(), [14]);
    let unheard = common::virtual_context();
    unheard.trace_layer(|| -> Stepped { unreachable!("nobody listens") });
}

/// Choosing who runs next must not lose anybody, whatever is chosen.
#[test]
fn every_answer_of_the_decider_runs_every_coroutine_to_its_end() {
    for answers in 0..64_usize {
        let script = Script::new((0..6).map(|bit| answers >> bit & 1));
        let ctx = decided_by(script);
        for name in ["a", "b"] {
            spawn(&ctx, name, async {
                for _ in 0..3 {
                    Coroutine::current().expect("this is a coroutine").wake();
                    yield_now().await;
                }
            });
        }
        settle(&ctx);
        assert_eq!(ctx.live_coroutines(), 0, "answers {answers:06b}");
    }
}

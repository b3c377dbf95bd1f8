//! What only recorders are told: timers that are armed, bottom halves that are scheduled, and what layers
//! above change bit by bit.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;

use blockjob_runtime::AioContext;
use blockjob_runtime::trace::{Event, LayerEvent, Trace, Wants};

use common::{settle, spawn};

/// Until no timer is armed and nothing is ready.
fn let_time_pass(ctx: &AioContext) {
    while ctx.armed_timers() > 0 {
        ctx.poll(true);
    }
    settle(ctx);
}

/// Takes what it is made for, and notes it in short.
struct Notes {
    wants: Wants,
    lines: RefCell<Vec<String>>,
}

impl Notes {
    fn of(wants: Wants) -> (AioContext, Rc<Notes>) {
        let lines = RefCell::default();
        let notes = Rc::new(Notes { wants, lines });
        let context = AioContext::builder().virtual_time();
        (context.trace(notes.clone()).build(), notes)
    }
}

impl Trace for Notes {
    fn event(&self, now_ns: u64, _context: &str, event: &Event<'_>) {
        let what = match event {
            Event::TimerArm {
                name,
                id,
                deadline_ns,
            } => format!("arm {name}:{id} {deadline_ns}"),
            Event::TimerDisarm { name, id } => format!("disarm {name}:{id}"),
            Event::BottomHalfSchedule { name } => format!("schedule {name}"),
            Event::BottomHalfCancel { name } => format!("cancel {name}"),
            Event::BottomHalf { name } => format!("run {name}"),
            Event::Timer { name } => format!("fire {name}"),
            other => format!("{other:?}"),
        };
        self.lines.borrow_mut().push(format!("{now_ns} {what}"));
    }

    fn wants(&self) -> Wants {
        self.wants
    }
}

#[test]
fn a_timer_is_armed_moved_and_disarmed_in_so_many_words_and_no_more() {
    let (ctx, notes) = Notes::of(Wants::TIMERS.or(Wants::CALLBACKS));
    let one = ctx.timer("one", || ());
    let two = ctx.timer("two", || ());
    one.arm(5);
    two.arm(7);
    two.arm(3);
    let_time_pass(&ctx);
    // Both have fired: there is nothing to disarm.
    assert!(!one.disarm());
    one.arm(9);
    assert!(one.disarm());
    assert!(!one.disarm());
    two.arm(9);
    drop(two);
    drop(one);
    let expected = [
        "0 arm one:0 5",
        "0 arm two:1 7",
        "0 arm two:1 3",
        "3 fire two",
        "5 fire one",
        "5 arm one:0 9",
        "5 disarm one:0",
        "5 arm two:1 9",
        "5 disarm two:1",
    ];
    assert_eq!(notes.lines.take(), expected);
}

#[test]
fn a_timer_that_has_expired_and_is_disarmed_before_its_turn_is_said_to_be() {
    let (ctx, notes) = Notes::of(Wants::TIMERS.or(Wants::CALLBACKS));
    let late = Rc::new(RefCell::new(None));
    let first = ctx.timer("first", {
        let late = late.clone();
        move || drop(late.take())
    });
    first.arm(1);
    let second = ctx.timer("second", || unreachable!("it was deleted"));
    second.arm(1);
    *late.borrow_mut() = Some(second);
    let_time_pass(&ctx);
    let expected = [
        "0 arm first:0 1",
        "0 arm second:1 1",
        "1 fire first",
        "1 disarm second:1",
    ];
    assert_eq!(notes.lines.take(), expected);
}

#[test]
fn a_coroutine_that_sleeps_has_a_timer_and_one_that_is_dropped_asleep_disarms_it() {
    let (ctx, notes) = Notes::of(Wants::TIMERS);
    let ctx2 = ctx.clone();
    spawn(&ctx, "sleeper", async move {
        ctx2.sleep(4).await;
        ctx2.sleep(6).await;
    });
    let ctx2 = ctx.clone();
    spawn(&ctx, "impatient", async move {
        let long = ctx2.sleep(1000);
        let short = ctx2.sleep(1);
        futures_lite::future::or(long, short).await;
    });
    let_time_pass(&ctx);
    let expected = [
        "0 arm sleep:0 4",
        "0 arm sleep:1 1000",
        "0 arm sleep:2 1",
        "1 disarm sleep:1",
    ];
    let lines = notes.lines.take();
    assert_eq!(lines[..4], expected);
    // The slot of a timer is used again, under another number.
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[4].starts_with("4 arm sleep:") && lines[4].ends_with(" 10"));
}

#[test]
fn a_bottom_half_is_scheduled_once_and_cancelled_once() {
    let (ctx, notes) = Notes::of(Wants::SCHEDULES.or(Wants::CALLBACKS));
    let current = ctx.make_current();
    let bh = ctx.bottom_half("bh", || ());
    bh.cancel();
    bh.schedule();
    bh.schedule();
    bh.cancel();
    bh.cancel();
    // Its entry is still in the queue.
    bh.schedule();
    ctx.schedule_oneshot("once", || ());
    drop(current);
    settle(&ctx);
    let current = ctx.make_current();
    bh.schedule();
    bh.delete();
    bh.schedule();
    bh.cancel();
    drop(current);
    settle(&ctx);
    let expected = [
        "0 schedule bh",
        "0 cancel bh",
        "0 schedule bh",
        "0 schedule once",
        "0 run bh",
        "0 run once",
        "0 schedule bh",
        "0 cancel bh",
    ];
    assert_eq!(notes.lines.take(), expected);
}

#[test]
#[allow(clippy::disallowed_methods)] // A foreign thread is the point.
fn what_another_thread_schedules_is_said_when_it_comes_out_of_the_inbox() {
    let (ctx, notes) = Notes::of(Wants::SCHEDULES.or(Wants::CALLBACKS));
    let bh = ctx.bottom_half("bh", || ());
    let handle = ctx.handle();
    let (done, is_done) = mpsc::channel();
    let other = std::thread::spawn(move || {
        bh.schedule();
        handle.schedule_oneshot("once", |_| ());
        done.send(()).expect("the test waits");
    });
    is_done.recv().expect("the thread says so");
    other.join().expect("it does not panic");
    assert_eq!(notes.lines.take(), [""; 0], "it is still in the inbox");
    settle(&ctx);
    let expected = ["0 schedule bh", "0 schedule once", "0 run bh", "0 run once"];
    assert_eq!(notes.lines.take(), expected);
}

#[derive(Debug)]
struct Bit;

impl LayerEvent for Bit {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn who_takes_layers_is_spared_their_details_and_who_takes_these_is_spared_the_rest() {
    let (ctx, notes) = Notes::of(Wants::LAYERS);
    assert!(!ctx.traces_details());
    ctx.trace_detail(|| -> Bit { unreachable!("nobody listens") });
    ctx.trace_layer(|| Bit);
    assert_eq!(notes.lines.take(), ["0 Layer(Bit)"]);

    let (ctx, notes) = Notes::of(Wants::LAYER_DETAILS);
    assert!(ctx.traces_details());
    ctx.trace_layer(|| -> Bit { unreachable!("nobody listens") });
    ctx.trace_detail(|| Bit);
    assert_eq!(notes.lines.take(), ["0 Layer(Bit)"]);
}

#[test]
fn who_takes_callbacks_alone_hears_neither_of_timers_nor_of_schedules() {
    let (ctx, notes) = Notes::of(Wants::CALLBACKS);
    ctx.timer("timer", || ()).arm(1);
    let current = ctx.make_current();
    ctx.bottom_half("bh", || ()).schedule();
    drop(current);
    settle(&ctx);
    assert_eq!(notes.lines.take(), ["0 run bh"]);
}

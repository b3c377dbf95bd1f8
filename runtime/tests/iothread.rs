//! Threads with contexts of their own, and what others ask of them.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use blockjob_runtime::{AioContext, Gone, IoThread, Resident};

/// The context that is current, by name.
fn here() -> String {
    AioContext::current().handle().name().to_owned()
}

#[test]
fn a_call_runs_in_the_other_context_while_the_caller_polls() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let where_it_ran = main.call(thread.handle(), "ask", |_| here());
    assert_eq!(where_it_ran.as_deref(), Ok("io0"));
}

#[test]
fn a_call_of_the_own_context_runs_at_once() {
    let main = AioContext::builder().virtual_time().build();
    let place = main.handle();
    assert_eq!(main.call(&place, "ask", |_| here()).as_deref(), Ok("main"));
}

#[test]
fn the_caller_of_another_context_goes_on_serving_its_own() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let (handle, home) = (thread.handle().clone(), main.handle());
    // The other context answers only after the caller's has answered it.
    let asked = main.run("asker", async move {
        let there = handle.request_co("there", move |_| async move {
            home.request("back", |_| here()).await
        });
        there.await
    });
    assert_eq!(asked, Ok(Ok("main".to_owned())));
}

#[test]
fn a_coroutine_awaits_what_a_coroutine_of_another_context_returns() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let handle = thread.handle().clone();
    let slept = main.run("asker", async move {
        let there = handle.request_co("sleeper", |ctx| {
            let ctx = ctx.clone();
            async move {
                // It does not leave its thread, so it need not be able to.
                let kept = Rc::new(7);
                ctx.sleep(1).await;
                *kept
            }
        });
        there.await
    });
    assert_eq!(slept, Ok(7));
}

#[test]
fn what_was_posted_before_the_stop_is_done() {
    let done = Arc::new(AtomicUsize::new(0));
    let thread = IoThread::new("io0");
    for _ in 0..100 {
        let done = done.clone();
        let count = move |_: &AioContext| {
            done.fetch_add(1, Ordering::Relaxed);
        };
        thread.handle().schedule_oneshot("count", count);
    }
    thread.stop();
    assert_eq!(done.load(Ordering::Relaxed), 100);
}

#[test]
fn whoever_asks_a_context_that_has_ended_is_told_so() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let handle = thread.handle().clone();
    thread.stop();
    let gone = main
        .call(&handle, "late", |_| ())
        .expect_err("nobody is there");
    assert_eq!(gone.to_string(), "context io0 has ended without an answer");
}

#[test]
fn a_stop_drops_the_coroutines_and_whoever_waits_for_one_is_told() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let waits = thread
        .handle()
        .request_co("waits for ever", |_| std::future::pending::<()>());
    thread.stop();
    assert!(main.run("asker", waits).is_err());
}

#[test]
#[should_panic(expected = "the thread has had enough")]
fn a_stop_passes_on_what_the_thread_has_panicked_with() {
    let thread = IoThread::new("io0");
    let (main, place) = (AioContext::new(), thread.handle().clone());
    let gone: Result<(), Gone> =
        main.call(&place, "panic", |_| panic!("the thread has had enough"));
    assert!(gone.is_err());
    thread.stop();
}

#[test]
#[should_panic(expected = "no context today")]
fn a_context_that_cannot_be_made_is_a_panic_of_whoever_wants_it() {
    IoThread::with_context("io0", || panic!("no context today")).stop();
}

#[test]
fn a_context_that_cannot_be_made_is_an_error_and_there_is_no_thread() {
    let left = Arc::new(());
    let held = left.clone();
    let failed = IoThread::try_with_context("io0", move || {
        let _held = held;
        Err(io::Error::from_raw_os_error(24))
    });
    assert_eq!(
        failed.err().and_then(|error| error.raw_os_error()),
        Some(24)
    );
    assert_eq!(Arc::strong_count(&left), 1, "the thread has ended");
}

#[test]
fn five_threads_begin_and_end() {
    let threads: Vec<_> = (0..5).map(|n| IoThread::new(&format!("io{n}"))).collect();
    let main = AioContext::new();
    for (n, thread) in threads.iter().enumerate() {
        let answer = main.call(thread.handle(), "ask", |_| here());
        assert_eq!(answer, Ok(format!("io{n}")));
    }
    threads.into_iter().for_each(IoThread::stop);
}

/// Something that must not leave its thread.
#[derive(Default)]
struct Diary(RefCell<Vec<&'static str>>);

fn diary_in(main: &AioContext, thread: &IoThread) -> Resident<Diary> {
    let settled = main.call(thread.handle(), "settle", |ctx| {
        ctx.settle(Rc::new(Diary::default()))
    });
    settled.expect("the thread runs")
}

#[test]
fn work_finds_the_resident_that_it_was_sent_to() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let (one, other) = (diary_in(&main, &thread), diary_in(&main, &thread));
    one.post("note", |diary| diary.0.borrow_mut().push("first"));
    let note = |diary: &Rc<Diary>| {
        diary.0.borrow_mut().push("second");
        diary.0.borrow().clone()
    };
    let notes = main.call_resident(&one, "note", note);
    assert_eq!(notes, Ok(vec!["first", "second"]));
    assert_eq!(main.call_resident(&other, "note", note), Ok(vec!["second"]));
}

#[test]
fn a_resident_that_was_evicted_is_gone_for_those_who_ask_and_nobody_gets_its_place() {
    let main = AioContext::builder().virtual_time().build();
    let first = main.settle(Rc::new(Cell::new(1)));
    assert_eq!(main.evict(&first).map(|cell| cell.get()), Some(1));
    assert_eq!(main.evict(&first), None);
    let second = main.settle(Rc::new(Cell::new(2)));
    assert!(
        main.call_resident(&first, "ask", |cell| cell.get())
            .is_err()
    );
    assert!(
        main.run("ask", first.request("ask", |cell| cell.get()))
            .is_err()
    );
    assert_eq!(main.call_resident(&second, "ask", |cell| cell.get()), Ok(2));
}

#[test]
fn a_resident_is_seen_at_home_alone() {
    let (main, thread) = (AioContext::new(), IoThread::new("io0"));
    let diary = diary_in(&main, &thread);
    let seen = {
        let _current = main.make_current();
        diary.get().is_some()
    };
    assert!(!seen);
    let there = diary.clone();
    let seen = main.call(thread.handle(), "look", move |_| there.get().is_some());
    assert_eq!(seen, Ok(true));
}

#[test]
fn residents_end_with_their_context() {
    let main = AioContext::builder().virtual_time().build();
    let state = Rc::new(());
    let resident = main.settle(state.clone());
    main.close();
    assert_eq!(Rc::strong_count(&state), 1);
    assert!(main.call_resident(&resident, "ask", |_| ()).is_err());
}

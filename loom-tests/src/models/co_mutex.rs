//! `CoMutex`, between threads.

use std::task::Poll;

use blockjob_runtime::CoMutex;
use blockjob_runtime::sync::Arc;

use crate::check::group;
use crate::world::{Witness, block_on, context, join, poll_once, spawn};

group! { "co_mutex" about &["co_mutex.rs", "wait_list.rs"];
    holders_exclude_each_other_and_see_what_the_last_one_did within 5,
    three_take_turns within 4,
    who_waits_is_not_overtaken within 5,
    one_that_gives_up_passes_the_lock_on within 5,
    an_attempt_takes_the_lock_or_leaves_it_alone within 5,
    coroutines_of_two_contexts_take_turns within 4,
}

fn hold(mutex: &CoMutex, work: &Witness) {
    let held = block_on(mutex.lock());
    work.count();
    drop(held);
}

fn holders_exclude_each_other_and_see_what_the_last_one_did() {
    let (mutex, work) = (Arc::new(CoMutex::new()), Witness::new());
    let other = {
        let (mutex, work) = (mutex.clone(), work.clone());
        spawn(move || {
            hold(&mutex, &work);
            hold(&mutex, &work);
        })
    };
    hold(&mutex, &work);
    hold(&mutex, &work);
    join(other);
    assert_eq!(work.get(), 4);
    assert!(mutex.try_lock().is_some(), "it is free again");
}

fn three_take_turns() {
    let (mutex, work) = (Arc::new(CoMutex::new()), Witness::new());
    let others = [(); 2].map(|()| {
        let (mutex, work) = (mutex.clone(), work.clone());
        spawn(move || hold(&mutex, &work))
    });
    hold(&mutex, &work);
    others.into_iter().for_each(join);
    assert_eq!(work.get(), 3);
}

fn who_waits_is_not_overtaken() {
    let mutex = Arc::new(CoMutex::new());
    let held = mutex.try_lock().expect("it is free");
    let (queued, done) = (Witness::new(), Witness::new());
    let waiter = {
        let (mutex, queued, done) = (mutex.clone(), queued.clone(), done.clone());
        spawn(move || {
            let mut lock = Box::pin(mutex.lock());
            let guard = match poll_once(&mut lock) {
                Poll::Ready(guard) => guard,
                Poll::Pending => {
                    queued.set();
                    block_on(lock)
                }
            };
            done.set();
            drop(guard);
        })
    };
    let has_queued = queued.is_set();
    drop(held);
    if let Some(guard) = mutex.try_lock() {
        assert!(!has_queued || done.is_set(), "who came later was first");
        drop(guard);
    }
    join(waiter);
    assert!(mutex.try_lock().is_some());
}

fn one_that_gives_up_passes_the_lock_on() {
    let mutex = Arc::new(CoMutex::new());
    let held = mutex.try_lock().expect("it is free");
    let fickle = {
        let mutex = mutex.clone();
        spawn(move || {
            let mut lock = Box::pin(mutex.lock());
            // It leaves again, or it has the lock by now and drops it.
            let _ = poll_once(&mut lock);
        })
    };
    let patient = {
        let mutex = mutex.clone();
        spawn(move || drop(block_on(mutex.lock())))
    };
    drop(held);
    join(fickle);
    join(patient);
    assert!(
        mutex.try_lock().is_some(),
        "nobody holds it, and it is locked"
    );
}

fn an_attempt_takes_the_lock_or_leaves_it_alone() {
    let (mutex, work) = (Arc::new(CoMutex::new()), Witness::new());
    let other = {
        let (mutex, work) = (mutex.clone(), work.clone());
        spawn(move || {
            let taken = mutex.try_lock();
            if taken.is_some() {
                work.count();
            }
            u32::from(taken.is_some())
        })
    };
    hold(&mutex, &work);
    let taken = join(other);
    assert_eq!(work.get(), 1 + taken);
}

fn coroutines_of_two_contexts_take_turns() {
    fn body(name: &'static str, mutex: Arc<CoMutex>, work: Witness) {
        let ctx = context(name);
        ctx.run("locker", async move {
            let held = mutex.lock().await;
            work.count();
            drop(held);
        });
    }
    let (mutex, work) = (Arc::new(CoMutex::new()), Witness::new());
    let other = {
        let (mutex, work) = (mutex.clone(), work.clone());
        spawn(move || body("iothread", mutex, work))
    };
    body("main", mutex, work.clone());
    join(other);
    assert_eq!(work.get(), 2);
}

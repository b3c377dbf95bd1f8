//! `CoRwlock`, between threads.

use blockjob_runtime::CoRwlock;
use blockjob_runtime::sync::Arc;

use crate::check::group;
use crate::world::{Witness, block_on, join, poll_once, spawn};

group! { "co_rwlock" about &["co_rwlock.rs", "wait_list.rs"];
    a_writer_is_alone within 4,
    of_two_that_become_writers_each_is_alone within 5,
    a_writer_that_becomes_a_reader_lets_readers_in within 5,
    a_writer_that_gives_up_lets_those_behind_it_in within 5,
}

fn a_writer_is_alone() {
    let (lock, work) = (Arc::new(CoRwlock::new()), Witness::new());
    let writer = {
        let (lock, work) = (lock.clone(), work.clone());
        spawn(move || {
            let held = block_on(lock.write());
            work.count();
            work.count();
            drop(held);
        })
    };
    let reader = {
        let (lock, work) = (lock.clone(), work.clone());
        spawn(move || {
            let held = block_on(lock.read());
            assert_ne!(work.get(), 1, "it reads what is half written");
            drop(held);
        })
    };
    let held = block_on(lock.write());
    let before = work.get();
    work.count();
    work.count();
    assert_eq!(work.get(), before + 2);
    drop(held);
    join(writer);
    join(reader);
    assert_eq!(work.get(), 4);
}

fn of_two_that_become_writers_each_is_alone() {
    let (lock, work) = (Arc::new(CoRwlock::new()), Witness::new());
    let read_and_write = |lock: &CoRwlock, work: &Witness| {
        block_on(async {
            let reading = lock.read().await;
            let writing = reading.upgrade().await;
            work.count();
            drop(writing);
        });
    };
    let other = {
        let (lock, work) = (lock.clone(), work.clone());
        spawn(move || read_and_write(&lock, &work))
    };
    read_and_write(&lock, &work);
    join(other);
    assert_eq!(work.get(), 2);
}

/// With LCK-01 the reader stays asleep, and the writer that became a reader waits for it.
fn a_writer_that_becomes_a_reader_lets_readers_in() {
    let (lock, work) = (Arc::new(CoRwlock::new()), Witness::new());
    let writing = block_on(lock.write());
    let reader = {
        let (lock, work) = (lock.clone(), work.clone());
        spawn(move || {
            let held = block_on(lock.read());
            assert!(work.is_set(), "what the writer did is not seen");
            drop(held);
        })
    };
    work.set();
    let reading = writing.downgrade();
    join(reader);
    drop(reading);
    assert_eq!(work.get(), 1);
}

fn a_writer_that_gives_up_lets_those_behind_it_in() {
    let lock = Arc::new(CoRwlock::new());
    let reading = block_on(lock.read());
    let fickle = {
        let lock = lock.clone();
        spawn(move || {
            let mut write = Box::pin(lock.write());
            let _ = poll_once(&mut write);
        })
    };
    let reader = {
        let lock = lock.clone();
        spawn(move || drop(block_on(lock.read())))
    };
    join(fickle);
    join(reader);
    drop(reading);
    drop(block_on(lock.write()));
}

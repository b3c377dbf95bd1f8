//! `CoMutex` between contexts: what QEMU's test-aio-multithread.c asserts through public handles.
//!
//! `/aio/multi/lifecycle` is a context on each of five threads; `/aio/multi/mutex/contended` and
//! `/handoff` count by number of rounds, not by seconds. `/mcs` and `/pthread` compare other locks.
//! `/aio/multi/schedule` moves a coroutine from context to context, which a coroutine here never
//! does; what takes its place comes with iothreads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blockjob_runtime::sync::thread;
use blockjob_runtime::{AioContext, CoMutex};

/// Has `threads` contexts count to `rounds` each under one lock, in two coroutines a context. The
/// count is read and written in two steps, so it comes out right only if nobody is in between.
fn count_under_one_lock(threads: u64, rounds: u64) {
    let shared = Arc::new((CoMutex::new(), AtomicU64::new(0)));
    let counters: Vec<_> = (0..threads)
        .map(|_| {
            let shared = shared.clone();
            #[allow(clippy::disallowed_methods)] // Contexts of several threads are the point.
            thread::spawn(move || {
                let ctx = AioContext::new();
                for _ in 0..2 {
                    let (shared, ctx2) = (shared.clone(), ctx.clone());
                    ctx.coroutine("counter", async move {
                        let (mutex, count) = &*shared;
                        for round in 0..rounds / 2 {
                            let _guard = mutex.lock().await;
                            let before = count.load(Ordering::Relaxed);
                            if round % 16 == 0 {
                                ctx2.sleep(0).await;
                            }
                            count.store(before + 1, Ordering::Relaxed);
                        }
                    })
                    .wake();
                }
                ctx.poll_while(|| ctx.live_coroutines() > 0);
            })
        })
        .collect();
    for counter in counters {
        counter.join().expect("no counter panics");
    }
    let (_, count) = &*shared;
    assert_eq!(count.load(Ordering::Relaxed), threads * rounds);
}

#[test]
fn five_contexts_that_contend_for_a_lock_never_hold_it_together() {
    count_under_one_lock(5, 1_000);
}

#[test]
fn two_contexts_that_hand_a_lock_to_each_other_lose_no_wake_up() {
    count_under_one_lock(2, 10_000);
}

#[test]
fn five_threads_start_and_end_a_context_each() {
    let threads: Vec<_> = (0..5)
        .map(|number| {
            #[allow(clippy::disallowed_methods)] // Contexts of several threads are the point.
            thread::spawn(move || {
                let ctx = AioContext::builder()
                    .name(format!("iothread{number}"))
                    .build();
                ctx.run("guest", {
                    let ctx = ctx.clone();
                    async move {
                        ctx.sleep(1).await;
                        AioContext::current().handle().name().to_owned()
                    }
                })
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        assert_eq!(
            thread.join().expect("no panic"),
            format!("iothread{number}")
        );
    }
}

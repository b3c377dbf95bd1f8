//! `CoQueue`: order, and wakes that must not be lost with their waiter.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use blockjob_runtime::CoQueue;

use crate::common::{Diary, settle, spawn};

/// A waiter that has joined the queue.
fn join(queue: &CoQueue) -> Pin<Box<dyn Future<Output = ()> + '_>> {
    let mut wait = Box::pin(queue.wait());
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    wait
}

fn is_over(wait: &mut Pin<Box<dyn Future<Output = ()> + '_>>) -> bool {
    wait.as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

in_both_lives! {
    fn waiters_are_woken_one_by_one_in_the_order_in_which_they_came(ctx) {
        let (queue, diary) = (Rc::new(CoQueue::new()), Diary::default());
        for name in ["a", "b", "c"] {
            let (queue, diary) = (queue.clone(), diary.clone());
            spawn(&ctx, name, async move {
                queue.wait().await;
                diary.note(name);
            });
        }
        assert!(queue.wake_next());
        assert_eq!(diary.len(), 0, "waking only queues");
        settle(&ctx);
        assert_eq!(diary.read(), "a");
        queue.wake_all();
        settle(&ctx);
        assert_eq!(diary.read(), "a b c");
        assert!(queue.is_empty() && !queue.wake_next());
    }

    fn wake_all_wakes_those_who_wait_now_and_not_those_who_wait_again(ctx) {
        let (queue, diary) = (Rc::new(CoQueue::new()), Diary::default());
        for name in ["a", "b"] {
            let (queue, diary) = (queue.clone(), diary.clone());
            spawn(&ctx, name, async move {
                loop {
                    queue.wait().await;
                    diary.note(name);
                }
            });
        }
        queue.wake_all();
        settle(&ctx);
        assert_eq!(diary.read(), "a b");
        ctx.close();
        assert!(queue.is_empty());
    }
}

#[test]
fn a_waiter_that_is_dropped_leaves_the_queue() {
    let queue = CoQueue::new();
    drop(join(&queue));
    assert!(queue.is_empty());
    assert!(!queue.wake_next());
}

#[test]
fn a_wake_that_was_not_used_goes_to_the_next_waiter() {
    let queue = CoQueue::new();
    let (first, mut second, mut third) = (join(&queue), join(&queue), join(&queue));
    assert!(queue.wake_next());
    drop(first);
    assert!(is_over(&mut second));
    assert!(!is_over(&mut third));
}

#[test]
fn a_wake_that_was_used_goes_to_nobody_else() {
    let queue = CoQueue::new();
    let (mut first, mut second) = (join(&queue), join(&queue));
    assert!(queue.wake_next());
    assert!(is_over(&mut first));
    drop(first);
    assert!(!is_over(&mut second));
}

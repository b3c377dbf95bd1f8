//! Wakers of other executors: dropping or using one may run anything, so no lock and no borrow may
//! be held meanwhile.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use blockjob_runtime::{CoMutex, CoQueue, CoRwlock};

use crate::common::{CountingWaker, waker_that_owns};

/// Polls once; it must wait.
fn poll_pending<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>, waker: &Waker) {
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_pending()
    );
}

/// The waker owns the lock, so dropping it grants the waiter its wish, in the midst of its poll.
#[test]
fn replacing_the_waker_of_a_waiter_may_unlock_the_mutex() {
    let mutex: &'static CoMutex = Box::leak(Box::new(CoMutex::new()));
    let guard = mutex.try_lock().expect("nobody has it");
    let mut waiter = Box::pin(mutex.lock());
    poll_pending(&mut waiter, &waker_that_owns(guard));
    let wakes = Arc::new(CountingWaker::default());
    poll_pending(&mut waiter, &Waker::from(wakes.clone()));
    assert_eq!(wakes.wakes(), 1);
}

#[test]
fn a_waiter_that_gives_up_may_unlock_the_mutex_with_its_waker() {
    let mutex: &'static CoMutex = Box::leak(Box::new(CoMutex::new()));
    let guard = mutex.try_lock().expect("nobody has it");
    let mut waiter = Box::pin(mutex.lock());
    poll_pending(&mut waiter, &waker_that_owns(guard));
    drop(waiter);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_waiter_that_gives_up_may_drop_another_waiter_of_the_lock_with_its_waker() {
    let lock: &'static CoRwlock = Box::leak(Box::new(CoRwlock::new()));
    let mut first = Box::pin(lock.write());
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(cx).is_ready()); // and its guard is dropped with the result
    let mut holder = Box::pin(lock.read());
    let std::task::Poll::Ready(_guard) = holder.as_mut().poll(cx) else {
        panic!("the lock is free");
    };
    let mut owned = Box::pin(lock.write());
    poll_pending(&mut owned, Waker::noop());
    let mut waiter = Box::pin(lock.write());
    poll_pending(&mut waiter, &waker_that_owns(owned));
    drop(waiter);
}

#[test]
fn a_wake_may_drop_another_waiter_of_the_queue() {
    let queue: &'static CoQueue = Box::leak(Box::new(CoQueue::new()));
    let mut first = Box::pin(queue.wait());
    let mut second = Box::pin(queue.wait());
    poll_pending(&mut second, Waker::noop());
    poll_pending(&mut first, &waker_that_owns(Rc::new(second)));
    // The wake uses the waker up.
    assert!(queue.wake_next());
    assert!(queue.wake_next());
    assert!(!queue.wake_next());
}

#[test]
fn a_wake_may_try_the_mutex_that_it_comes_from() {
    struct Tries(&'static CoMutex);
    impl Wake for Tries {
        fn wake(self: Arc<Self>) {
            assert!(self.0.try_lock().is_none(), "the waiter has it already");
        }
    }
    let mutex: &'static CoMutex = Box::leak(Box::new(CoMutex::new()));
    let guard = mutex.try_lock().expect("nobody has it");
    let mut waiter = Box::pin(mutex.lock());
    poll_pending(&mut waiter, &Waker::from(Arc::new(Tries(mutex))));
    drop(guard);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waiter.as_mut().poll(cx).is_ready());
}

//! Several futures at the same time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Runs all futures at the same time, and returns what they return, in their order.
pub(super) async fn join_all<'a, T>(futures: Vec<Pin<Box<dyn Future<Output = T> + 'a>>>) -> Vec<T> {
    enum Slot<'a, T> {
        Running(Pin<Box<dyn Future<Output = T> + 'a>>),
        Ended(T),
    }
    let mut slots: Vec<_> = futures.into_iter().map(Slot::Running).collect();
    poll_fn(|cx| {
        let mut running = false;
        for slot in &mut slots {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *slot = Slot::Ended(value),
                    Poll::Pending => running = true,
                }
            }
        }
        if running {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    let ended = slots.into_iter().filter_map(|slot| match slot {
        Slot::Ended(value) => Some(value),
        Slot::Running(_) => None,
    });
    ended.collect()
}

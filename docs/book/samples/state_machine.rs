//! The same coroutine twice: written with `async`, and written out as the state machine that it is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blockjob_runtime::{AioContext, YieldNow, yield_now};

async fn by_await() {
    println!("  async: first half");
    yield_now().await;
    println!("  async: second half");
}

/// Where the coroutine stands. What is alive across the yield is a field of the state.
enum ByHand {
    Begin,
    Yielded(YieldNow),
    Ended,
}

impl Future for ByHand {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut *self {
                ByHand::Begin => {
                    println!("  by hand: first half");
                    *self = ByHand::Yielded(yield_now());
                }
                ByHand::Yielded(yielded) => {
                    ready!(Pin::new(yielded).poll(cx));
                    println!("  by hand: second half");
                    *self = ByHand::Ended;
                    return Poll::Ready(());
                }
                ByHand::Ended => panic!("polled after its end"),
            }
        }
    }
}

fn main() {
    let ctx = AioContext::builder().virtual_time().build();
    let _current = ctx.make_current();

    let one = ctx.coroutine("by_await", by_await());
    let two = ctx.coroutine("by_hand", ByHand::Begin);

    println!("enter both");
    one.enter();
    two.enter();
    println!("the caller goes on; both stand at their yield");
    two.wake();
    println!("woken, and still not run");
    ctx.poll(false);
    println!("the loop has run it: ended = {}", two.ended());
    one.enter();
    println!("entered again: ended = {}", one.ended());
    println!("a future takes {} bytes", size_of::<ByHand>());
}

#[test]
fn it_runs() {
    main();
}

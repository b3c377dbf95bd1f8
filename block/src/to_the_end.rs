//! Work that runs to its end, whoever loses interest in it.

use blockjob_runtime::AioContext;

use crate::oneshot;

/// Runs `future` as a coroutine of its own and waits for it. A caller who drops this stops waiting,
/// not the work: what reads first and then writes what it has read must not be cut off in between
/// others' writes, because the write that it has begun goes on and may come too late.
pub(crate) async fn to_the_end<T: 'static>(
    context: &AioContext,
    name: &'static str,
    future: impl Future<Output = T> + 'static,
) -> T {
    let (sender, receiver) = oneshot::channel();
    let coroutine = context.coroutine(name, async move {
        sender.send(future.await);
    });
    coroutine.enter();
    receiver.await
}

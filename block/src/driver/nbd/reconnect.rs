//! Attempts to get a new connection, with growing pauses.
//!
//! QEMU: `connect_thread_func` (nbd/client-connection.c), `nbd_reconnect_attempt` (block/nbd.c).

use std::rc::{Rc, Weak};

use futures_lite::future::or;

use super::connect::attempt;
use super::engine::Engine;
use crate::error::{BlockError, BlockResult, ErrorKind};

/// The first pause after an attempt, in nanoseconds; each one that follows is twice as long.
pub(super) const FIRST_PAUSE_NS: u64 = 100_000_000;
/// The longest pause while requests wait.
const MAX_PAUSE_WAITED_FOR_NS: u64 = 1_000_000_000;
/// The longest pause while nobody waits.
const MAX_PAUSE_NS: u64 = 16_000_000_000;
/// A server that takes the connection and says nothing for so long is given up.
pub(super) const HANDSHAKE_NS: u64 = 10_000_000_000;

/// Begins to try, unless that goes on already; `after_pause` if the last connection was of no use to
/// anybody.
pub(super) fn start(engine: &Rc<Engine>, after_pause: bool) {
    if engine.connecting.replace(true) {
        return;
    }
    let weak = Rc::downgrade(engine);
    let context = engine.context.clone();
    let run = async move {
        if after_pause {
            pause(&weak).await;
        }
        while !try_once(&weak).await {
            pause(&weak).await;
        }
        if let Some(engine) = weak.upgrade() {
            engine.connecting.set(false);
        }
    };
    context.coroutine("nbd reconnect", run).wake();
}

/// Somebody wants the connection: a pause that has lasted for a while ends. He does not wait for it, so
/// a server that is back is there for the next request.
pub(super) fn hurry(engine: &Engine) {
    let since_ns = engine
        .context
        .now_ns()
        .saturating_sub(engine.attempted_ns.get());
    if since_ns >= MAX_PAUSE_WAITED_FOR_NS {
        engine.kick.wake_all();
    }
}

async fn pause(weak: &Weak<Engine>) {
    let Some(engine) = weak.upgrade() else {
        return;
    };
    let pause_ns = engine.pause_ns.get();
    engine.pause_ns.set((2 * pause_ns).min(MAX_PAUSE_NS));
    let pause_ns = match engine.has_waiting() {
        true => pause_ns.min(MAX_PAUSE_WAITED_FOR_NS),
        false => pause_ns,
    };
    if engine.wants_connection() {
        let sleep = engine.context.sleep(pause_ns);
        or(engine.kick.wait(), sleep).await;
    }
}

/// One attempt. True if there need not be another one.
async fn try_once(weak: &Weak<Engine>) -> bool {
    let Some(engine) = weak.upgrade() else {
        return true;
    };
    if !engine.wants_connection() {
        return true;
    }
    let result = or(connect(&engine), async {
        // The driver is being dropped, or somebody is in a hurry: then this goes on.
        while engine.wants_connection() {
            engine.kick.wait().await;
        }
        Ok(())
    })
    .await;
    engine.attempted_ns.set(engine.context.now_ns());
    if let Err(error) = &result {
        engine.note_reason(error.to_string());
    }
    result.is_ok()
}

async fn connect(engine: &Rc<Engine>) -> BlockResult<()> {
    let transport = &*engine.transport;
    let connected = attempt(
        &engine.context,
        transport,
        &engine.options.export,
        HANDSHAKE_NS,
    )
    .await?;
    if let Some(shortfall) = connected.info.shortfall(&engine.info) {
        return Err(BlockError::new(
            ErrorKind::Invalid,
            format!("the export has changed: {shortfall}"),
        ));
    }
    if engine.wants_connection() {
        engine.connecting.set(false);
        engine.install(connected);
    }
    Ok(())
}

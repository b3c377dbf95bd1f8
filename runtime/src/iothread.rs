//! `IoThread`: a thread that runs the event loop of a context of its own.
//!
//! QEMU: `IOThread` (include/system/iothread.h, iothread.c).

use std::any::Any;
use std::{fmt, io, mem};

use crate::context::AioContext;
use crate::handle::AioHandle;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex, thread};

/// What a thread panicked with.
type Panic = Box<dyn Any + Send>;

/// Whether the new thread has a context.
enum Begun {
    NotYet,
    With(AioHandle),
    /// It could not be made.
    Failed(io::Error),
    /// The thread has panicked.
    Without,
}

/// Where whoever makes a thread waits for its context.
struct Beginning {
    begun: Mutex<Begun>,
    told: Condvar,
}

impl Beginning {
    fn tell(&self, news: Begun) {
        let mut begun = self.begun.lock();
        if matches!(*begun, Begun::NotYet) {
            *begun = news;
        }
        drop(begun);
        self.told.notify_all();
    }

    /// What was told; one waits, and once.
    fn wait(&self) -> Begun {
        let mut begun = self.begun.lock();
        while matches!(*begun, Begun::NotYet) {
            begun = self.told.wait(begun);
        }
        mem::replace(&mut *begun, Begun::Without)
    }
}

/// Held by the new thread. If it panics before there is a context, nobody waits for one.
struct Teller(Arc<Beginning>);

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.tell(Begun::Without);
    }
}

/// A thread with a context. Dropping it [stops](Self::stop) it.
///
/// QEMU: `IOThread` (include/system/iothread.h).
pub struct IoThread {
    handle: AioHandle,
    /// Set by the thread itself, when the request to stop comes to its turn.
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl IoThread {
    /// Starts a thread with a context of this machine that is called `name`.
    ///
    /// # Panics
    ///
    /// If the machine has no room for another thread.
    pub fn new(name: &str) -> IoThread {
        let of_context = name.to_owned();
        Self::with_context(name, move || AioContext::builder().name(of_context).build())
    }

    /// Starts a thread that is called `name` and runs the context that `make` makes there.
    ///
    /// QEMU: `iothread_run` (iothread.c).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new) does, and if `make` does.
    pub fn with_context(
        name: &str,
        make: impl FnOnce() -> AioContext + Send + 'static,
    ) -> IoThread {
        let thread = Self::try_with_context(name, move || Ok(make()));
        thread.expect("the machine has room for another thread")
    }

    /// The same, where `make` may fail.
    ///
    /// QEMU: `iothread_init` (iothread.c).
    ///
    /// # Errors
    ///
    /// That of `make`, as it is when the process may not open more descriptors; or the machine has no room
    /// for another thread. Then there is none.
    ///
    /// # Panics
    ///
    /// If `make` does.
    pub fn try_with_context(
        name: &str,
        make: impl FnOnce() -> io::Result<AioContext> + Send + 'static,
    ) -> io::Result<IoThread> {
        let beginning = Arc::new(Beginning {
            begun: Mutex::new(Begun::NotYet),
            told: Condvar::default(),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (teller, stopped) = (Teller(beginning.clone()), stop.clone());
        let body = move || {
            let ctx = match make() {
                Ok(ctx) => ctx,
                Err(error) => return teller.0.tell(Begun::Failed(error)),
            };
            teller.0.tell(Begun::With(ctx.handle()));
            drop(teller);
            // Relaxed: it is set by a callback of this thread.
            while !stopped.load(Ordering::Relaxed) {
                ctx.poll(true);
            }
            ctx.close();
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
        let begun = beginning.wait();
        if let Begun::With(handle) = begun {
            return Ok(IoThread {
                handle,
                stop,
                thread: Some(thread),
            });
        }
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
        match begun {
            Begun::Failed(error) => Err(error),
            _ => unreachable!("the thread has told of its context"),
        }
    }

    /// Its context, as other threads see it.
    ///
    /// QEMU: `iothread_get_aio_context` (iothread.c).
    pub fn handle(&self) -> &AioHandle {
        &self.handle
    }

    /// Ends the loop, drops whatever lives in the context, and waits for the end of the thread. What
    /// was posted before is done; what is posted later is dropped.
    ///
    /// QEMU: `iothread_stop` (iothread.c).
    ///
    /// # Panics
    ///
    /// With what the thread has panicked with, if it has.
    pub fn stop(mut self) {
        if let Err(panic) = self.join() {
            std::panic::resume_unwind(panic);
        }
    }

    fn join(&mut self) -> Result<(), Panic> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        // From the inbox, so that what was posted before comes first.
        let stop = self.stop.clone();
        self.handle.schedule_oneshot("iothread stop", move |_| {
            stop.store(true, Ordering::Relaxed);
        });
        thread.join()
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        // A panic of the thread was reported when it came, and a destructor must not add one.
        let _ = self.join();
    }
}

impl fmt::Debug for IoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IoThread({})", self.handle.name())
    }
}

//! A context, a daemon, and nodes of exports.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use blockjob::block::Node;
use blockjob::daemon::Daemon;
use blockjob::daemon::open::options::Options;
use blockjob::daemon::open::{OpenFlags, open_image};
use blockjob::qapi::QmpResult;
use blockjob::runtime::AioContext;

use crate::server::socket;

pub(crate) struct World {
    pub(crate) context: AioContext,
    pub(crate) daemon: Rc<Daemon>,
    pub(crate) dir: tempfile::TempDir,
}

/// What a coroutine that was started comes to.
pub(crate) struct Started<T>(Rc<Cell<Option<T>>>);

impl World {
    pub(crate) fn new() -> World {
        let context = AioContext::new();
        let daemon = Daemon::new(&context);
        let dir = tempfile::tempdir().expect("there is a folder for that");
        World {
            context,
            daemon,
            dir,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The default export of the server of this folder, as a node.
    pub(crate) fn try_node(&self, more: &[(&str, &str)]) -> QmpResult<Rc<Node>> {
        let path = socket(self.path());
        let path = path.to_str().expect("temporary folders have simple names");
        let options = [
            ("driver", "nbd"),
            ("server.type", "unix"),
            ("server.path", path),
            ("discard", "unmap"),
        ];
        let options: Options = options.iter().chain(more).copied().collect();
        let flags = OpenFlags::default();
        let mut options = options;
        options.put_default("read-only", "off");
        open_image(&self.daemon, None, options, flags)
    }

    pub(crate) fn node(&self, more: &[(&str, &str)]) -> Rc<Node> {
        let node = self.try_node(more);
        node.unwrap_or_else(|error| panic!("it can be opened: {error}"))
    }

    pub(crate) fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.context.run("test", future)
    }

    pub(crate) fn start<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Started<T> {
        let result = Rc::new(Cell::new(None));
        let set = result.clone();
        let coroutine = async move { set.set(Some(future.await)) };
        self.context.coroutine("started", coroutine).wake();
        Started(result)
    }

    /// Polls until `started` has ended; a test that hangs here fails with its sentence.
    pub(crate) fn finish<T: 'static>(&self, started: &Started<T>) -> T {
        let deadline_ns = self.context.now_ns() + 60_000_000_000;
        let timer = self.context.timer("deadline", || ());
        timer.arm(deadline_ns);
        loop {
            if let Some(value) = started.0.take() {
                return value;
            }
            assert!(self.context.now_ns() < deadline_ns, "a request hangs");
            self.context.poll(true);
        }
    }
}

impl<T> Started<T> {
    pub(crate) fn ended(&self) -> bool {
        let value = self.0.take();
        let ended = value.is_some();
        self.0.set(value);
        ended
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.daemon.owned.clear();
        if !std::thread::panicking() {
            self.context.close();
        }
    }
}

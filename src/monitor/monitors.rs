//! All monitors of a program: who is let in, who is told what happens, and the end.
//!
//! QEMU: `mon_list`, `monitor_qapi_event_emit`, `monitor_cleanup` (monitor/monitor.c),
//! `monitor_init_qmp` (monitor/qmp.c), `monitor_init_hmp` (monitor/hmp.c).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_runtime::AioContext;
use futures_lite::FutureExt;

use super::chardev::{Chardev, Kind, Listener, SocketFile, Stream, Terminal, connect};
use super::dispatch::{CommandTable, Dispatch};
use super::dispatcher::Shared;
use super::events::event;
use super::options::{MonitorOptions, SocketOptions};
use super::protocol::json_line;
use super::say;
use super::session::Session;
use crate::daemon::EventSink;
use crate::qapi::{Command, Dict};

/// How long [`Monitors::close_all`] waits for clients to take their last replies.
const FLUSH_NS: u64 = 1_000_000_000;
/// How long a server rests when the system has refused it a connection, for lack of descriptors.
const ACCEPT_REST_NS: u64 = 100_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// One monitor.
struct Monitor {
    name: String,
    options: MonitorOptions,
    shared: Rc<Shared>,
    /// Its client, if there is one.
    session: RefCell<Option<Rc<Session>>>,
    /// What is put back in order at the end.
    door: RefCell<(Option<SocketFile>, Option<Terminal>)>,
}

/// All monitors of a program.
///
/// They live in one context, which holds them: [`close_all`](Self::close_all) ends them, or the end of
/// the context.
pub struct Monitors {
    shared: Rc<Shared>,
    list: RefCell<Vec<Rc<Monitor>>>,
}

impl Monitors {
    /// No monitors yet, in `ctx`.
    pub fn new(ctx: &AioContext) -> Rc<Monitors> {
        Rc::new(Monitors {
            shared: Shared::new(ctx),
            list: RefCell::default(),
        })
    }

    /// Has requests executed by `dispatch` from now on; until then they wait.
    pub fn set_dispatch(&self, dispatch: Rc<dyn Dispatch>) {
        self.shared.set_dispatch(dispatch);
    }

    /// Has no request executed from now on: those that come wait, and get no answer if nobody executes them
    /// any more. Clients still hear of events.
    pub fn rest(&self) {
        self.shared.forget_dispatch();
    }

    /// Has requests executed by the commands that `find` knows, and lines by `hmp`; `context` is what
    /// they work on. It is not kept alive.
    pub fn serve<C: 'static>(
        &self,
        context: &Rc<C>,
        find: fn(&str) -> Option<&'static Command<C>>,
        hmp: fn(&Rc<C>, &str) -> String,
    ) {
        let context = Rc::downgrade(context);
        self.set_dispatch(Rc::new(CommandTable { context, find, hmp }));
    }

    /// Adds a monitor at an open door.
    ///
    /// QEMU: `monitor_init` (monitor/monitor.c).
    pub fn add(&self, chardev: Chardev, options: &MonitorOptions) {
        let Chardev { id, mut kind } = chardev;
        let door = match &mut kind {
            Kind::Server(listener, _) => (listener.file.take(), None),
            Kind::Client(..) => (None, None),
            Kind::Fixed(_, terminal) => (None, terminal.take()),
        };
        let monitor = Rc::new(Monitor {
            name: id,
            options: *options,
            shared: self.shared.clone(),
            session: RefCell::default(),
            door: RefCell::new(door),
        });
        self.list.borrow_mut().push(monitor.clone());
        let ctx = &self.shared.ctx;
        let coroutine = match kind {
            Kind::Server(listener, first) => {
                ctx.coroutine("monitor server", monitor.be_server(listener, first))
            }
            Kind::Client(socket, first) => {
                ctx.coroutine("monitor client", monitor.be_client(socket, first))
            }
            Kind::Fixed(stream, _) => ctx.coroutine("monitor", async move {
                monitor.serve(stream).await;
            }),
        };
        coroutine.wake();
    }

    /// Tells the clients of all QMP monitors of something, at once.
    ///
    /// QEMU: `monitor_qapi_event_emit` (monitor/monitor.c).
    pub fn emit(&self, name: &str, data: Dict) {
        let event = event(name, data);
        let mut texts = [None, None];
        for monitor in &*self.list.borrow() {
            let Some(session) = monitor.session.borrow().clone() else {
                continue;
            };
            let Some(pretty) = session.protocol().borrow().events() else {
                continue;
            };
            let text = &mut texts[usize::from(pretty)];
            session.send_event(text.get_or_insert_with(|| json_line(&event, pretty)));
        }
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        let list = self.list.borrow();
        let has_client = |monitor: &&Rc<Monitor>| monitor.session.borrow().is_some();
        list.iter().filter(has_client).count()
    }

    /// Ends all monitors: nobody is let in any more, no request begins, sockets are gone from the file
    /// system. Polls until clients have taken the replies that are on their way, but no longer than a
    /// second.
    ///
    /// QEMU: `monitor_cleanup` (monitor/monitor.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn close_all(&self) {
        self.shared.closing.close();
        let list = self.list.take();
        for monitor in &list {
            monitor.door.replace((None, None));
        }
        let sessions: Vec<Rc<Session>> = list.iter().filter_map(|m| m.session.take()).collect();
        let ctx = &self.shared.ctx;
        let pending = || sessions.iter().any(|session| session.pending_bytes() > 0);
        if pending() {
            let late = Rc::new(Cell::new(false));
            let clock = {
                let (ctx, late) = (ctx.clone(), late.clone());
                async move {
                    ctx.sleep(FLUSH_NS).await;
                    late.set(true);
                }
            };
            ctx.coroutine("monitor flush", clock).wake();
            ctx.poll_while(|| pending() && !late.get());
        }
        for session in sessions {
            session.close();
        }
    }
}

impl EventSink for Monitors {
    fn emit(&self, name: &'static str, data: Dict) {
        Monitors::emit(self, name, data);
    }
}

impl Monitor {
    /// Serves one client to its end.
    async fn serve(&self, stream: Stream) {
        if self.shared.closing.is_closed() {
            return;
        }
        let Stream { input, output } = stream;
        let session = Session::new(&self.name, &self.shared, &self.options, output);
        self.session.replace(Some(session.clone()));
        session.serve(input).await;
        self.session.replace(None);
    }

    /// Lets clients in, one after the other.
    ///
    /// QEMU: `tcp_chr_accept`, `tcp_chr_disconnect` (chardev/char-socket.c).
    async fn be_server(self: Rc<Self>, listener: Listener, first: Option<Stream>) {
        let mut next = first;
        loop {
            match next.take() {
                Some(client) => self.serve(client).await,
                None => {
                    let client = async { Some(listener.accept().await) };
                    match self.unless_closing(client).await {
                        Some(Ok(client)) => next = Some(client),
                        Some(Err(error)) => {
                            let name = &self.name;
                            say::line(&format!("monitor '{name}': {error}"));
                            self.rest(ACCEPT_REST_NS).await;
                        }
                        None => return,
                    }
                }
            }
        }
    }

    /// Connects, and again when the connection is lost, if that was asked for.
    ///
    /// QEMU: `qemu_chr_socket_restart_timer`, `tcp_chr_connect_client_async`
    /// (chardev/char-socket.c).
    async fn be_client(self: Rc<Self>, options: SocketOptions, first: Option<Stream>) {
        if let Some(server) = first {
            self.serve(server).await;
        }
        while options.reconnect_ms > 0 && !self.shared.closing.is_closed() {
            self.rest(options.reconnect_ms.saturating_mul(NS_PER_MS))
                .await;
            let server = async { Some(connect(&options).await) };
            match self.unless_closing(server).await {
                Some(Ok(server)) => self.serve(server).await,
                // It has been said that nobody is there.
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    async fn rest(&self, ns: u64) {
        let rest = async {
            self.shared.ctx.sleep(ns).await;
            Some(())
        };
        self.unless_closing(rest).await;
    }

    async fn unless_closing<T>(&self, wanted: impl Future<Output = Option<T>>) -> Option<T> {
        let closing = async {
            self.shared.closing.wait().await;
            None
        };
        closing.or(wanted).await
    }
}

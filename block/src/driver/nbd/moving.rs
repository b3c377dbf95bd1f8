//! The client moves to another context.
//!
//! The node is drained, so no request is under way, and both ends of the connection are between two requests.
//! The socket is handed over, and counts as the same connection: the server notices nothing. If it cannot be
//! handed over, the connection is lost as any other is; the driver goes on as after that, and a flush says
//! whether writes may be lost.
//!
//! QEMU: `nbd_attach_aio_context`, `nbd_detach_aio_context` (block/nbd.c).

use std::cell::Cell;
use std::rc::Rc;

use super::connect::Connected;
use super::device::NbdDriver;
use super::engine::{Engine, Link};
use super::transport::{PackedStream, PackedTransport};
use super::{NbdOptions, reconnect};
use crate::driver::Driver;
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::nbd::client::ExportInfo;

enum PackedLink {
    Up(Box<dyn PackedStream>),
    Waiting,
    Down,
    Over,
}

/// A client on its way.
struct PackedNbd {
    transport: Box<dyn PackedTransport>,
    options: NbdOptions,
    info: ExportInfo,
    link: PackedLink,
    reason: String,
    connections: u64,
    pause_ns: u64,
    unflushed: Option<u64>,
}

impl NbdDriver {
    pub(super) fn pack_up(&self) -> Box<dyn PackedDriver> {
        let engine = &self.engine;
        let transport = engine.transport.pack();
        let mut state = engine.state.borrow_mut();
        debug_assert!(state.waiting.is_empty(), "the node is drained");
        // Whoever serves the connection, or looks for one, sees that there is nothing more to do.
        let link = std::mem::replace(&mut state.link, Link::Over);
        let mut reason = std::mem::take(&mut state.reason);
        drop(state);
        let link = match link {
            Link::Waiting => PackedLink::Waiting,
            Link::Down => PackedLink::Down,
            Link::Over => PackedLink::Over,
            Link::Up(mut channel) => {
                channel.wake();
                let stream = channel.into_stream();
                match stream.and_then(|stream| engine.transport.pack_stream(stream)) {
                    Some(stream) => PackedLink::Up(stream),
                    None => {
                        reason = "it could not be taken to another context".to_owned();
                        engine.lost_link()
                    }
                }
            }
        };
        engine.kick.wake_all();
        Box::new(PackedNbd {
            transport: transport.expect("it was asked before whether it can move"),
            options: engine.options.clone(),
            info: engine.info.clone(),
            link,
            reason,
            connections: engine.connections(),
            pause_ns: engine.pause_ns.get(),
            unflushed: self.unflushed.get(),
        })
    }
}

impl Engine {
    /// What follows when a connection is lost.
    fn lost_link(&self) -> PackedLink {
        match self.options.reconnect_delay_ns {
            0 => PackedLink::Down,
            _ => PackedLink::Waiting,
        }
    }

    /// Goes on where another one has stopped.
    fn go_on(self: &Rc<Self>, link: PackedLink) {
        let link = match link {
            PackedLink::Up(stream) => match stream.unpack(&self.context) {
                Ok(stream) => {
                    // It is the connection that it was.
                    self.connections.set(self.connections.get() - 1);
                    let info = self.info.clone();
                    return self.install(Connected { stream, info });
                }
                Err(error) => {
                    self.note_reason(error.to_string());
                    self.lost_link()
                }
            },
            link => link,
        };
        let link = match link {
            PackedLink::Waiting => Link::Waiting,
            PackedLink::Over => Link::Over,
            _ => Link::Down,
        };
        if matches!(link, Link::Waiting)
            && let Some(delay) = &*self.delay.borrow()
        {
            // How long it has lasted so far is forgotten; nobody has waited for it.
            let now_ns = self.context.now_ns();
            delay.arm(now_ns.saturating_add(self.options.reconnect_delay_ns));
        }
        self.state.borrow_mut().link = link;
        if self.wants_connection() {
            reconnect::start(self, false);
        }
    }
}

impl PackedDriver for PackedNbd {
    fn unpack(self: Box<Self>, graph: &Rc<Graph>) -> Box<dyn Driver> {
        let context = graph.context();
        let transport = self.transport.unpack(context);
        let engine = Engine::unconnected(context, transport, self.options, self.info);
        engine.connections.set(self.connections);
        engine.pause_ns.set(self.pause_ns);
        engine.note_reason(self.reason);
        engine.go_on(self.link);
        Box::new(NbdDriver {
            engine,
            unflushed: Cell::new(self.unflushed),
        })
    }
}

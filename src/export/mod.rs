//! Exports: nodes that somebody outside of the daemon uses.
//!
//! An export uses its node through a backend of its own, so it follows when a mirror puts another node
//! in its place, with its clients connected.
//!
//! QEMU: block/export/export.c.

mod add;
pub mod nbd;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::Node;
use blockjob_runtime::sync::Arc;

pub use add::{ExportOptions, add, check};
use nbd::{NbdExport, NbdServer};

use crate::daemon::contexts::{self, Common};
use crate::daemon::{Daemon, open};
use crate::qapi::types::export::{BlockExportDeleted, BlockExportType};

/// What an export is to its clients.
pub enum Kind {
    /// A disk over the network block device protocol.
    Nbd(Rc<NbdExport>),
}

/// An export.
///
/// QEMU: `BlockExport` (include/block/export.h).
pub struct BlockExport {
    id: String,
    kind: Kind,
    shutting_down: Cell<bool>,
}

impl BlockExport {
    /// Its name among the exports.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What kind of export it is.
    pub fn export_type(&self) -> BlockExportType {
        match self.kind {
            Kind::Nbd(_) => BlockExportType::Nbd,
        }
    }

    /// The node that it uses now.
    pub fn node(&self) -> Option<Rc<Node>> {
        let Kind::Nbd(nbd) = &self.kind;
        nbd.blk().node()
    }

    /// True once somebody has asked it to end.
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.get()
    }

    /// How many clients use it.
    pub fn clients(&self) -> usize {
        let Kind::Nbd(nbd) = &self.kind;
        nbd.clients()
    }
}

/// The exports of a context, and, of the main one, the servers that they are reached by.
pub struct Exports {
    common: Arc<Common>,
    /// The oldest first.
    list: RefCell<Vec<Rc<BlockExport>>>,
    nbd_server: RefCell<Option<Rc<NbdServer>>>,
}

impl Exports {
    /// None yet, in one of the contexts of `common`.
    pub(crate) fn new(common: &Arc<Common>) -> Self {
        Exports {
            common: common.clone(),
            list: RefCell::default(),
            nbd_server: RefCell::default(),
        }
    }

    /// All exports of the context, the newest first.
    pub fn all(&self) -> Vec<Rc<BlockExport>> {
        self.list.borrow().iter().rev().cloned().collect()
    }

    /// The export of that name, if it is in this context.
    ///
    /// QEMU: `blk_exp_find` (block/export/export.c).
    pub fn find(&self, id: &str) -> Option<Rc<BlockExport>> {
        let list = self.list.borrow();
        list.iter().find(|export| export.id == id).cloned()
    }

    /// The NBD exports of this context to which clients may come, the oldest first.
    pub fn open_nbd(&self) -> Vec<Rc<NbdExport>> {
        let list = self.list.borrow();
        let open = list.iter().filter(|export| !export.is_shutting_down());
        open.map(|export| {
            let Kind::Nbd(nbd) = &export.kind;
            nbd.clone()
        })
        .collect()
    }

    /// The NBD export that clients know by that name, if it is in this context.
    ///
    /// QEMU: `nbd_export_find` (nbd/server.c).
    pub fn find_nbd(&self, name: &str) -> Option<Rc<NbdExport>> {
        let mut open = self.open_nbd().into_iter();
        open.find(|export| export.name() == name)
    }

    /// The NBD server, if it has been started.
    pub fn nbd_server(&self) -> Option<Rc<NbdServer>> {
        self.nbd_server.borrow().clone()
    }

    /// There is another NBD server from now on, or none.
    pub fn set_nbd_server(&self, server: Option<Rc<NbdServer>>) {
        self.common
            .set_nbd_server(server.as_ref().map(|server| server.options()));
        let before = self.nbd_server.replace(server);
        drop(before);
    }

    /// A new export.
    fn push(&self, daemon: &Daemon, export: Rc<BlockExport>) {
        let Kind::Nbd(nbd) = &export.kind;
        let mut names = self.common.names.lock();
        names.add_export(&export.id, nbd.told(), &daemon.context().handle());
        drop(names);
        self.list.borrow_mut().push(export);
    }

    /// The export goes to another context.
    fn leave(&self, id: &str) {
        let mut list = self.list.borrow_mut();
        let place = list.iter().position(|export| export.id == id);
        // Its sessions hold it until they end, so nothing ends here.
        let left = place.map(|place| list.remove(place));
        drop(list);
        drop(left);
    }

    /// An export has come from another context.
    fn arrive(daemon: &Rc<Daemon>, id: String, nbd: Rc<NbdExport>) {
        let mut names = daemon.common().names.lock();
        names.move_export(&id, nbd.told(), &daemon.context().handle());
        let export = Rc::new(BlockExport {
            id,
            kind: Kind::Nbd(nbd),
            shutting_down: Cell::new(false),
        });
        let mut list = daemon.exports.list.borrow_mut();
        list.push(export);
        list.sort_by_key(|export| names.export(&export.id).map(|named| named.number));
    }

    /// Has an export end: no client comes to it any more, those that there are lose it, and when their
    /// requests have ended, everybody is told that it is gone. Called outside of coroutines.
    ///
    /// QEMU: `blk_exp_request_shutdown` (block/export/export.c).
    pub fn request_shutdown(daemon: &Rc<Daemon>, export: &Rc<BlockExport>) {
        if export.shutting_down.replace(true) {
            return;
        }
        daemon.common().names.lock().close_export(&export.id);
        let Kind::Nbd(nbd) = &export.kind;
        let gone = {
            let daemon = Rc::downgrade(daemon);
            let export = Rc::downgrade(export);
            move || Self::delete_soon(&daemon, &export)
        };
        nbd.close(gone);
        if export.clients() == 0 {
            Self::delete(daemon, export);
        }
    }

    /// The last session ends, in a coroutine, where nobody may poll.
    fn delete_soon(daemon: &Weak<Daemon>, export: &Weak<BlockExport>) {
        let (daemon, export) = (daemon.clone(), export.clone());
        let Some(context) = daemon.upgrade().map(|daemon| daemon.context().clone()) else {
            return;
        };
        context.schedule_oneshot("blk_exp_delete", move || {
            if let (Some(daemon), Some(export)) = (daemon.upgrade(), export.upgrade()) {
                Self::delete(&daemon, &export);
            }
        });
    }

    /// QEMU: `blk_exp_delete_bh` (block/export/export.c).
    fn delete(daemon: &Rc<Daemon>, export: &Rc<BlockExport>) {
        let exports = &daemon.exports;
        let listed = |other: &Rc<BlockExport>| Rc::ptr_eq(other, export);
        if !exports.list.borrow().iter().any(listed) {
            return;
        }
        exports.list.borrow_mut().retain(|other| !listed(other));
        let node = export.node();
        let Kind::Nbd(nbd) = &export.kind;
        nbd.release();
        if let Some(node) = node
            && node.parents().is_empty()
            && !daemon.owned.has_node(&node)
        {
            // The export was its last user.
            open::flush_before_close(daemon, &node);
        }
        daemon.emit(&BlockExportDeleted {
            id: export.id.clone(),
        });
        // Whoever waits for that in the main context has been told of it.
        daemon.common().names.lock().remove_export(&export.id);
        if !daemon.is_main() {
            daemon.common().main().kick();
        }
    }

    /// Ends all exports of all contexts, the newest first. Polls until they are gone. Called in the
    /// main context.
    ///
    /// QEMU: `blk_exp_close_all` (block/export/export.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn close_all(daemon: &Rc<Daemon>) {
        let exports = daemon.common().names.lock().exports();
        for (id, home) in exports {
            let name = id.clone();
            let end = move |daemon: &Rc<Daemon>| {
                if let Some(export) = daemon.exports.find(&id) {
                    Self::request_shutdown(daemon, &export);
                }
            };
            if contexts::call(daemon, &home, end).is_err() {
                // A thread that has panicked has taken its exports along.
                daemon.common().names.lock().remove_export(&name);
            }
        }
        // Not there: it may be in the middle of ending one, and go on only when it has answered.
        let context = daemon.context();
        context.poll_while(|| !daemon.common().names.lock().exports().is_empty());
        daemon.tell_events();
    }

    /// Ends all exports, and the server. Polls until both are gone. Called in the main context.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn shut_down(daemon: &Rc<Daemon>) {
        Self::close_all(daemon);
        daemon.common().set_nbd_server(None);
        let server = daemon.exports.nbd_server.take();
        if let Some(server) = server {
            server.close();
        }
    }
}

//! Whether guests run, and the end of the daemon.
//!
//! The storage daemon of QEMU knows only `quit`, and sends no `SHUTDOWN`: it has no guests. One that
//! was given named drives stands for a machine, and does what that does.
//!
//! QEMU: monitor/qmp-cmds.c, system/cpus.c, storage-daemon/qemu-storage-daemon.c.

use std::rc::Rc;

use crate::command;
use crate::daemon::{Daemon, contexts};
use crate::export::Exports;
use crate::qapi::types::run_state::{Resume, RunState, Shutdown, ShutdownCause, StatusInfo, Stop};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("query-status", "Says whether guests run.",
        () => StatusInfo, qmp_query_status),
    command!("stop", "Has guests stand still, and makes safe what they have written.",
        () => (), qmp_stop),
    command!("cont", "Lets guests run, and forgets errors that stopped them.",
        () => (), qmp_cont),
    command!("quit", "Cancels all jobs and ends the program.",
        () => (), qmp_quit),
];

/// QEMU: `qmp_query_status` (system/runstate.c).
fn qmp_query_status(daemon: &Rc<Daemon>, (): ()) -> QmpResult<StatusInfo> {
    Ok(StatusInfo {
        running: daemon.run_state.is_running(),
        status: daemon.run_state.get(),
    })
}

/// QEMU: `qmp_stop` (monitor/qmp-cmds.c).
fn qmp_stop(daemon: &Rc<Daemon>, (): ()) -> QmpResult<()> {
    vm_stop(daemon, RunState::Paused);
    Ok(())
}

/// QEMU: `qmp_cont` (monitor/qmp-cmds.c), `vm_start` (system/cpus.c).
fn qmp_cont(daemon: &Rc<Daemon>, (): ()) -> QmpResult<()> {
    for drive in daemon.owned.drives() {
        drive.iostatus_reset();
    }
    if !daemon.run_state.is_running() {
        daemon.emit(&Resume {});
        daemon.run_state.set(RunState::Running);
    }
    Ok(())
}

/// QEMU: `qmp_quit` (storage-daemon/qemu-storage-daemon.c).
fn qmp_quit(daemon: &Rc<Daemon>, (): ()) -> QmpResult<()> {
    shut_down(daemon, ShutdownCause::HostQmpQuit);
    Ok(())
}

/// Guests stand still from now on, because of `state`. What they have written is safe when this
/// returns, if their disks can flush. Called outside of coroutines; polls.
///
/// QEMU: `vm_stop`, `do_vm_stop` (system/cpus.c).
pub fn vm_stop(daemon: &Rc<Daemon>, state: RunState) {
    if daemon.run_state.is_running() {
        daemon.run_state.set(state);
        daemon.emit(&Stop {});
    }
    everywhere(daemon, |daemon| {
        drop(daemon.graph().drain_all_begin("vm_stop"));
        flush_all(daemon);
    });
}

/// Has `work` done in one context after the other, the main one first.
fn everywhere(daemon: &Rc<Daemon>, work: fn(&Rc<Daemon>)) {
    for home in contexts::homes(daemon) {
        // A thread that has panicked has nothing left to work on.
        let _done = contexts::call(daemon, &home, work);
    }
}

/// QEMU: `bdrv_flush_all` (block.c).
fn flush_all(daemon: &Rc<Daemon>) {
    let nodes = daemon.graph().nodes();
    daemon.context().run("flush_all", async move {
        for node in nodes {
            // As with the peer: who has stopped the guests cannot do anything about a failure.
            let _flushed = node.flush().await;
        }
    });
}

/// The daemon ends: says so if it stands for a machine, cancels all jobs, and leaves the rest to
/// whoever runs the loop. All that jobs tell is told when this returns. Called outside of coroutines;
/// polls.
///
/// QEMU: `main` (storage-daemon/qemu-storage-daemon.c), `qemu_cleanup` (system/runstate.c).
pub fn shut_down(daemon: &Rc<Daemon>, reason: ShutdownCause) {
    daemon.run_state.request_exit();
    let is_machine = !daemon.owned.drives().is_empty();
    if daemon.run_state.tell_end() && is_machine {
        let guest = false;
        daemon.emit(&Shutdown { guest, reason });
    }
    Exports::shut_down(daemon);
    everywhere(daemon, |daemon| {
        let drained = daemon.graph().drain_all_begin("quit");
        daemon.jobs().cancel_sync_all();
        drop(drained);
        // Images keep some of what was written to them in memory.
        flush_all(daemon);
    });
}

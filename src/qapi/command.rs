//! Commands and events: the entries of the tables that a monitor dispatches by.
//!
//! QEMU: `QmpCommand` (include/qapi/qmp-registry.h), scripts/qapi/commands.py.

use std::rc::Rc;

use super::error::QmpResult;
use super::schema::{Schema, TypeName};
use super::value::{Dict, Value};
use super::visit::{Flavour, Input};
use super::{Qapi, QapiObject};

/// A command, for a program whose state is `C`. Made by [`command!`](crate::command).
pub struct Command<C: 'static> {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it does, for the documentation.
    pub doc: &'static str,
    /// It may be executed out of band, before commands that were sent earlier.
    pub allow_oob: bool,
    /// Its arguments.
    pub args: fn(&mut Schema) -> TypeName,
    /// What it returns.
    pub ret: fn(&mut Schema) -> TypeName,
    /// Reads the arguments, and does nothing.
    pub check: fn(&Dict) -> QmpResult<()>,
    /// Reads the arguments, runs it, writes what it returns.
    pub marshal: fn(&Rc<C>, Dict) -> QmpResult<Value>,
}

/// What QEMU generates for each command as `qmp_marshal_*`: arguments in, result out.
///
/// QEMU: scripts/qapi/commands.py.
///
/// # Errors
///
/// The first thing that is wrong with the arguments, and then nothing was done; or the command's own.
pub fn qmp_marshal<C, A: Qapi, R: Qapi>(
    context: &Rc<C>,
    args: Dict,
    run: fn(&Rc<C>, A) -> QmpResult<R>,
) -> QmpResult<Value> {
    let args = Value::Dict(args);
    let args = A::visit(Input::top(&args, Flavour::Json))?;
    Ok(run(context, args)?.to_value())
}

/// Whether arguments are right as far as that can be told without running the command.
///
/// # Errors
///
/// The first thing that is wrong with them.
pub fn check_args<A: Qapi>(args: &Dict) -> QmpResult<()> {
    let args = Value::Dict(args.clone());
    A::visit(Input::top(&args, Flavour::Json)).map(drop)
}

/// An entry of a table of commands:
/// `command!("job-pause", "Pauses a job.", JobPause => (), qmp_job_pause)`, with `oob` at the end for
/// one that may be executed out of band.
#[macro_export]
macro_rules! command {
    ($name:literal, $doc:literal, $args:ty => $ret:ty, $run:path) => {
        $crate::command!(@ $name, $doc, $args, $ret, $run, false)
    };
    ($name:literal, $doc:literal, $args:ty => $ret:ty, $run:path, oob) => {
        $crate::command!(@ $name, $doc, $args, $ret, $run, true)
    };
    (@ $name:literal, $doc:literal, $args:ty, $ret:ty, $run:path, $oob:literal) => {
        $crate::qapi::Command {
            name: $name,
            doc: $doc,
            allow_oob: $oob,
            args: <$args as $crate::qapi::Qapi>::describe,
            ret: <$ret as $crate::qapi::Qapi>::describe,
            check: $crate::qapi::command::check_args::<$args>,
            marshal: |context, args| {
                $crate::qapi::command::qmp_marshal::<_, $args, $ret>(context, args, $run)
            },
        }
    };
}

/// Something that clients are told without having asked. Declared by
/// [`qapi_event!`](crate::qapi_event).
pub trait QapiEvent: QapiObject {
    /// Its name on the wire.
    const NAME: &'static str;
    /// The entry for a table of events.
    const INFO: EventInfo = EventInfo {
        name: Self::NAME,
        data: Self::describe,
    };
}

/// An entry of the table of events.
#[derive(Clone, Copy)]
pub struct EventInfo {
    /// Its name on the wire.
    pub name: &'static str,
    /// What comes with it.
    pub data: fn(&mut Schema) -> TypeName,
}

//! Who runs the commands.
//!
//! QEMU: `qmp_dispatch` (qapi/qmp-dispatch.c), `handle_hmp_command` (monitor/hmp.c).

use std::rc::{Rc, Weak};

use crate::qapi::{Command, Dict, QmpError, QmpResult, Value};

/// What monitors need of whoever has the commands. All of it is called outside of coroutines, so a
/// command may poll; while it does, no other one begins, save one that runs out of band.
pub trait Dispatch {
    /// Whether the command `name` may run out of band; `None` if there is no such command.
    fn allows_oob(&self, name: &str) -> Option<bool>;

    /// Runs the command `name`, which is there.
    ///
    /// # Errors
    ///
    /// The command's own, or what is wrong with its arguments.
    fn run(&self, name: &str, args: Dict) -> QmpResult<Value>;

    /// Runs a line of a person, and returns what they are to read. Each line of it has an end.
    fn hmp(&self, line: &str) -> String;
}

/// The commands of a program whose state is `C`, by a function that finds them.
pub(crate) struct CommandTable<C: 'static> {
    /// Not kept alive by its monitors.
    pub(crate) context: Weak<C>,
    pub(crate) find: fn(&str) -> Option<&'static Command<C>>,
    pub(crate) hmp: fn(&Rc<C>, &str) -> String,
}

impl<C> Dispatch for CommandTable<C> {
    fn allows_oob(&self, name: &str) -> Option<bool> {
        (self.find)(name).map(|command| command.allow_oob)
    }

    fn run(&self, name: &str, args: Dict) -> QmpResult<Value> {
        match ((self.find)(name), self.context.upgrade()) {
            (Some(command), Some(context)) => (command.marshal)(&context, args),
            _ => Err(QmpError::generic("The program is ending")),
        }
    }

    fn hmp(&self, line: &str) -> String {
        let context = self.context.upgrade();
        context.map_or_else(String::new, |context| (self.hmp)(&context, line))
    }
}

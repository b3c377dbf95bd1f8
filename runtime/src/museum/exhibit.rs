//! What is known of an exhibit.

use std::fmt;

/// A bug that QEMU once had, or that its authors warn of where they avoid it.
#[derive(Debug, Clone, Copy)]
pub struct Exhibit {
    /// What it is called, as in `MIR-02`.
    pub id: &'static str,
    /// The name of its static, for [`bug!`](crate::bug): `MIR_02`.
    pub constant: &'static str,
    /// The bug in one line.
    pub title: &'static str,
    /// What went wrong in QEMU.
    pub went_wrong: &'static str,
    /// Where in QEMU, and the commit or series that mended or describes it.
    pub qemu: &'static str,
    /// What the user saw.
    pub seen_as: &'static str,
    /// The checkers that can see it, most specific first.
    pub breaks: &'static [&'static str],
    /// The tool that must find it.
    pub found_by: Finder,
    /// Whether there is a switch for it.
    pub state: State,
}

/// A tool that finds bugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// The simulator, in a world of one thread.
    Simulator,
    /// A model of every order of memory accesses.
    Loom,
    /// Random orders of threads.
    Shuttle,
    /// A property test of one data structure.
    Property,
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Finder::Simulator => "simulator",
            Finder::Loom => "loom",
            Finder::Shuttle => "shuttle",
            Finder::Property => "property test",
        })
    }
}

/// Whether an exhibit can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can.
    Here {
        /// The function that has the switch, with its crate.
        site: &'static str,
    },
    /// Not yet: a part of the engine is missing.
    ToCome {
        /// That part.
        awaits: Awaits,
        /// What the switch will do, or what has to be looked at again then.
        note: &'static str,
    },
    /// The bug cannot be written in this design.
    NotExpressible {
        /// Why not.
        why: &'static str,
    },
}

impl State {
    /// Whether there is a switch.
    pub fn is_here(self) -> bool {
        matches!(self, State::Here { .. })
    }
}

/// What an exhibit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// Jobs and guests in contexts of other threads.
    Iothreads,
}

impl fmt::Display for Awaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Awaits::Iothreads => "iothreads",
        })
    }
}

/// Makes the static of an exhibit, with its text as documentation.
macro_rules! exhibit {
    (
        $constant:ident, $id:literal, $title:literal,
        went_wrong: $went_wrong:literal,
        qemu: $qemu:literal,
        seen_as: $seen_as:literal,
        breaks: [$($breaks:literal),+],
        found_by: $found_by:ident,
        state: $state:expr,
    ) => {
        #[doc = concat!($id, ": ", $title, ".")]
        #[doc = ""]
        #[doc = $went_wrong]
        #[doc = ""]
        #[doc = concat!("Seen as: ", $seen_as, ".")]
        #[doc = ""]
        #[doc = concat!("Breaks:" $(, " ", $breaks)+, ".")]
        #[doc = ""]
        #[doc = concat!("QEMU: ", $qemu, ".")]
        pub static $constant: Exhibit = Exhibit {
            id: $id,
            constant: stringify!($constant),
            title: $title,
            went_wrong: $went_wrong,
            qemu: $qemu,
            seen_as: $seen_as,
            breaks: &[$($breaks),+],
            found_by: Finder::$found_by,
            state: $state,
        };
    };
}

pub(super) use exhibit;

//! A readers-writer lock as a list of who came when: the model for the scripts.

/// What somebody has or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

/// One that has the lock or waits for it.
#[derive(Debug)]
struct Entry {
    who: usize,
    kind: Kind,
    inside: bool,
}

/// Everybody, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Model {
    entries: Vec<Entry>,
}

impl Model {
    /// `who` comes, and goes inside if it may.
    pub(crate) fn arrive(&mut self, who: usize, kind: Kind) {
        self.entries.push(Entry {
            who,
            kind,
            inside: false,
        });
        self.settle();
    }

    /// `who` leaves, from inside or from the line.
    pub(crate) fn leave(&mut self, who: usize) {
        self.entries.retain(|entry| entry.who != who);
        self.settle();
    }

    /// `who` reads and wants to write: it goes to the end of the line.
    pub(crate) fn upgrade(&mut self, who: usize) {
        self.entries.retain(|entry| entry.who != who);
        self.arrive(who, Kind::Write);
    }

    /// `who` writes and goes on as a reader.
    pub(crate) fn downgrade(&mut self, who: usize) {
        for entry in &mut self.entries {
            if entry.who == who {
                entry.kind = Kind::Read;
            }
        }
        self.settle();
    }

    /// Nobody passes one that waits; the first of those that wait goes in if its kind fits with
    /// those inside.
    fn settle(&mut self) {
        while let Some(first) = self.entries.iter().position(|entry| !entry.inside) {
            let kind = self.entries[first].kind;
            let fits = self
                .entries
                .iter()
                .filter(|entry| entry.inside)
                .all(|entry| kind == Kind::Read && entry.kind == Kind::Read);
            if !fits {
                break;
            }
            self.entries[first].inside = true;
        }
    }

    /// Whether `who` is inside, and as what.
    pub(crate) fn inside(&self, who: usize) -> Option<Kind> {
        self.entries
            .iter()
            .find(|entry| entry.who == who && entry.inside)
            .map(|entry| entry.kind)
    }

    /// Somebody who is inside, or at least in the line.
    pub(crate) fn anybody(&self) -> Option<usize> {
        let inside = self.entries.iter().find(|entry| entry.inside);
        inside.or(self.entries.first()).map(|entry| entry.who)
    }
}

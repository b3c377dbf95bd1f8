//! What is kept of a log when its run is over: enough to make the run again, and little more.

use std::borrow::Cow;

use super::log::{Decision, Entry, Listing, Log};

/// A fingerprint of the sources of this simulator and of all that it simulates.
pub const BUILD: u64 = match u64::from_str_radix(env!("BLOCKJOB_SIM_BUILD"), 16) {
    Ok(build) => build,
    Err(_) => panic!("the build script writes 16 hexadecimal digits"),
};

/// The log of a run without the dull decisions, with what the run was told and who made it.
///
/// Of dull decisions it knows how many there were; what they were about is only in a hash of
/// everything that was asked, by which a replay is held to it. It prints as one line of text and is
/// parsed from there:
///
/// ```text
/// bj1:CONFIG:SITES=DECISIONS:SHAPE.BUILD.HASH
/// bj1:seed=7:aio.next,disk.fail=12a3.5,b1.2+3,40:84222325cbf29ce4.13ab7e0f00c1d2e3.5bd01a44
/// ```
///
/// - `CONFIG` is the caller's, of letters, digits and `. _ : , = + -`, like the whole text, so that
///   no shell wants it quoted.
/// - `SITES` are names with commas between; a decision calls the first of them `a`, the next `b`.
/// - In `DECISIONS`, `12a3.5` says that 12 decisions took 0 and one of site `a` took 3 of 5
///   options. `.5` is left out where it is as it was at that site before. `+3` repeats the entry,
///   with its zeros, 3 times more. A number alone at the end counts the zeros there.
/// - `SHAPE` is a hash of all that was asked, `BUILD` is [`BUILD`] of who made it, and `HASH` is of
///   the text before it: one character that changed is always noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub(crate) config: String,
    pub(crate) build: u64,
    /// Sites of the moves, in the order of their first use.
    pub(crate) sites: Vec<Cow<'static, str>>,
    /// Where each decision stands that was not dull, in order.
    pub(crate) moves: Vec<(u64, Entry)>,
    pub(crate) len: u64,
    pub(crate) shape: u64,
}

/// A configuration that has a character no recording can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "character {at} of the configuration is {found:?}: a recording carries letters, digits and \
     . _ : , = + - alone"
)]
pub struct BadConfig {
    /// Where it stands, counted from 1.
    pub at: usize,
    /// Which one it is.
    pub found: char,
}

impl Recording {
    /// Of `log`, made by this build in a run that was told `config`.
    ///
    /// # Errors
    ///
    /// [`BadConfig`] if `config` has other characters than letters, digits and `. _ : , = + -`.
    pub fn new(config: &str, log: &Log) -> Result<Self, BadConfig> {
        if let Some((index, found)) = config.chars().enumerate().find(|(_, it)| !is_plain(*it)) {
            return Err(BadConfig {
                at: index + 1,
                found,
            });
        }
        let mut recording = Recording {
            config: config.to_owned(),
            build: BUILD,
            sites: Vec::new(),
            moves: Vec::new(),
            len: log.len() as u64,
            shape: log.shape(),
        };
        let mut renumbered = vec![None; log.sites().len()];
        for (index, entry) in log.entries().iter().enumerate() {
            if entry.chosen == 0 {
                continue;
            }
            let old = usize::from(entry.site);
            let site = *renumbered[old].get_or_insert_with(|| {
                recording.sites.push(log.sites()[old].clone());
                recording.sites.len() as u16 - 1
            });
            let entry = Entry { site, ..*entry };
            recording.moves.push((index as u64, entry));
        }
        Ok(recording)
    }

    /// What the run was told.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The fingerprint of the program that made the run; [`BUILD`] if that is this one.
    pub fn build(&self) -> u64 {
        self.build
    }

    /// How many decisions the run made.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many decisions took another option than the dullest.
    pub fn nonzero(&self) -> usize {
        self.moves.len()
    }

    /// A hash of what was asked, as [`Log::shape`].
    pub fn shape(&self) -> u64 {
        self.shape
    }

    /// The decisions that are not dull, in order, each with its place among all of them.
    pub fn moves(&self) -> impl ExactSizeIterator<Item = (u64, Decision<'_>)> {
        self.moves.iter().map(|(at, entry)| {
            let site = &self.sites[usize::from(entry.site)];
            let Entry { n, chosen, .. } = *entry;
            (*at, Decision { site, n, chosen })
        })
    }

    /// The recording for a person to read: a line for each decision that is not dull.
    pub fn listing(&self) -> Listing<'_> {
        Listing {
            exciting: self.moves().collect(),
            len: self.len,
        }
    }
}

/// Whether a recording may have this character: no shell sees anything in those.
pub(crate) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '.' | '_' | ':' | ',' | '=' | '+' | '-')
}

//! The log of a run: every decision, in order.

use std::borrow::Cow;
use std::fmt;

use super::digest::{START, fnv64, mix};
use super::sites::{SiteTable, is_site_name};

/// One decision as logs keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) site: u16,
    pub(crate) n: u32,
    pub(crate) chosen: u32,
}

/// One decision of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The name of the site that asked.
    pub site: &'a str,
    /// How many options there were.
    pub n: u32,
    /// The option that was taken, below `n`.
    pub chosen: u32,
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} took {} of {}", self.site, self.chosen, self.n)
    }
}

/// Every decision of one run, in the order in which they were made.
///
/// Two logs are equal if the same sites asked the same and were answered the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Names, in the order of their first use: that makes equal logs equal as they stand.
    sites: Vec<Cow<'static, str>>,
    entries: Vec<Entry>,
}

impl Log {
    /// A log without decisions.
    pub fn new() -> Self {
        Log::default()
    }

    /// The log of `entries`, whose sites are numbers of `table`.
    pub(crate) fn of(table: &SiteTable, entries: &[Entry]) -> Self {
        let mut log = Log {
            sites: Vec::new(),
            entries: Vec::with_capacity(entries.len()),
        };
        let mut renumbered: Vec<Option<u16>> = Vec::new();
        for entry in entries {
            let old = usize::from(entry.site);
            if renumbered.len() <= old {
                renumbered.resize(old + 1, None);
            }
            let site = *renumbered[old].get_or_insert_with(|| {
                log.sites
                    .push(Cow::Borrowed(table.known(entry.site).site.name));
                log.sites.len() as u16 - 1
            });
            log.entries.push(Entry { site, ..*entry });
        }
        log
    }

    /// Adds a decision at the end.
    ///
    /// # Panics
    ///
    /// If `chosen` is not below `n`, `n` is below 2, or `site` is no name for a site.
    pub fn push(&mut self, decision: Decision<'_>) {
        let Decision { site, n, chosen } = decision;
        assert!(n >= 2 && chosen < n, "no decision can be: {decision}");
        let known = self.sites.iter().position(|known| known == site);
        let index = known.unwrap_or_else(|| {
            assert!(is_site_name(site), "no site can be named {site:?}");
            self.sites.push(Cow::Owned(site.to_owned()));
            self.sites.len() - 1
        });
        let site = u16::try_from(index).expect("a log has fewer than 65,536 sites");
        self.entries.push(Entry { site, n, chosen });
    }

    /// How many decisions there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many decisions took another option than the dullest.
    pub fn nonzero(&self) -> usize {
        self.entries.iter().filter(|it| it.chosen != 0).count()
    }

    /// The decision at `index`, if there are that many.
    pub fn get(&self, index: usize) -> Option<Decision<'_>> {
        self.entries.get(index).map(|entry| self.decision(entry))
    }

    /// All decisions, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Decision<'_>> + DoubleEndedIterator {
        self.entries.iter().map(|entry| self.decision(entry))
    }

    /// A hash of what was asked, whatever was answered: sites and numbers of options, in order.
    pub fn shape(&self) -> u64 {
        let hashes: Vec<u64> = self
            .sites
            .iter()
            .map(|name| fnv64(name.as_bytes()))
            .collect();
        self.entries.iter().fold(START, |shape, entry| {
            shape_after(shape, hashes[usize::from(entry.site)], entry.n)
        })
    }

    /// The log for a person to read: a line for each decision that is not dull.
    pub fn listing(&self) -> Listing<'_> {
        let exciting = self.iter().enumerate().filter(|(_, it)| it.chosen != 0);
        Listing {
            exciting: exciting.map(|(at, it)| (at as u64, it)).collect(),
            len: self.len() as u64,
        }
    }

    pub(crate) fn sites(&self) -> &[Cow<'static, str>] {
        &self.sites
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A log of `entries`, whose sites are those of this one.
    pub(crate) fn with_entries(&self, entries: Vec<Entry>) -> Log {
        Log {
            sites: self.sites.clone(),
            entries,
        }
    }

    fn decision(&self, entry: &Entry) -> Decision<'_> {
        Decision {
            site: &self.sites[usize::from(entry.site)],
            n: entry.n,
            chosen: entry.chosen,
        }
    }
}

/// The shape of a run after one more question of `n` options, at a site whose name has `hash`.
pub(crate) fn shape_after(shape: u64, hash: u64, n: u32) -> u64 {
    mix(shape, hash ^ u64::from(n))
}

/// A log as lines: `index  site  took a of n`, and how many dull decisions lie between.
pub struct Listing<'a> {
    pub(crate) exciting: Vec<(u64, Decision<'a>)>,
    pub(crate) len: u64,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = 0;
        for (at, decision) in &self.exciting {
            dull(f, next, *at)?;
            writeln!(f, "{at:>8}  {decision}")?;
            next = at + 1;
        }
        dull(f, next, self.len)
    }
}

fn dull(f: &mut fmt::Formatter<'_>, from: u64, to: u64) -> fmt::Result {
    match to - from {
        0 => Ok(()),
        1 => writeln!(f, "{:>8}  one decision took 0", ""),
        count => writeln!(f, "{:>8}  {count} decisions took 0", ""),
    }
}

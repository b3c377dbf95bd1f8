//! What a checker found: the rule, the place, the parties.

use std::fmt;

/// The rules that every run is held against, one checker each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// At success the target is the source, and every guest reads what it may.
    Data,
    /// A granule that differs is dirty, in flight, or being written.
    Dirty,
    /// At most one copy of a granule is under way, and who waits for an operation has one to wait for.
    Inflight,
    /// A mirror that says that it is actively synced has every write that guests were told is done on
    /// its target.
    Active,
    /// Nothing starts or is in flight inside of a drained section, and no deferred completion runs in
    /// one of somebody else.
    Drain,
    /// Every counter that stops somebody comes back to zero.
    Quiesce,
    /// Nobody waits for himself, around however many corners.
    WaitGraph,
    /// No state is stuck: the job ends, and is ready within a bounded time once the guest rests.
    Progress,
    /// Whoever waits for a condition hears when it changes.
    Wake,
    /// A job is entered by one at a time, while it lives, at home.
    Home,
    /// What happens once happens once.
    Once,
    /// States, events and outcome follow the table; the outcome is decided once.
    Fsm,
    /// A cancel that is in force takes effect.
    Cancel,
    /// The jobs of a transaction end together.
    Txn,
    /// A job is not faster than its speed.
    Rate,
    /// The graph changes only where it is drained.
    Graph,
    /// Counts are what they count.
    Count,
    /// The engine broke off: one of its own assertions failed.
    Panic,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 18] = [
        Rule::Data,
        Rule::Dirty,
        Rule::Inflight,
        Rule::Active,
        Rule::Drain,
        Rule::Quiesce,
        Rule::WaitGraph,
        Rule::Progress,
        Rule::Wake,
        Rule::Home,
        Rule::Once,
        Rule::Fsm,
        Rule::Cancel,
        Rule::Txn,
        Rule::Rate,
        Rule::Graph,
        Rule::Count,
        Rule::Panic,
    ];

    /// The name as reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Data => "DATA",
            Rule::Dirty => "DIRTY",
            Rule::Inflight => "INFLIGHT",
            Rule::Active => "ACTIVE",
            Rule::Drain => "DRAIN",
            Rule::Quiesce => "QUIESCE",
            Rule::WaitGraph => "WAITGRAPH",
            Rule::Progress => "PROGRESS",
            Rule::Wake => "WAKE",
            Rule::Home => "HOME",
            Rule::Once => "ONCE",
            Rule::Fsm => "FSM",
            Rule::Cancel => "CANCEL",
            Rule::Txn => "TXN",
            Rule::Rate => "RATE",
            Rule::Graph => "GRAPH",
            Rule::Count => "COUNT",
            Rule::Panic => "PANIC",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which rule.
    pub rule: Rule,
    /// In what way, as a short name: two failures of one rule and place are the same failure.
    pub place: String,
    /// Who took part.
    pub parties: Vec<String>,
    /// A sentence.
    pub text: String,
    /// When, in nanoseconds of the world's clock.
    pub at_ns: u64,
    /// After how many decisions.
    pub decisions: u64,
}

impl Failure {
    /// Whether this is the same failure as `other`, as a shrinker sees it.
    pub fn is_same_as(&self, other: &Failure) -> bool {
        self.rule == other.rule && self.place == other.place
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.rule, self.place, self.text)?;
        if !self.parties.is_empty() {
            write!(f, " [{}]", self.parties.join(", "))?;
        }
        Ok(())
    }
}

//! The configuration of a run: everything that is not a decision, as one line of text.
//!
//! Each field is a number with a name, a dull default, and a range. A line names those that differ from
//! their defaults: `granules=8,guests=1,requests=4`. The same names stand in scenario files, where a
//! field can have several values to draw from: see [`crate::scenario`].

use std::fmt;

use thiserror::Error;

use crate::monitor::Verb;

/// What a value of a field is written as.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A number up to a largest one.
    Number {
        /// The largest value.
        max: u64,
    },
    /// One of these names; the value is the place in the list.
    Name(&'static [&'static str]),
    /// A set of these names, joined by `+`; the value has a bit for each. `none` is the empty set.
    Set(&'static [&'static str]),
}

macro_rules! fields {
    ($($name:ident $key:literal $default:literal $form:expr, $doc:literal;)*) => {
        /// A field of a configuration.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)] // Each has its sentence in `doc`.
        pub enum Field { $($name),* }

        impl Field {
            /// All fields, in the order in which they are written.
            pub const ALL: &[Field] = &[$(Field::$name),*];

            /// Its name in texts.
            pub const fn key(self) -> &'static str {
                match self { $(Field::$name => $key),* }
            }

            /// The dull value.
            pub const fn default_value(self) -> u64 {
                match self { $(Field::$name => $default),* }
            }

            /// How its values are written.
            pub const fn form(self) -> Form {
                match self { $(Field::$name => $form),* }
            }

            /// What it is, in a sentence.
            pub const fn doc(self) -> &'static str {
                match self { $(Field::$name => $doc),* }
            }
        }
    };
}

const FLAG: Form = Form::Name(&["no", "yes"]);
const ODDS: Form = Form::Number { max: 1024 };
const TIME: Form = Form::Number {
    max: 3_600_000_000_000,
};
const ON_ERROR: Form = Form::Name(&["report", "ignore", "enospc", "stop"]);
const SPREAD: Form = Form::Name(&["constant", "uniform", "tail"]);
const FILL: Form = Form::Name(&["data", "sparse", "holes", "noise"]);

fields! {
    Jobs "jobs" 1 Form::Number { max: 16 }, "Disks that are in use, each mirrored by a job of its own.";
    Mirror "mirror" 1 FLAG, "The jobs are mirrors; without them there is only what a program adds.";
    Granules "granules" 4 Form::Number { max: 65_536 }, "The length of a disk, in granules.";
    Tail "tail" 0 Form::Number { max: 4096 }, "What a disk is longer than that, in units of 128 bytes.";
    Granularity "granularity" 512 Form::Number { max: 1 << 20 }, "Bytes of a granule, a power of two from 512.";
    Sync "sync" 0 Form::Name(&["full", "top", "none"]), "Which parts of the disk are copied.";
    CopyMode "copymode" 0 Form::Name(&["background", "write-blocking", "auto"]), "How what guests write gets to the target, to begin with.";
    Budget "budget" 0 TIME, "What the mirror may cost a request of a guest, in nanoseconds; 0 is whatever it takes.";
    Backing "backing" 0 FLAG, "The source is an overlay above a base.";
    TargetBacking "tbacking" 0 FLAG, "The target has the same base below it.";
    Fill "fill" 0 FILL, "What the source holds.";
    TargetFill "tfill" 3 FILL, "What the target holds.";
    Unmap "unmap" 1 FLAG, "Zeroes may become holes.";
    Buf "buf" 16 Form::Number { max: 65_536 }, "The job's buffer, in granules.";
    MaxIo "maxio" 1 Form::Number { max: 65_536 }, "The longest copy, in granules.";
    InFlight "inflight" 16 Form::Number { max: 1024 }, "Copies in flight at a time.";
    Slice "slice" 100_000_000 TIME, "SLICE_TIME in nanoseconds.";
    Speed "speed" 0 Form::Number { max: 1 << 40 }, "The speed limit in bytes per second; 0 is none.";
    Room "room" 0 Form::Number { max: 1 << 30 }, "Bytes of buffers that all jobs share; 0 is plenty.";
    OnSourceError "onsource" 0 ON_ERROR, "What an error of the source does.";
    OnTargetError "ontarget" 0 ON_ERROR, "What an error of the target does.";
    Finalize "finalize" 1 FLAG, "Jobs finalize by themselves.";
    Dismiss "dismiss" 1 FLAG, "Jobs vanish by themselves.";
    Txn "txn" 0 FLAG, "All jobs are of one transaction.";
    Latency "latency" 100_000 TIME, "The usual latency of the source in nanoseconds.";
    TargetLatency "tlatency" 100_000 TIME, "The usual latency of the target in nanoseconds.";
    Spread "spread" 0 SPREAD, "How much latencies of the source differ.";
    TargetSpread "tspread" 0 SPREAD, "How much latencies of the target differ.";
    Early "early" 0 FLAG, "Requests may do what they do before they answer.";
    Status "status" 0 Form::Name(&["exact", "slow", "coarse"]), "How the source says what it holds.";
    ReadError "readerror" 0 ODDS, "Of 1,024 reads of the source so many fail.";
    WriteError "writeerror" 0 ODDS, "Of 1,024 writes to the source so many fail.";
    TargetError "targeterror" 0 ODDS, "Of 1,024 writes to the target so many fail.";
    TargetFull "targetfull" 0 ODDS, "Of 1,024 writes to the target so many find it full.";
    FlushError "flusherror" 0 ODDS, "Of 1,024 flushes of the target so many fail.";
    Short "short" 0 ODDS, "Of 1,024 transfers so many come short and are continued.";
    Hold "hold" 0 ODDS, "Of 1,024 requests so many are held until the faults end.";
    Volatile "volatile" 0 FLAG, "The target loses in a crash what no flush has made safe, and at the end it crashes.";
    Alignment "alignment" 0 Form::Number { max: 65_536 }, "What the source's requests are multiples of, in bytes.";
    TargetAlignment "talignment" 0 Form::Number { max: 65_536 }, "What the target's requests are multiples of, in bytes.";
    Cluster "cluster" 0 Form::Number { max: 1 << 20 }, "The source's unit of allocation in bytes.";
    TargetCluster "tcluster" 0 Form::Number { max: 1 << 20 }, "The target's unit of allocation in bytes.";
    Guests "guests" 1 Form::Number { max: 16 }, "Guests of each disk.";
    Own "own" 0 FLAG, "Guests run in contexts of their own.";
    Depth "depth" 1 Form::Number { max: 64 }, "Requests of a guest at a time.";
    Requests "requests" 4 Form::Number { max: 1 << 20 }, "Requests of a guest in all.";
    Span "span" 4 Form::Number { max: 4096 }, "The longest request, in steps.";
    Step "step" 1 Form::Number { max: 4096 }, "What requests are multiples of, in units of 128 bytes.";
    Hot "hot" 0 FLAG, "Half of the requests go to one place.";
    Kinds "kinds" 0 Form::Set(&["read", "zero", "discard", "flush"]), "What guests do besides writing.";
    Rest "rest" 0 TIME, "The longest rest before a request in nanoseconds.";
    Abandon "abandon" 0 ODDS, "Of 1,024 requests guests do not wait for so many.";
    Start "start" 0 Form::Number { max: 1 << 20 }, "The jobs start when so many requests have ended.";
    Deeds "deeds" 0 Form::Number { max: 1024 }, "Commands of the monitor.";
    Verbs "verbs" 524_287 Form::Set(&VERB_NAMES), "Which commands.";
    End "end" 0 Form::Name(&["complete", "cancel", "force"]), "How the jobs are ended, if they have not ended before.";
    Eager "eager" 0 FLAG, "The jobs are ended as soon as they are ready, while guests go on.";
    Steps "steps" 200_000 Form::Number { max: 1 << 32 }, "So many steps may the world take before the faults end.";
    SpeedStep "speedstep" 0 Form::Number { max: 1024 }, "Each job's speed limit is above that of the one before by so many times the first's.";
    Noisy "noisy" 0 Form::Number { max: 64 }, "The first guest of all has so many times the depth of the others, for each at a time so many times the requests, and no rest; 0 is none.";
    Drains "drains" 0 TIME, "How long it is until somebody drains a source again for an instant, about, in nanoseconds; 0 is never.";
    Held "held" 0 TIME, "How long the targets are drained by somebody else when the jobs start, in nanoseconds; 0 is not at all.";
    Format "format" 0 Form::Name(&["raw", "qcow2", "both"]), "The format of disks: raw, the target is qcow2, or both sides are; cluster and tcluster are those of the images then, and lengths are rounded up to 512 bytes.";
    IoThread "iothread" 0 FLAG, "The disks live in a context of their own, io0, and so do their jobs; guests are in theirs, and the monitor is in main.";
}

const VERB_NAMES: [&str; 19] = [
    "query", "pause", "resume", "speed", "complete", "cancel", "force", "drain", "tdrain",
    "drainall", "hold", "thold", "snapshot", "second", "finalize", "dismiss", "quit", "change",
    "move",
];

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    values: Vec<u64>,
}

/// What is wrong with a text of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// There is no such field.
    #[error("'{key}' is no field; fields are {}", keys())]
    Unknown {
        /// What was written.
        key: String,
    },
    /// A field without a value.
    #[error("'{text}' has no value: write {text}=...")]
    NoValue {
        /// What was written.
        text: String,
    },
    /// A value that the field cannot have.
    #[error("{key}={value}: expected {expected}")]
    Value {
        /// The field.
        key: &'static str,
        /// What was written.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// Values that do not go together.
    #[error("{text}")]
    Together {
        /// What does not, and what would.
        text: String,
    },
}

fn keys() -> String {
    let keys: Vec<_> = Field::ALL.iter().map(|field| field.key()).collect();
    keys.join(", ")
}

impl Field {
    /// Whether a run is simpler for having another value of it. A world without mirrors is no simpler with
    /// them: somebody else is there in their place.
    pub(crate) fn has_simpler_values(self) -> bool {
        self != Field::Mirror
    }

    /// The field of that name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn parse(key: &str) -> Result<Field, ConfigError> {
        let found = Field::ALL.iter().copied().find(|field| field.key() == key);
        found.ok_or_else(|| ConfigError::Unknown {
            key: key.to_owned(),
        })
    }

    /// A value of this field from its text.
    ///
    /// # Errors
    ///
    /// If the field cannot have it.
    pub fn parse_value(self, text: &str) -> Result<u64, ConfigError> {
        let (value, expected) = match self.form() {
            Form::Number { max } => {
                let value = text.parse().ok().filter(|value| *value <= max);
                (value, format!("a number up to {max}"))
            }
            Form::Name(names) => {
                let value = names.iter().position(|name| *name == text);
                (
                    value.map(|value| value as u64),
                    format!("one of {}", names.join(", ")),
                )
            }
            Form::Set(names) => {
                let bit = |name: &str| {
                    let place = names.iter().position(|known| *known == name);
                    place.map(|place| 1_u64 << place)
                };
                let value = match text {
                    "none" => Some(0),
                    "all" => Some((1 << names.len()) - 1),
                    text => text
                        .split('+')
                        .map(bit)
                        .try_fold(0, |set, bit| Some(set | bit?)),
                };
                let expected = format!("none, all, or some of {} joined by +", names.join(", "));
                (value, expected)
            }
        };
        value.ok_or_else(|| ConfigError::Value {
            key: self.key(),
            value: text.to_owned(),
            expected,
        })
    }

    /// A value of this field as text.
    pub fn value_text(self, value: u64) -> String {
        match self.form() {
            Form::Number { .. } => value.to_string(),
            Form::Name(names) => names.get(value as usize).unwrap_or(&"?").to_string(),
            Form::Set(_) if value == 0 => "none".to_owned(),
            Form::Set(names) if value == (1 << names.len()) - 1 => "all".to_owned(),
            Form::Set(names) => {
                let set = names.iter().enumerate();
                let set = set.filter(|(place, _)| value >> place & 1 == 1);
                set.map(|(_, name)| *name).collect::<Vec<_>>().join("+")
            }
        }
    }
}

impl Config {
    /// All defaults.
    pub fn new() -> Config {
        Config {
            values: Field::ALL
                .iter()
                .map(|field| field.default_value())
                .collect(),
        }
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> u64 {
        self.values[field as usize]
    }

    /// Whether a flag is set.
    pub fn is(&self, field: Field) -> bool {
        self.get(field) != 0
    }

    /// The odds of a fault.
    pub fn odds(&self, field: Field) -> u32 {
        self.get(field) as u32
    }

    /// Sets a field.
    pub fn set(&mut self, field: Field, value: u64) {
        self.values[field as usize] = value;
    }

    /// The same, with a field set.
    #[must_use]
    pub fn with(mut self, field: Field, value: u64) -> Config {
        self.set(field, value);
        self
    }

    /// Reads `key=value,key=value`; fields that are not named have their defaults. An empty text is
    /// all defaults.
    ///
    /// # Errors
    ///
    /// A field or value that does not exist, or values that do not go together.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let mut config = Config::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| ConfigError::NoValue {
                text: part.to_owned(),
            })?;
            let field = Field::parse(key)?;
            config.set(field, field.parse_value(value)?);
        }
        config.check()?;
        Ok(config)
    }

    /// Whether the values go together.
    ///
    /// # Errors
    ///
    /// The first ones that do not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let together = |text: String| Err(ConfigError::Together { text });
        for field in [
            Field::Jobs,
            Field::Buf,
            Field::MaxIo,
            Field::InFlight,
            Field::Depth,
            Field::Span,
            Field::Step,
        ] {
            if self.get(field) == 0 {
                return together(format!("{}=0: expected at least 1", field.key()));
            }
        }
        let granularity = self.get(Field::Granularity);
        if granularity < 512 || !granularity.is_power_of_two() {
            return together(format!(
                "granularity={granularity}: expected a power of two from 512"
            ));
        }
        for field in [
            Field::Alignment,
            Field::TargetAlignment,
            Field::Cluster,
            Field::TargetCluster,
        ] {
            let value = self.get(field);
            if value != 0 && (value < 128 || !value.is_power_of_two()) {
                return together(format!(
                    "{}={value}: expected 0 or a power of two from 128",
                    field.key()
                ));
            }
        }
        if self.len_bytes() < self.get(Field::Step) * 128 {
            return together("the disk is shorter than a step of its guests".to_owned());
        }
        if self.len_bytes() > 128 << 24 {
            return together("the disk is longer than 2 GiB".to_owned());
        }
        if self.is(Field::Backing) && self.get(Field::Sync) == 1 && self.get(Field::TargetFill) != 2
        {
            // What it held would cover the base for good.
            let text =
                "the target of a copy of the top image holds something: expected tfill=holes";
            return together(text.to_owned());
        }
        if self.is(Field::Format) && self.get(Field::Sync) == 2 {
            let text = "the target of a copy of nothing is a copy already, and an image is none: \
                        expected format=raw";
            return together(text.to_owned());
        }
        if self.is(Field::TargetBacking) && !self.is(Field::Backing) {
            return together("tbacking=yes: expected backing=yes, whose base it shares".to_owned());
        }
        Ok(())
    }

    /// The length of a disk.
    pub fn len_bytes(&self) -> u64 {
        let bytes =
            self.get(Field::Granules) * self.get(Field::Granularity) + self.get(Field::Tail) * 128;
        match self.is(Field::Format) {
            // An image has whole sectors.
            true => bytes.next_multiple_of(512),
            false => bytes,
        }
    }

    /// The commands of the monitor.
    pub(crate) fn verbs(&self) -> Vec<Verb> {
        let set = self.get(Field::Verbs);
        let all = Verb::ALL.iter().enumerate();
        let chosen = all.filter(|(place, _)| set >> place & 1 == 1);
        let verbs = chosen.map(|(_, verb)| *verb);
        // Where there is one home nobody moves.
        let can_move = self.is(Field::IoThread);
        verbs
            .filter(|verb| can_move || *verb != Verb::Move)
            .collect()
    }

    /// Configurations that are simpler by one step each, the most promising first: for a shrinker.
    pub fn simpler(&self) -> Vec<Config> {
        let mut simpler = Vec::new();
        for field in Field::ALL {
            let (value, dull) = (self.get(*field), field.default_value());
            if value == dull || !field.has_simpler_values() {
                continue;
            }
            simpler.push(self.clone().with(*field, dull));
            if let Form::Number { .. } = field.form()
                && value > dull + 1
            {
                let half = dull + (value - dull) / 2;
                simpler.push(self.clone().with(*field, half));
                simpler.push(self.clone().with(*field, value - 1));
            }
            if let Form::Set(names) = field.form() {
                let bits = (0..names.len()).filter(|place| value >> place & 1 == 1);
                simpler.extend(bits.map(|place| self.clone().with(*field, value & !(1 << place))));
            }
        }
        for field in [Field::Granules, Field::Requests, Field::Guests] {
            let value = self.get(field);
            simpler.extend(
                (0..value)
                    .take(4)
                    .map(|less| self.clone().with(field, less)),
            );
        }
        simpler.retain(|config| config.check().is_ok());
        simpler
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Config {
    /// The fields that differ from their defaults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for field in Field::ALL {
            let value = self.get(*field);
            if value != field.default_value() {
                let comma = if first { "" } else { "," };
                write!(f, "{comma}{}={}", field.key(), field.value_text(value))?;
                first = false;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({self})")
    }
}

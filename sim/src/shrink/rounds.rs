//! The rounds: simpler configurations and smaller logs, in turns.

use super::Phase;
use super::leap::leap;
use super::measure::{Complexity, Measure};
use super::mutant::Mutant;
use super::trials::Trials;
use crate::config::{Config, Field};
use crate::decide::{self, Lenient, Log, Random};

/// So many runs a simpler configuration gets where any failure is welcome.
const FREE_TRIES: u64 = 24;

/// So many runs a simpler configuration gets where only a smaller run is: few at first, and more of them
/// when few do not help any more.
const STRICT_TRIES: [u64; 3] = [8, 64, 400];

/// So many of those that fail, but not with a smaller run, are shrunk for a moment to see what they are
/// worth.
const ATTEMPTS: usize = 3;

/// So many runs that moment lasts.
const ATTEMPT: u64 = 250;

/// So many configurations are tried that are simpler by many steps.
const LEAPS: u64 = 4_000;

/// As above, for all of these together.
const LEAP_ATTEMPTS: usize = 60;

pub(super) struct Rounds<'a, 'b> {
    trials: &'a mut Trials<'b>,
    config: Config,
    log: Log,
}

impl<'a, 'b> Rounds<'a, 'b> {
    pub(super) fn new(trials: &'a mut Trials<'b>, config: Config, log: Log) -> Self {
        Rounds {
            trials,
            config,
            log,
        }
    }

    /// The smallest run.
    pub(super) fn best(self) -> (Config, Log) {
        (self.config, self.log)
    }

    /// All rounds. True if the last of them found nothing and was whole.
    pub(super) fn run(&mut self) -> bool {
        self.trials.enter(Phase::Freely, self.measure());
        self.drop_many();
        while self.simplify(Self::try_freely) {}
        let mut level = 0;
        while level <= STRICT_TRIES.len() {
            self.trials.enter(Phase::Log, self.measure());
            self.shrink_log();
            self.trials.enter(Phase::Strictly, self.measure());
            let changed = match STRICT_TRIES.get(level) {
                Some(tries) => self.simplify(|rounds, config| rounds.try_strictly(config, *tries)),
                None => self.leap(),
            };
            if self.trials.left() == 0 {
                return false;
            }
            level = if changed { 0 } else { level + 1 };
        }
        true
    }

    fn measure(&self) -> Measure {
        Measure::of(&self.config, &self.log)
    }

    /// Gives many fields their defaults at a time: first all, then halves, and so on.
    fn drop_many(&mut self) {
        let all = Field::ALL.iter().copied();
        let config = &self.config;
        let differ = all.filter(|field| {
            config.get(*field) != field.default_value() && field.has_simpler_values()
        });
        let differ: Vec<_> = differ.collect();
        let mut size = differ.len();
        while size > 1 {
            for chunk in differ.chunks(size) {
                let mut simpler = self.config.clone();
                for field in chunk {
                    simpler.set(*field, field.default_value());
                }
                if simpler.check().is_ok() && simpler != self.config {
                    self.try_freely(&simpler);
                }
            }
            size /= 2;
        }
    }

    /// One pass over the configurations that are simpler by one step, going on from each that `attempt`
    /// takes. True if there was one.
    fn simplify(&mut self, attempt: impl Fn(&mut Self, &Config) -> bool) -> bool {
        let mut taken = false;
        let mut simpler = self.simpler();
        let mut index = 0;
        while index < simpler.len() && self.trials.left() > 0 {
            if attempt(self, &simpler[index]) {
                taken = true;
                simpler = self.simpler();
            } else {
                index += 1;
            }
        }
        taken
    }

    /// Simpler configurations: what [`Config::simpler`] has that is so by our measure, too.
    fn simpler(&self) -> Vec<Config> {
        let now = Complexity::of(&self.config);
        let mut simpler = self.config.simpler();
        simpler.retain(|config| {
            let then = Complexity::of(config);
            // A number of nanoseconds is not counted down one by one.
            let step = now.distance.abs_diff(then.distance);
            then < now && (step == 0 || step >= now.distance / 8)
        });
        simpler
    }

    /// Tries configurations that are simpler by many steps, a run for each. True if one was taken.
    fn leap(&mut self) -> bool {
        let mut attempts = LEAP_ATTEMPTS;
        let now = Complexity::of(&self.config);
        for seed in 0..LEAPS {
            let leapt = leap(&self.config, seed);
            let Some(config) = leapt.filter(|config| Complexity::of(config) < now) else {
                continue;
            };
            if self.try_once(&config, seed, &mut attempts) {
                return true;
            }
        }
        false
    }

    /// Takes the configuration if any of a few runs fails.
    fn try_freely(&mut self, config: &Config) -> bool {
        let found = (0..FREE_TRIES).find_map(|number| self.attempt(config, number));
        let Some(log) = found else { return false };
        self.config = config.clone();
        self.log = log;
        true
    }

    /// Takes the configuration if any of so many runs fails and is smaller, or soon shrinks to a smaller
    /// one.
    fn try_strictly(&mut self, config: &Config, tries: u64) -> bool {
        let mut attempts = ATTEMPTS;
        (0..tries).any(|number| self.try_once(config, number, &mut attempts))
    }

    fn try_once(&mut self, config: &Config, number: u64, attempts: &mut usize) -> bool {
        let Some(mut log) = self.attempt(config, number) else {
            return false;
        };
        if Measure::of(config, &log) >= self.measure() && *attempts > 0 {
            *attempts -= 1;
            log = self.shrunk(config, log, ATTEMPT);
        }
        let smaller = Measure::of(config, &log) < self.measure();
        if smaller {
            self.config = config.clone();
            self.log = log;
        }
        smaller
    }

    /// One run of `config`: with the log at hand, with nothing but dull decisions, by a seed, by a mutant
    /// of the log.
    fn attempt(&mut self, config: &Config, number: u64) -> Option<Log> {
        let best = self.measure();
        let policy: Box<dyn decide::Policy> = match number {
            0 => Box::new(Lenient::new(&self.log)),
            1 => Box::new(Lenient::new(&Log::new())),
            seed if seed % 2 == 0 => Box::new(Random::new(seed)),
            seed => Box::new(Mutant::new(&self.log, seed)),
        };
        self.trials.fails(config, policy, best)
    }

    fn shrink_log(&mut self) {
        let (config, log) = (self.config.clone(), self.log.clone());
        let most_tries = self.trials.left();
        self.log = self.shrunk(&config, log, most_tries);
    }

    fn shrunk(&mut self, config: &Config, log: Log, most_tries: u64) -> Log {
        let (best, trials) = (self.measure(), &mut *self.trials);
        let mut again = |candidate: &Log| {
            let policy = Box::new(Lenient::new(candidate));
            trials.fails(config, policy, best)
        };
        decide::shrink(log, most_tries, &mut again).0
    }
}

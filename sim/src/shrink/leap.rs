//! Configurations that are simpler by many steps at once.

use crate::config::{Config, Field, Form};
use crate::decide::Random;

/// A configuration drawn from all that are simpler than `config`: about half of what differs from the
/// defaults keeps its value, and the rest comes nearer to them by any part of the way.
///
/// A guest that makes ten requests only so that time goes by may as well make one and rest; but there is
/// no way from the one to the other by single steps.
pub(super) fn leap(config: &Config, seed: u64) -> Option<Config> {
    let mut random = Random::new(seed);
    let mut leapt = config.clone();
    for field in Field::ALL {
        let (value, default) = (config.get(*field), field.default_value());
        // What is an amount may be less than usual; nothing else is changed that is as it is usually.
        let least = match *field {
            Field::Requests | Field::Granules => 1,
            _ => default.min(value),
        };
        if value <= least || !field.has_simpler_values() || random.below(2) == 0 {
            continue;
        }
        let new = match field.form() {
            Form::Number { .. } => least + part_of(value - least, &mut random),
            Form::Name(_) | Form::Set(_) => default,
        };
        leapt.set(*field, new);
    }
    (leapt != *config && leapt.check().is_ok()).then_some(leapt)
}

/// Some of `whole`, of two decimal digits that are not zeros at most: small parts are as likely as large
/// ones, and none is, too.
fn part_of(whole: u64, random: &mut Random) -> u64 {
    let bits = u64::from(u64::BITS - whole.leading_zeros());
    let shifted = whole >> random.below(bits + 1);
    let part = shifted / 2 + random.below(shifted / 2 + 1);
    let mut unit = 1;
    while part / unit >= 100 {
        unit *= 10;
    }
    part / unit * unit
}

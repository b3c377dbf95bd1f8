//! What several contexts answer, put together.

use super::route::{Keys, Order};
use crate::qapi::{Dict, Value};

/// What the order of arrays is made of.
pub(super) mod keys {
    use std::rc::Rc;

    use blockjob_jobs::job::Job;

    use crate::daemon::Daemon;
    use crate::qapi::{Dict, Value};

    fn jobs(daemon: &Rc<Daemon>, is_shown: impl Fn(&Job) -> bool) -> Vec<u64> {
        let names = daemon.common().names.lock();
        let jobs = daemon.jobs().jobs();
        let shown = jobs.iter().filter(|job| is_shown(job));
        let ids = shown.filter_map(|job| job.id());
        // One without a name is not shown.
        ids.map(|id| names.job(id.as_str()).map_or(0, |named| named.number))
            .collect()
    }

    pub(in super::super) fn named_jobs(daemon: &Rc<Daemon>, _args: &Dict) -> Vec<u64> {
        jobs(daemon, |_| true)
    }

    pub(in super::super) fn block_jobs(daemon: &Rc<Daemon>, _args: &Dict) -> Vec<u64> {
        jobs(daemon, |job| job.block_job().is_some())
    }

    pub(in super::super) fn exports(daemon: &Rc<Daemon>, _args: &Dict) -> Vec<u64> {
        let names = daemon.common().names.lock();
        let exports = daemon.exports.all();
        let keys = exports
            .iter()
            .map(|export| names.export(export.id()).map_or(0, |named| named.number));
        keys.collect()
    }

    pub(in super::super) fn nodes(daemon: &Rc<Daemon>, _args: &Dict) -> Vec<u64> {
        let nodes = daemon.graph().nodes();
        let mut keys: Vec<u64> = nodes.iter().map(|node| node.number()).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(*key));
        keys
    }

    pub(in super::super) fn nodes_oldest_first(daemon: &Rc<Daemon>, args: &Dict) -> Vec<u64> {
        let mut keys = nodes(daemon, args);
        keys.reverse();
        keys
    }

    pub(in super::super) fn block_stats(daemon: &Rc<Daemon>, args: &Dict) -> Vec<u64> {
        if args.get("query-nodes") != Some(&Value::Bool(true)) {
            // All drives are in one context.
            return vec![0; daemon.owned.drives().len()];
        }
        nodes_oldest_first(daemon, args)
    }
}

/// One context's answer, which is an array, with the keys of its elements.
pub(super) struct Part {
    pub(super) value: Value,
    pub(super) keys: Vec<u64>,
}

impl Part {
    pub(super) fn new(
        daemon: &std::rc::Rc<crate::daemon::Daemon>,
        args: &Dict,
        keys: Keys,
        value: Value,
    ) -> Self {
        Part {
            value,
            keys: keys(daemon, args),
        }
    }
}

/// The elements of all parts in one order. Of equals those of the first part come first.
pub(super) fn list(parts: Vec<Part>, order: Order) -> Value {
    let mut all: Vec<(u64, Value)> = Vec::new();
    for part in parts {
        let Value::List(elements) = part.value else {
            unreachable!("such a command returns an array");
        };
        assert_eq!(elements.len(), part.keys.len(), "each element has a key");
        all.extend(part.keys.into_iter().zip(elements));
    }
    match order {
        Order::OldestFirst => all.sort_by_key(|(key, _)| *key),
        Order::NewestFirst => all.sort_by_key(|(key, _)| std::cmp::Reverse(*key)),
    }
    Value::List(all.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qapi::json::{from_json, to_json};

    fn part(elements: &str, keys: &[u64]) -> Part {
        Part {
            value: from_json(elements).expect("the test writes JSON"),
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn elements_of_several_contexts_come_in_the_order_of_their_age() {
        let parts = || vec![part("[7, 3, 1]", &[7, 3, 1]), part("[9, 2]", &[9, 2])];
        let newest = list(parts(), Order::NewestFirst);
        assert_eq!(to_json(&newest), "[9, 7, 3, 2, 1]");
        let oldest = list(parts(), Order::OldestFirst);
        assert_eq!(to_json(&oldest), "[1, 2, 3, 7, 9]");
    }
}

//! A trace file, read back by a reader of its own.

use std::fs;
use std::path::Path;

use blockjob_sim::export::KINDS;
use serde_json::Value;

/// A trace file that is whole.
pub(crate) struct Trace {
    pub(crate) header: Value,
    pub(crate) events: Vec<Value>,
    pub(crate) end: Value,
}

impl Trace {
    /// Reads it, and checks what holds for each: numbers and times in order, kinds and fields that are
    /// in the table.
    pub(crate) fn read(path: &Path) -> Trace {
        let text = fs::read_to_string(path).expect("the recording is there");
        let mut lines: Vec<Value> = text
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect();
        let end = lines.pop().expect("there are lines");
        assert_eq!(end["kind"], "end");
        let header = lines.remove(0);
        assert_eq!(header["format"], "blockjob-trace");
        assert_eq!(header["origin"], "real");
        lines.retain(|line| line["kind"] != "limit");
        assert_eq!(end["events"], lines.len());
        let mut last_ns = 0;
        for (number, event) in lines.iter().enumerate() {
            assert_eq!(event["seq"], number);
            let at_ns = event["at_ns"].as_u64().expect("it has a time");
            assert!(last_ns <= at_ns, "{event}");
            last_ns = at_ns;
            let known = KINDS.iter().find(|(kind, _)| event["kind"] == *kind);
            let (_, fields) = known.unwrap_or_else(|| panic!("no such kind: {event}"));
            for name in event.as_object().expect("it is one").keys() {
                let everywhere = ["seq", "at_ns", "context", "coroutine", "kind"];
                let name = name.as_str();
                assert!(
                    everywhere.contains(&name) || fields.contains(&name),
                    "{event}"
                );
            }
        }
        Trace {
            header,
            events: lines,
            end,
        }
    }

    /// The events of a kind.
    pub(crate) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["kind"] == kind)
    }

    /// How many events of a kind there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.of(kind).count()
    }
}

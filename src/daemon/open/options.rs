//! `Options`: what an image is opened with, as a flat list of names and texts.
//!
//! `{"driver": "raw", "file": {"driver": "file"}}` is `driver=raw`, `file.driver=file` here. All ways to
//! name an image end in this form: JSON, `--blockdev`, `--drive`, `json:` names and headers of images.
//!
//! QEMU: the `QDict` that `bdrv_open` takes, qobject/block-qdict.c.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::qapi::value::{Dict, Number, Value};

/// Options by their dotted names. Values are scalars: they keep the types that they came with, for the
/// names of nodes show them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    entries: BTreeMap<String, Value>,
}

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// The options that a nested object means: members of objects get their names after a dot, elements
    /// of lists their numbers.
    ///
    /// QEMU: `qdict_flatten` (qobject/block-qdict.c).
    pub fn flatten(dict: &Dict) -> Self {
        let mut options = Self::new();
        for (name, value) in dict.iter() {
            options.flatten_value(name.to_owned(), value);
        }
        options
    }

    fn flatten_value(&mut self, name: String, value: &Value) {
        match value {
            // One without members stays what it is, and somebody must want it.
            Value::Dict(dict) if dict.iter().next().is_some() => {
                for (member, value) in dict.iter() {
                    self.flatten_value(format!("{name}.{member}"), value);
                }
            }
            Value::List(list) if !list.is_empty() => {
                for (index, value) in list.iter().enumerate() {
                    self.flatten_value(format!("{name}.{index}"), value);
                }
            }
            scalar => {
                self.entries.insert(name, scalar.clone());
            }
        }
    }

    /// The text of an option, flags being `on` and `off`; none if it is not there, or is null.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        scalar_text(self.entries.get(name)?)
    }

    /// The value of an option, with its type.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.entries.get(name)
    }

    /// True if the option is there, as a text or as null.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// True if the option is there and null.
    pub fn is_null(&self, name: &str) -> bool {
        self.entries.get(name) == Some(&Value::Null)
    }

    /// Sets an option.
    pub fn put(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.entries.insert(name.into(), Value::Str(text.into()));
    }

    /// Sets an option to null.
    pub fn put_null(&mut self, name: impl Into<String>) {
        self.entries.insert(name.into(), Value::Null);
    }

    /// Sets an option that is not there.
    ///
    /// QEMU: `qdict_set_default_str` (qobject/block-qdict.c).
    pub fn put_default(&mut self, name: &str, text: &str) {
        if !self.contains(name) {
            self.put(name, text);
        }
    }

    /// Takes an option from `others` if it is there and not here.
    ///
    /// QEMU: `qdict_copy_default` (qobject/block-qdict.c).
    pub fn copy_default(&mut self, others: &Options, name: &str) {
        if let (Some(value), false) = (others.entries.get(name), self.contains(name)) {
            self.entries.insert(name.to_owned(), value.clone());
        }
    }

    /// Takes all options from `others` that are not here.
    ///
    /// QEMU: `qdict_join` (qobject/block-qdict.c).
    pub fn join(&mut self, others: &Options) {
        for name in others.entries.keys() {
            self.copy_default(others, name);
        }
    }

    /// Takes an option out and returns its text.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.entries.remove(name)?;
        scalar_text(&value).map(Cow::into_owned)
    }

    /// Takes out what belongs to the child `name`, all options `name.*`, without that prefix.
    ///
    /// QEMU: `qdict_extract_subqdict` (qobject/block-qdict.c).
    pub fn take_child(&mut self, name: &str) -> Options {
        let prefix = format!("{name}.");
        let mut child = Options::new();
        self.entries.retain(|key, value| {
            let Some(rest) = key.strip_prefix(&prefix) else {
                return true;
            };
            child.entries.insert(rest.to_owned(), value.clone());
            false
        });
        child
    }

    /// The children that are named `prefix.0`, `prefix.1` and so on, without gaps.
    ///
    /// QEMU: `qdict_array_entries` (qobject/block-qdict.c).
    pub fn array_len(&self, prefix: &str) -> usize {
        let there = |index: &usize| {
            let name = format!("{prefix}.{index}");
            let inside = format!("{name}.");
            self.contains(&name) || self.entries.keys().any(|key| key.starts_with(&inside))
        };
        (0..).take_while(there).count()
    }

    /// The options, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut options = Options::new();
        for (name, text) in entries {
            options.put(name, text);
        }
        options
    }
}

fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Bool(value) => Cow::Borrowed(if *value { "on" } else { "off" }),
        Value::Num(Number::Int(value)) => Cow::Owned(value.to_string()),
        Value::Num(Number::UInt(value)) => Cow::Owned(value.to_string()),
        Value::Num(Number::Double(value)) => Cow::Owned(value.to_string()),
        Value::Null | Value::List(_) | Value::Dict(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Options {
        let inner: Dict = [
            ("driver", Value::from("file")),
            ("read-only", Value::from(true)),
        ]
        .into_iter()
        .collect();
        let mut dict = Dict::new();
        dict.put("file", inner.clone());
        dict.put("size", 5i64);
        dict.put("backing", Value::Null);
        dict.put(
            "children",
            Value::List(vec!["a".into(), Value::Dict(inner)]),
        );
        Options::flatten(&dict)
    }

    #[test]
    fn nested_members_are_named_by_their_way() {
        let options = sample();
        assert_eq!(options.text("file.driver").as_deref(), Some("file"));
        assert_eq!(options.text("file.read-only").as_deref(), Some("on"));
        assert_eq!(options.text("size").as_deref(), Some("5"));
        assert!(options.is_null("backing"));
        assert_eq!(options.text("children.0").as_deref(), Some("a"));
        assert_eq!(options.text("children.1.driver").as_deref(), Some("file"));
        assert_eq!(options.array_len("children"), 2);
    }

    #[test]
    fn a_child_takes_its_options_along() {
        let mut options = sample();
        let file = options.take_child("file");
        assert_eq!(file.text("driver").as_deref(), Some("file"));
        assert!(!options.contains("file.driver"));
        assert_eq!(options.take_child("fil"), Options::new());
    }

    #[test]
    fn what_is_there_is_not_overwritten_by_a_default() {
        let mut options = sample();
        options.put_default("size", "7");
        options.put_default("offset", "7");
        assert_eq!(options.text("size").as_deref(), Some("5"));
        assert_eq!(options.text("offset").as_deref(), Some("7"));
        let mut other: Options = [("size", "9"), ("new", "1")].into_iter().collect();
        other.join(&options);
        assert_eq!(other.text("size").as_deref(), Some("9"));
        assert!(other.is_null("backing"));
    }
}

//! `Value`: what goes over the wire, without a schema.
//!
//! QEMU: `QObject` and its kinds (include/qobject/qobject.h, qobject/).

use std::borrow::Cow;

/// A JSON value as QMP knows it.
///
/// QEMU: `QObject` (include/qobject/qobject.h).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that fits; see [`Number`].
    Num(Number),
    /// A string; it may hold NUL.
    Str(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Dict(Dict),
}

/// A number: whatever of the three can hold what was written, in this order.
///
/// QEMU: `QNum` (include/qobject/qnum.h).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer that fits into 64 bits with a sign.
    Int(i64),
    /// An integer that only fits without a sign.
    UInt(u64),
    /// Anything else.
    Double(f64),
}

/// The members of an object, each name once, in the order in which they were put in.
///
/// QEMU: `QDict` (include/qobject/qdict.h). Its order on the wire is that of its hash table, which is
/// the writer's matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dict {
    /// Names of declared members are not copied.
    members: Vec<(Cow<'static, str>, Value)>,
}

impl Dict {
    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of that member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut members = self.members.iter();
        members.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// True if there is a member of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Puts a member in, or another value into a member that is there. Returns what was there.
    pub fn put(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        match self.members.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.members.push((name.into(), value));
                None
            }
        }
    }

    /// Puts in a member of which the caller knows that it is not there, without a look.
    pub(super) fn push_new(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        self.members.push((name.into(), value));
    }

    /// The value of that member, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let mut members = self.members.iter_mut();
        members.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Makes room for so many more members.
    pub(super) fn reserve(&mut self, more: usize) {
        self.members.reserve(more);
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.members.iter().position(|(key, _)| key == name)?;
        Some(self.members.remove(index).1)
    }

    /// The members, in the order in which they were put in.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> {
        self.members.iter().map(|(key, value)| (&**key, value))
    }

    /// The member at `index`, counted in the order in which they were put in.
    pub(super) fn at(&self, index: usize) -> (&str, &Value) {
        let (key, value) = &self.members[index];
        (key, value)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl IntoIterator for Dict {
    type Item = (String, Value);
    type IntoIter = DictIntoIter;

    fn into_iter(self) -> Self::IntoIter {
        DictIntoIter(self.members.into_iter())
    }
}

/// The members of an object that is taken apart.
#[derive(Debug)]
pub struct DictIntoIter(std::vec::IntoIter<(Cow<'static, str>, Value)>);

impl Iterator for DictIntoIter {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((name.into_owned(), value))
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let mut dict = Dict::new();
        for (key, value) in members {
            dict.put(key, value);
        }
        dict
    }
}

impl Value {
    /// The members, if it is an object.
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Value::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Num(Number::Int(value))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Num(match i64::try_from(value) {
            Ok(value) => Number::Int(value),
            Err(_) => Number::UInt(value),
        })
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Num(Number::Double(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Str(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Str(value)
    }
}

impl From<Dict> for Value {
    fn from(value: Dict) -> Self {
        Value::Dict(value)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(list: Vec<V>) -> Self {
        Value::List(list.into_iter().map(Into::into).collect())
    }
}

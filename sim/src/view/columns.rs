//! The fields of events of one kind, as columns.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::export::{KINDS, Value};

/// Texts, each kept once; everything else has their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    numbers: BTreeMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Texts {
    /// The number of `text`, which is given one if it has none.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).expect("a run has fewer than 2^32 texts");
        self.numbers.insert(text.into(), number);
        self.texts.push(text.into());
        number
    }

    /// The text of that number.
    pub(super) fn get(&self, number: u64) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        self.texts.get(number).map(|text| &**text)
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.texts)
    }
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Flag,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Number => "number",
            Type::Flag => "flag",
        }
    }
}

/// One field of all events of a kind: a number, the number of a text, or 0 and 1, where it is there.
#[derive(Clone, Debug)]
pub struct Column {
    name: Box<str>,
    of: Type,
    values: Vec<Option<u64>>,
}

impl Column {
    /// The name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the values are numbers of texts.
    pub(super) fn is_text(&self) -> bool {
        self.of == Type::Text
    }

    /// The values, of the events of the kind in order.
    pub fn values(&self) -> &[Option<u64>] {
        &self.values
    }
}

/// A field with its text, or its number where it has none.
pub(super) type PlainField<'a> = (&'a str, Result<&'a str, u64>);

/// All columns of one kind of events, those that no event has left out.
#[derive(Clone, Debug)]
pub struct Columns {
    kind: Box<str>,
    /// How many events of the kind there are.
    events: usize,
    columns: Vec<Column>,
}

impl Columns {
    /// Without events.
    pub(super) fn new(kind: &str) -> Columns {
        Columns {
            kind: kind.into(),
            events: 0,
            columns: Vec::new(),
        }
    }

    /// The name of the kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The columns, in the order of [`KINDS`], and then those that it does not know.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The fields of the event of that number among those of the kind.
    pub(super) fn row<'a>(&'a self, number: usize, texts: &'a Texts) -> Vec<PlainField<'a>> {
        let field = |column: &'a Column| {
            let value = (*column.values.get(number)?)?;
            let text = texts.get(value).filter(|_| column.is_text());
            Some((&*column.name, text.ok_or(value)))
        };
        self.columns.iter().filter_map(field).collect()
    }

    /// Adds an event with `fields`.
    pub(super) fn push<S: AsRef<str>>(&mut self, fields: &[(S, Value)], texts: &mut Texts) {
        for (place, (name, value)) in fields.iter().enumerate() {
            let (of, value) = match value {
                Value::Number(number) => (Type::Number, *number),
                Value::Text(text) => (Type::Text, u64::from(texts.number(text))),
                Value::Flag(flag) => (Type::Flag, u64::from(*flag)),
            };
            let index = self.column(name.as_ref(), of, place);
            let column = &mut self.columns[index];
            // A field that is sometimes a text and sometimes a number has the form that it had first.
            if column.of == of {
                column.values.resize(self.events, None);
                column.values.push(Some(value));
            }
        }
        self.events += 1;
    }

    /// The place of the column called `name`, which mostly is `likely`.
    fn column(&mut self, name: &str, of: Type, likely: usize) -> usize {
        let is = |column: &Column| *column.name == *name;
        if self.columns.get(likely).is_some_and(is) {
            return likely;
        }
        if let Some(place) = self.columns.iter().position(is) {
            return place;
        }
        let order = order(&self.kind, name);
        let before = |column: &&Column| self::order(&self.kind, &column.name) <= order;
        let place = self.columns.iter().take_while(before).count();
        let column = Column {
            name: name.into(),
            of,
            values: Vec::new(),
        };
        self.columns.insert(place, column);
        place
    }

    /// Makes all columns as long as there are events.
    pub(super) fn fill(&mut self) {
        for column in &mut self.columns {
            column.values.resize(self.events, None);
        }
    }
}

/// The place of a field in the table of kinds; after all others if it is not there.
fn order(kind: &str, field: &str) -> usize {
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let place = known.and_then(|(_, fields)| fields.iter().position(|it| *it == field));
    place.unwrap_or(usize::MAX)
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("name", &self.kind)?;
        map.serialize_entry("columns", &Values(&self.columns))?;
        map.serialize_entry("types", &Types(&self.columns))?;
        map.end()
    }
}

/// The values of each column, by its name.
struct Values<'a>(&'a [Column]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.0.iter();
        serializer.collect_map(columns.map(|column| (&column.name, &column.values)))
    }
}

/// What the values of each column are, by its name.
struct Types<'a>(&'a [Column]);

impl Serialize for Types<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.0.iter();
        serializer.collect_map(columns.map(|column| (&column.name, column.of.name())))
    }
}

//! The strict input visitor: from a [`Value`] to a declared type.
//!
//! Members are asked for in the order of their declaration, so the first thing that is wrong is the
//! one that the peer names; what nobody asked for is refused at the end.
//!
//! There are two flavours. In what came as JSON each scalar has its type. In what came as `key=value`
//! from a command line each scalar is a string, and is read as what the declaration says.
//!
//! QEMU: qapi/qobject-input-visitor.c.

use std::cell::RefCell;
use std::fmt;

use super::Qapi;
use super::error::{QmpError, QmpResult};
use super::value::{Dict, Value};

/// How scalars are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// As JSON: `qobject_input_visitor_new`.
    Json,
    /// All as strings: `qobject_input_visitor_new_keyval`.
    Keyval,
}

/// A value, and where it was found.
///
/// QEMU: `QObjectInputVisitor` (qapi/qobject-input-visitor.c).
#[derive(Clone, Copy)]
pub struct Input<'a> {
    value: &'a Value,
    flavour: Flavour,
    place: Option<&'a Place<'a>>,
}

/// One step of the way from the top to a value.
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

impl<'a> Input<'a> {
    /// The value of a whole document.
    pub fn top(value: &'a Value, flavour: Flavour) -> Self {
        Input {
            value,
            flavour,
            place: None,
        }
    }

    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// How scalars are written here.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The name as messages about types give it, with the way from the top: `file.driver`,
    /// `children[1]`. At the top it is `<anonymous>`.
    ///
    /// QEMU: `full_name` (qapi/qobject-input-visitor.c).
    pub fn full_name(&self) -> String {
        full_name(self.place)
    }

    /// The name as messages about values give it: that of the member alone, `null` where there is
    /// none.
    pub fn short_name(&self) -> &str {
        match self.place {
            Some(Place {
                step: Step::Member(name),
                ..
            }) => name,
            _ => "null",
        }
    }

    /// The error for a value of another type than `expected`.
    pub fn wrong_type(&self, expected: &str) -> QmpError {
        QmpError::generic(format!(
            "Invalid parameter type for '{}', expected: {expected}",
            self.full_name()
        ))
    }

    /// The error for a value that is none of an alternate's types. It is made where the way from the top
    /// is not known, and has the name alone.
    ///
    /// QEMU: `visit_type_alternate` (scripts/qapi/visit.py).
    pub fn no_alternative(&self, expected: &str) -> QmpError {
        QmpError::generic(format!(
            "Invalid parameter type for '{}', expected: {expected}",
            self.short_name()
        ))
    }

    /// The error for a value that is no `expected`: `Parameter 'x' expects ...`.
    pub fn wrong_value(&self, expected: &str) -> QmpError {
        QmpError::generic(format!(
            "Parameter '{}' expects {expected}",
            self.full_name()
        ))
    }

    /// The text of a scalar in [`Flavour::Keyval`].
    ///
    /// # Errors
    ///
    /// It is no string: somebody wrote `x.y=` where `x=` was meant.
    pub fn keyval_text(&self) -> QmpResult<&'a str> {
        match self.value {
            Value::Str(text) => Ok(text),
            _ => Err(QmpError::generic(format!(
                "Parameters '{}.*' are unexpected",
                self.full_name()
            ))),
        }
    }

    /// The members of an object.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn members(&self) -> QmpResult<Members<'a>> {
        match self.value {
            Value::Dict(dict) => Ok(Members {
                dict,
                flavour: self.flavour,
                place: self.place,
                asked: RefCell::default(),
            }),
            _ => Err(self.wrong_type("object")),
        }
    }

    /// The elements of an array, each read as `T`.
    ///
    /// # Errors
    ///
    /// It is none, or the first error of an element.
    pub fn elements<T: Qapi>(&self) -> QmpResult<Vec<T>> {
        let Value::List(list) = self.value else {
            return Err(self.wrong_type("array"));
        };
        let mut elements = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let place = Place {
                above: self.place,
                step: Step::Element(index),
            };
            elements.push(T::visit(Input {
                value,
                flavour: self.flavour,
                place: Some(&place),
            })?);
        }
        Ok(elements)
    }
}

/// The members of an object, of which is noted who was asked for.
pub struct Members<'a> {
    dict: &'a Dict,
    flavour: Flavour,
    place: Option<&'a Place<'a>>,
    asked: RefCell<Vec<&'a str>>,
}

impl<'a> Members<'a> {
    /// The member `name`, read as `T`.
    ///
    /// # Errors
    ///
    /// It is missing and not optional, or `T` cannot be read from it.
    pub fn member<T: Qapi>(&self, name: &str) -> QmpResult<T> {
        let place = Place {
            above: self.place,
            step: Step::Member(name),
        };
        let mut members = self.dict.iter();
        match members.find(|(key, _)| *key == name) {
            Some((key, value)) => {
                self.asked.borrow_mut().push(key);
                T::visit(Input {
                    value,
                    flavour: self.flavour,
                    place: Some(&place),
                })
            }
            None => T::absent().ok_or_else(|| {
                QmpError::generic(format!(
                    "Parameter '{}' is missing",
                    full_name(Some(&place))
                ))
            }),
        }
    }

    /// The object itself.
    pub fn dict(&self) -> &'a Dict {
        self.dict
    }

    /// Refuses what nobody has asked for.
    ///
    /// QEMU: `qobject_input_check_struct` (qapi/qobject-input-visitor.c).
    ///
    /// # Errors
    ///
    /// `Parameter 'x' is unexpected`.
    pub fn finish(self) -> QmpResult<()> {
        let asked = self.asked.borrow();
        let mut members = self.dict.iter();
        match members.find(|(key, _)| !asked.contains(key)) {
            None => Ok(()),
            Some((key, _)) => {
                let place = Place {
                    above: self.place,
                    step: Step::Member(key),
                };
                let name = full_name(Some(&place));
                Err(QmpError::generic(format!(
                    "Parameter '{name}' is unexpected"
                )))
            }
        }
    }
}

fn full_name(place: Option<&Place<'_>>) -> String {
    match place {
        None => "<anonymous>".to_owned(),
        Some(place) => place.to_string(),
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match (self.step, self.above) {
            (Step::Member(name), None) => f.write_str(name),
            (Step::Member(name), Some(_)) => write!(f, ".{name}"),
            (Step::Element(index), _) => write!(f, "[{index}]"),
        }
    }
}

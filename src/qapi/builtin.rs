//! The scalars, lists and optional members.
//!
//! QEMU: qapi/qapi-builtin-types.c (generated), qapi/qapi-visit-core.c.

use super::Qapi;
use super::error::{QmpError, QmpResult};
use super::schema::{Schema, TypeInfo, TypeName};
use super::value::{Number, Value};
use super::visit::{Flavour, Input};

impl Qapi for String {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match (input.value(), input.flavour()) {
            (Value::Str(text), _) => Ok(text.clone()),
            (_, Flavour::Keyval) => input.keyval_text().map(str::to_owned),
            (_, Flavour::Json) => Err(input.wrong_type("string")),
        }
    }

    fn to_value(&self) -> Value {
        Value::Str(self.clone())
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("str", "string")
    }
}

impl Qapi for bool {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match (input.value(), input.flavour()) {
            (Value::Bool(value), Flavour::Json) => Ok(*value),
            (_, Flavour::Json) => Err(input.wrong_type("boolean")),
            (_, Flavour::Keyval) => match input.keyval_text()? {
                "on" | "yes" | "true" | "y" => Ok(true),
                "off" | "no" | "false" | "n" => Ok(false),
                _ => Err(input.wrong_value("'on' or 'off'")),
            },
        }
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("bool", "boolean")
    }
}

impl Qapi for i64 {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match (input.value(), input.flavour()) {
            (Value::Num(Number::Int(value)), Flavour::Json) => Ok(*value),
            (_, Flavour::Json) => Err(input.wrong_type("integer")),
            (_, Flavour::Keyval) => {
                let number = keyval_number(input.keyval_text()?);
                let value = number.and_then(|number| i64::try_from(number).ok());
                value.ok_or_else(|| input.wrong_value("integer"))
            }
        }
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("int", "int")
    }
}

impl Qapi for u64 {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match (input.value(), input.flavour()) {
            (Value::Num(Number::UInt(value)), Flavour::Json) => Ok(*value),
            // As the peer does: what is below zero is taken modulo 2^64.
            (Value::Num(Number::Int(value)), Flavour::Json) => Ok(value.cast_unsigned()),
            (_, Flavour::Json) => Err(input.wrong_value("uint64")),
            (_, Flavour::Keyval) => {
                let number = keyval_number(input.keyval_text()?);
                let value = number.and_then(|number| {
                    let signed = i64::try_from(number).map(i64::cast_unsigned);
                    u64::try_from(number).or(signed).ok()
                });
                value.ok_or_else(|| input.wrong_value("integer"))
            }
        }
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("int", "int")
    }
}

impl Qapi for u32 {
    /// QEMU: `visit_type_uint32` (qapi/qapi-visit-core.c).
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        let value = u64::visit(input)?;
        u32::try_from(value).map_err(|_| {
            let name = input.short_name();
            QmpError::generic(format!("Parameter '{name}' expects uint32_t"))
        })
    }

    fn to_value(&self) -> Value {
        Value::from(u64::from(*self))
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("int", "int")
    }
}

impl Qapi for i32 {
    /// QEMU: `visit_type_int32` (qapi/qapi-visit-core.c).
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        let value = i64::visit(input)?;
        i32::try_from(value).map_err(|_| {
            let name = input.short_name();
            QmpError::generic(format!("Parameter '{name}' expects int32_t"))
        })
    }

    fn to_value(&self) -> Value {
        Value::from(i64::from(*self))
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("int", "int")
    }
}

impl Qapi for f64 {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match (input.value(), input.flavour()) {
            (Value::Num(Number::Double(value)), Flavour::Json) => Ok(*value),
            (Value::Num(Number::Int(value)), Flavour::Json) => Ok(*value as f64),
            (Value::Num(Number::UInt(value)), Flavour::Json) => Ok(*value as f64),
            (_, Flavour::Json) => Err(input.wrong_type("number")),
            (_, Flavour::Keyval) => {
                let text = input.keyval_text()?;
                let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                number.ok_or_else(|| input.wrong_type("number"))
            }
        }
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("number", "number")
    }
}

/// A size in bytes, which a command line may write with a suffix: `64M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Qapi for Size {
    /// QEMU: `qobject_input_type_size_keyval` (qapi/qobject-input-visitor.c).
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match input.flavour() {
            Flavour::Json => u64::visit(input).map(Size),
            Flavour::Keyval => match size_from_text(input.keyval_text()?) {
                Some(size) => Ok(Size(size)),
                None => Err(input.wrong_value("size")),
            },
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("int", "int")
    }
}

/// Anything at all.
impl Qapi for Value {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        Ok(input.value().clone())
    }

    fn to_value(&self) -> Value {
        self.clone()
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("any", "value")
    }
}

/// The explicit `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Null;

impl Qapi for Null {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        match (input.value(), input.flavour()) {
            (Value::Null, _) => Ok(Null),
            (Value::Str(text), Flavour::Keyval) if text.is_empty() => Ok(Null),
            _ => Err(input.wrong_type("null")),
        }
    }

    fn to_value(&self) -> Value {
        Value::Null
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.builtin("null", "null")
    }
}

/// Nothing: what commands return that only succeed, and the arguments of those that take none.
impl Qapi for () {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        input.members()?.finish()
    }

    fn to_value(&self) -> Value {
        Value::Dict(super::value::Dict::new())
    }

    fn describe(schema: &mut Schema) -> TypeName {
        schema.add("q_empty", "", |_| TypeInfo::Object {
            members: Vec::new(),
            variants: None,
        })
    }
}

impl<T: Qapi> Qapi for Option<T> {
    const OPTIONAL: bool = true;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn visit(input: Input<'_>) -> QmpResult<Self> {
        T::visit(input).map(Some)
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }

    fn is_present(&self) -> bool {
        self.is_some()
    }

    fn describe(schema: &mut Schema) -> TypeName {
        T::describe(schema)
    }
}

impl<T: Qapi> Qapi for Vec<T> {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        input.elements()
    }

    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }

    fn describe(schema: &mut Schema) -> TypeName {
        let element = T::describe(schema);
        let name = format!("[{element}]");
        schema.add(&name, "", |_| TypeInfo::Array { element })
    }
}

impl<T: Qapi> Qapi for Box<T> {
    fn visit(input: Input<'_>) -> QmpResult<Self> {
        T::visit(input).map(Box::new)
    }

    fn to_value(&self) -> Value {
        T::to_value(self)
    }

    fn describe(schema: &mut Schema) -> TypeName {
        T::describe(schema)
    }
}

/// An integer as C's `strtoll` with base 0 reads it.
///
/// QEMU: `qemu_strtoi64` (util/cutils.c).
fn keyval_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number = if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(&digits[1..], 8)
    } else {
        digits.parse()
    };
    // `from_str_radix` would take a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from(number.ok()?);
    Some(if negative { -number } else { number })
}

/// A number with a suffix for powers of 1024; without one, bytes.
///
/// QEMU: `qemu_strtosz` (util/cutils.c).
pub fn size_from_text(text: &str) -> Option<u64> {
    let (number, shift) = match text.chars().last()?.to_ascii_uppercase() {
        'B' => (&text[..text.len() - 1], 0),
        'K' => (&text[..text.len() - 1], 10),
        'M' => (&text[..text.len() - 1], 20),
        'G' => (&text[..text.len() - 1], 30),
        'T' => (&text[..text.len() - 1], 40),
        'P' => (&text[..text.len() - 1], 50),
        'E' => (&text[..text.len() - 1], 60),
        _ => (text, 0),
    };
    if let Some(hex) = number.strip_prefix("0x").or(number.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok()?.checked_shl(shift);
    }
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    if !number.starts_with(|c: char| c.is_ascii_digit()) || !number.chars().all(plain) {
        return None;
    }
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(1 << shift),
        Err(_) if shift > 0 => {
            let bytes = number.parse::<f64>().ok()? * (1u64 << shift) as f64;
            (bytes < 18_446_744_073_709_551_615.0).then_some(bytes as u64)
        }
        Err(_) => None,
    }
}

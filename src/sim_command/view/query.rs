//! The fields of a request's address: `log=bj1%3A...&format=text`.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// Names with their values.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// What stands behind the `?`.
    ///
    /// A plus stays one: logs have it, and no field has spaces.
    pub(super) fn parse(text: &str) -> Result<Query, Failure> {
        let mut query = Query::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.0.insert(decoded(name)?, decoded(value)?);
        }
        Ok(query)
    }

    /// The value of a field, unless it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The value of a field that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name)
            .ok_or_else(|| Failure::bad_input(format!("'{name}' is missing: add {name}=...")))
    }

    /// Refuses fields with other names than these.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Failure> {
        let unknown = self.0.keys().find(|name| !names.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some(name) => Err(Failure::bad_input(format!(
                "'{name}' is not known here: expected {}",
                names.join(", ")
            ))),
        }
    }
}

/// Takes `%3A` for a colon.
fn decoded(text: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::bad_input(format!(
            "'{text}' is not written as addresses are: a % stands before two hexadecimal digits"
        ))
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or("").as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        // A number may have a sign, two digits have none.
        let plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| plain);
        bytes.push(byte.ok_or_else(wrong)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_comes_through_with_its_colons_and_pluses() {
        let query =
            Query::parse("log=bj1%3Aa%3D1:x=1b1.2+3&seed=7&empty=").expect("it is well formed");
        assert_eq!(query.get("log"), Some("bj1:a=1:x=1b1.2+3"));
        assert_eq!(query.get("seed"), Some("7"));
        assert_eq!(query.get("empty"), None);
        assert!(query.need("other").is_err());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["log=%", "log=%4", "log=%zz", "log=%ff", "%+1=x"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_that_is_not_known_is_named() {
        let query = Query::parse("sed=7").expect("it is well formed");
        let error = query.only(&["seed", "bug"]).expect_err("it is not known");
        assert_eq!(error.line(), "'sed' is not known here: expected seed, bug");
    }
}

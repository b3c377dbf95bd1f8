//! Options of a command line in the older style: `name=value,flag,other=a,,b`.
//!
//! QEMU: util/qemu-option.c.

use super::error::{QmpError, QmpResult};

/// Options, in the order in which they were written. A name that was written twice is there twice;
/// the last one counts.
///
/// QEMU: `QemuOpts` (include/qemu/option.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opts {
    list: Vec<(String, String)>,
}

impl Opts {
    /// Reads a text. What comes first and has no `=` is the value of `implied`, if there is such a
    /// name; what has no `=` further on is switched on, or with `no` before it, off. A comma in a
    /// value is written twice.
    ///
    /// QEMU: `opts_do_parse`, `get_opt_value` (util/qemu-option.c).
    ///
    /// # Errors
    ///
    /// Something has a value and no name.
    pub fn parse(text: &str, implied: Option<&str>) -> QmpResult<Opts> {
        let mut list = Vec::new();
        let mut rest = text;
        let mut first = true;
        while !rest.is_empty() {
            let name_end = rest.find(['=', ',']).unwrap_or(rest.len());
            let named = rest[name_end..].starts_with('=');
            match implied {
                Some(implied) if first && !named => {
                    let (value, after) = take_value(rest);
                    list.push((implied.to_owned(), value));
                    rest = after;
                }
                _ if named => {
                    let name = rest[..name_end].to_owned();
                    if name.is_empty() {
                        return no_name();
                    }
                    let (value, after) = take_value(&rest[name_end + 1..]);
                    list.push((name, value));
                    rest = after;
                }
                _ => {
                    let flag = &rest[..name_end];
                    if flag.is_empty() {
                        return no_name();
                    }
                    let (name, value) = match flag.strip_prefix("no") {
                        Some(name) if !name.is_empty() => (name, "off"),
                        _ => (flag, "on"),
                    };
                    list.push((name.to_owned(), value.to_owned()));
                    rest = rest[name_end..].strip_prefix(',').unwrap_or("");
                }
            }
            first = false;
        }
        Ok(Opts { list })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value that counts for a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut newest_first = self.list.iter().rev();
        let found = newest_first.find(|(own, _)| own == name);
        found.map(|(_, value)| &**value)
    }

    /// The value that counts for a name, taken out with all others of that name.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.get(name).map(str::to_owned);
        self.list.retain(|(own, _)| own != name);
        value
    }

    /// The truth that a name has been given, taken out.
    ///
    /// QEMU: `parse_option_bool` (util/qemu-option.c).
    ///
    /// # Errors
    ///
    /// It is neither `on` nor `off`.
    pub fn take_bool(&mut self, name: &str) -> QmpResult<Option<bool>> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("on" | "yes" | "true" | "y") => Ok(Some(true)),
            Some("off" | "no" | "false" | "n") => Ok(Some(false)),
            Some(_) => Err(QmpError::generic(format!(
                "Parameter '{name}' expects 'on' or 'off'"
            ))),
        }
    }

    /// The number that a name has been given, taken out.
    ///
    /// QEMU: `parse_option_number` (util/qemu-option.c).
    ///
    /// # Errors
    ///
    /// It is no number.
    pub fn take_number(&mut self, name: &str) -> QmpResult<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| QmpError::generic(format!("Parameter '{name}' expects a number"))),
        }
    }

    /// Refuses what nobody has taken out.
    ///
    /// # Errors
    ///
    /// `Invalid parameter 'x'`.
    pub fn finish(self) -> QmpResult<()> {
        match self.list.first() {
            None => Ok(()),
            Some((name, _)) => Err(QmpError::generic(format!("Invalid parameter '{name}'"))),
        }
    }
}

fn no_name<T>() -> QmpResult<T> {
    Err(QmpError::generic("Invalid parameter ''"))
}

/// A value up to the next single comma, and what follows that.
fn take_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some(comma) = rest.find(',') else {
            value.push_str(rest);
            return (value, "");
        };
        value.push_str(&rest[..comma]);
        rest = &rest[comma + 1..];
        match rest.strip_prefix(',') {
            Some(after) => {
                value.push(',');
                rest = after;
            }
            None => return (value, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str, implied: Option<&str>) -> Vec<(String, String)> {
        Opts::parse(text, implied).expect("it is right").list
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_first_may_go_without_its_name() {
        let read = pairs("socket,id=a,path=/x", Some("backend"));
        assert_eq!(
            read,
            [
                pair("backend", "socket"),
                pair("id", "a"),
                pair("path", "/x")
            ]
        );
        let read = pairs("a,,b,id=c", Some("path"));
        assert_eq!(read, [pair("path", "a,b"), pair("id", "c")]);
    }

    #[test]
    fn a_comma_in_a_value_is_written_twice() {
        assert_eq!(
            pairs("a=x,,y,,,b=z", None),
            [pair("a", "x,y,"), pair("b", "z")]
        );
        assert_eq!(pairs("a=,b=1=2", None), [pair("a", ""), pair("b", "1=2")]);
    }

    #[test]
    fn a_name_alone_is_a_switch() {
        let read = pairs("server,nowait,no", None);
        assert_eq!(
            read,
            [pair("server", "on"), pair("wait", "off"), pair("no", "on")]
        );
    }

    #[test]
    fn the_last_of_a_name_counts_and_what_is_left_is_refused() {
        let mut opts = Opts::parse("a=1,b=x,a=2", None).expect("it is right");
        assert_eq!(opts.take_number("a"), Ok(Some(2)));
        assert_eq!(
            opts.clone().finish().expect_err("b is left").desc,
            "Invalid parameter 'b'"
        );
        let wrong = opts.take_bool("b").expect_err("it is no truth");
        assert_eq!(wrong.desc, "Parameter 'b' expects 'on' or 'off'");
        assert_eq!(opts.finish(), Ok(()));
        for nameless in ["=x", "a,,b", ",a=1"] {
            let error = Opts::parse(nameless, None).expect_err("there is no name");
            assert_eq!(error.desc, "Invalid parameter ''", "{nameless}");
        }
    }
}

//! What a command line says of disks: `--blockdev` in both syntaxes, options of the older style, and
//! names of images.
//!
//! Nothing may panic, and whatever is refused is refused with a sentence. What has been read is written
//! and read again as the same. The first byte chooses who reads.

#![no_main]

use blockjob::daemon::open::has_protocol;
use blockjob::qapi::opts::Opts;
use blockjob::qapi::types::node_options::BlockdevOptions;
use blockjob::qapi::types::qom::ObjectOptions;
use blockjob::qapi::{Flavour, Input, Qapi, QmpResult, keyval};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&reader, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    match reader % 4 {
        0 => declared(keyval::parse_input(
            text,
            Some("driver"),
            BlockdevOptions::visit,
        )),
        1 => declared(keyval::parse_input(
            text,
            Some("qom-type"),
            ObjectOptions::visit,
        )),
        2 => older(text),
        _ => {
            has_protocol(text);
        }
    }
});

fn declared<T: Qapi + PartialEq + std::fmt::Debug>(read: QmpResult<T>) {
    match read {
        Ok(options) => {
            let written = options.to_value();
            let again = T::visit(Input::top(&written, Flavour::Json));
            assert_eq!(again.as_ref(), Ok(&options));
        }
        Err(error) => assert!(!error.desc.is_empty()),
    }
}

fn older(text: &str) {
    for implied in [None, Some("backend")] {
        let Ok(opts) = Opts::parse(text, implied) else {
            continue;
        };
        let escape = |value: &str| value.replace(',', ",,");
        let written: Vec<String> = opts
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        // A name with a comma in it cannot come out of a text, and so all can be written again.
        assert_eq!(Opts::parse(&written.join(","), None).as_ref(), Ok(&opts));
    }
}

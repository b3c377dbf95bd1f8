//! What a broken rule is called where a lab has no better words for it.

use crate::failure::{Failure, Rule};

/// A failure as one sentence.
pub(crate) fn plainly(failure: &Failure) -> String {
    let text = failure.text.trim_end_matches('.');
    match failure.rule {
        // The rules of the labs speak in whole sentences.
        _ if failure.place.starts_with("lab-") => failure.text.clone(),
        Rule::Panic => format!("The run broke off with a panic: {text}."),
        Rule::Progress => format!("The run does not come to an end: {text}."),
        Rule::WaitGraph => format!("Somebody waits for himself: {text}."),
        Rule::Data => format!("Data went wrong: {text}."),
        rule => format!("The rule {rule} is broken ({}): {text}.", failure.place),
    }
}

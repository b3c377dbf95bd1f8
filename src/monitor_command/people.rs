//! A monitor for people: lines there, text back, up to the next prompt.

use std::io;
use std::process::ExitCode;

use super::Lines;
use super::connection::Stream;
use crate::failure::Failure;
use crate::say;

/// Sends the lines, and prints what comes back. `heard` is how the other side began.
///
/// # Errors
///
/// The connection is lost, other than by what a line said.
pub(super) fn talk(
    mut stream: Box<dyn Stream>,
    heard: &[u8],
    lines: &mut Lines,
) -> Result<ExitCode, Failure> {
    let lost = |error: io::Error| Failure::failed(format!("the connection is lost: {error}"));
    let mut text = String::from_utf8_lossy(heard).replace('\r', "");
    while !text.ends_with(") ") {
        match hear(&mut *stream).map_err(lost)? {
            Some(more) => text += &more,
            None => break,
        }
    }
    let prompt = text.lines().last().unwrap_or_default().to_owned();
    if matches!(lines, Lines::Terminal(_)) {
        print(&text, &prompt);
    }
    while let Some(line) = lines.next(&prompt)? {
        stream
            .write_all(format!("{line}\n").as_bytes())
            .map_err(lost)?;
        let mut answer = String::new();
        while !(answer == prompt || answer.ends_with(&format!("\n{prompt}"))) {
            match hear(&mut *stream) {
                Ok(Some(more)) => answer += &more,
                // `quit`, or the like.
                Ok(None) | Err(_) => {
                    print(&answer, &prompt);
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        print(&answer, &prompt);
    }
    Ok(ExitCode::SUCCESS)
}

/// What comes next, without carriage returns; `None` at the end.
fn hear(stream: &mut dyn Stream) -> io::Result<Option<String>> {
    let mut buffer = vec![0; 4096];
    let bytes = stream.read(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..bytes]).replace('\r', "");
    Ok((bytes > 0).then_some(text))
}

/// Prints an answer without the prompt behind it: the next line is edited behind our own.
fn print(answer: &str, prompt: &str) {
    let answer = answer.strip_suffix(prompt).unwrap_or(answer);
    if !answer.is_empty() {
        say::out(answer.trim_end_matches('\n'));
    }
}

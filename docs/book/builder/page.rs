//! The pieces of a chapter that directives leave: blocks of code with a caption.

/// A fenced block with a caption below it, as Markdown. The caption is HTML of one line.
pub(crate) fn block(class: &str, language: &str, text: &str, caption: &str) -> String {
    let fence = fence_for(text);
    format!(
        "<div class=\"{class}\">\n\n{fence}{language}\n{text}\n{fence}\n\n<p class=\"caption\">{caption}</p>\n</div>\n"
    )
}

/// A fence that is longer than any inside of the text.
fn fence_for(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    fence
}

/// Text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_fence_in_it_stays_in_its_block() {
        let block = block("run", "text", "a\n```\nb", "c");
        assert!(block.contains("\n````text\na\n```\nb\n````\n"), "{block}");
    }

    #[test]
    fn what_html_would_read_is_escaped() {
        assert_eq!(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }
}

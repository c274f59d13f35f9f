//! Text in XML and HTML: whatever somebody typed, or a machine said of itself, stands in a document as text and as nothing else.

/// A character that XML 1.0 does not know, or one that turns the order of what stands after it around: names of devices come from anywhere,
/// and must not change how the line that names them is read (Unicode's bidirectional embeddings, overrides and isolates).
fn is_dropped(one: char) -> bool {
    matches!(one,
        '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{fdd0}'..='\u{fdef}')
        || u32::from(one) & 0xfffe == 0xfffe
}

/// Appends `text`, fit for content and for attributes in double quotes. Breaks of lines and tabs become blanks.
pub(crate) fn escape(out: &mut String, text: &str) {
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => out.push(' '),
            one if is_dropped(one) => {}
            one => out.push(one),
        }
    }
}

/// `text`, escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    escape(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_typed_stays_text() {
        assert_eq!(escaped("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
        assert_eq!(escaped("dòng một\ndòng hai\t\u{0}\u{1b}[31m"), "dòng một dòng hai [31m");
        assert_eq!(escaped("máy \u{202e}tsil.exe\u{2066} 🖨️ שלום"), "máy tsil.exe 🖨️ שלום");
        assert_eq!(escaped("\u{fffe}\u{ffff}\u{1fffe}x"), "x");
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_is_markup(text in any::<String>()) {
            let out = escaped(&text);
            prop_assert!(!out.contains(['<', '>', '"', '\'']));
            prop_assert!(out.chars().all(|one| one >= ' ' && !is_dropped(one)));
        }
    }
}

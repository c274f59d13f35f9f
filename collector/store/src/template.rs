//! Text as people and other systems write it, made fit for where it goes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One line of at most `most` characters, without what no line holds.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Whatever breaks a line or hides what a line says: controls, the separators of Unicode, and what turns the direction of writing.
fn is_no_text(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// One line: each run of white space and of what no line holds is one space. For whatever devices, other systems and people wrote,
/// before it becomes a part of a message whose lines mean something.
#[must_use]
pub fn as_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || is_no_text(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Lines, without what no line holds.
#[must_use]
pub fn as_lines(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !is_no_text(*c)).collect()
}

/// Inside an element or an attribute of XML (and of HTML), without what XML cannot hold.
#[must_use]
pub fn xml_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push(c),
            c if is_no_text(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Percent-encoded: everything but the unreserved characters of RFC 3986.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Inside a JSON string.
#[must_use]
pub fn json_escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// A header line holds no other.
#[must_use]
pub fn spaced(text: &str) -> String {
    text.chars().map(|c| if is_no_text(c) { ' ' } else { c }).collect()
}

/// How a value is written into a body of this type, so that it never becomes a part of the body's structure.
#[must_use]
pub fn escape_of(content_type: &str) -> fn(&str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => percent_encoded,
        "text/html" => xml_escaped,
        kind if kind.ends_with("/json") || kind.ends_with("+json") => json_escaped,
        kind if kind.ends_with("/xml") || kind.ends_with("+xml") => xml_escaped,
        // Parts are told apart by lines.
        kind if kind.starts_with("multipart/") => as_line,
        _ => as_lines,
    }
}

/// Puts values into the places of a template that was checked: there are no other places.
#[must_use]
pub fn fill(template: &str, value: &dyn Fn(&str) -> Option<String>, escape: fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            rest = after;
            continue;
        };
        out.push_str(&escape(&value(name).unwrap_or_default()));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The first place of a template that is not one of these, cut short.
#[must_use]
pub fn unknown_place(template: &str, known: &[&str]) -> Option<String> {
    let names = template.split("{{").skip(1).map(|rest| rest.split_once("}}").map_or(rest, |(name, _)| name));
    names.into_iter().find(|name| !known.contains(name)).map(|name| name.chars().take(30).collect())
}

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula is marked as text (OWASP, CSV injection).
#[must_use]
pub fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mut text = if formula { format!("'{text}") } else { text.to_owned() };
    // Where a comma is the decimal mark, spreadsheets take the semicolon for what is between fields, and a tab anywhere.
    for between in [';', '\t'] {
        for begin in ['=', '+', '-', '@'] {
            text = text.replace(&format!("{between}{begin}"), &format!("{between}'{begin}"));
        }
    }
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_a_spreadsheet_becomes_a_formula() {
        assert_eq!(csv_field("=1+1"), "'=1+1");
        assert_eq!(csv_field("x;=HYPERLINK(1)"), "x;'=HYPERLINK(1)");
        assert_eq!(csv_field("x\t@y, z"), "\"x\t'@y, z\"");
        assert_eq!(csv_field("a;b - c"), "a;b - c");
    }

    #[test]
    fn a_value_never_becomes_structure() {
        let value = |name: &str| match name {
            "address" => Some("+84 9\"x&y\n\u{7}".to_owned()),
            "subject" => Some("{{secret}}".to_owned()),
            name => Some(name.to_owned()),
        };
        assert_eq!(fill("{\"to\":\"{{address}}\"}", &value, json_escaped), "{\"to\":\"+84 9\\\"x&y\\n\\u0007\"}");
        assert_eq!(
            fill("https://x/?to={{address}}&k={{key}}", &value, percent_encoded),
            "https://x/?to=%2B84%209%22x%26y%0A%07&k=key"
        );
        assert_eq!(fill("Bearer {{secret}}", &value, spaced), "Bearer secret");
        assert_eq!(as_line(" Khói\r\n ở\u{2028}\u{202e}tủ \t1\u{0}"), "Khói ở tủ 1");
        let escaped = |kind: &str| escape_of(kind)("\"<a>&\n\u{1}'");
        assert_eq!(escaped("Application/JSON; charset=utf-8"), "\\\"<a>&\\n\\u0001'");
        assert_eq!(escaped("application/soap+xml"), "&quot;&lt;a&gt;&amp;\n &#39;");
        assert_eq!(escaped("text/xml"), escaped("application/soap+xml"));
        assert_eq!(escaped("multipart/form-data; boundary=x"), "\"<a>& '");
        assert_eq!(escaped("text/plain"), "\"<a>&\n'");
        // What stands in a value is not a place.
        assert_eq!(fill("{{subject}}", &value, json_escaped), "{{secret}}");
        assert_eq!(unknown_place("{{a}} {{b}", &["a"]).as_deref(), Some("b}"));
    }
}

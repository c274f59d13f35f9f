//! Text as people and other systems write it, made fit for where it goes.

use std::fmt::Write as _;

/// One line of at most `most` characters, without what no line holds.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Percent-encoded: everything but the unreserved characters of RFC 3986.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
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
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How a value is written into a body of this type, so that it never becomes a part of the body's structure.
#[must_use]
pub fn escape_of(content_type: &str) -> fn(&str) -> String {
    match content_type.split(';').next().unwrap_or_default() {
        "application/json" => json_escaped,
        "application/x-www-form-urlencoded" => percent_encoded,
        _ => str::to_owned,
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
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // What stands in a value is not a place.
        assert_eq!(fill("{{subject}}", &value, json_escaped), "{{secret}}");
        assert_eq!(unknown_place("{{a}} {{b}", &["a"]).as_deref(), Some("b}"));
    }
}

//! Whether a text that is kept names somebody: what queries ask of columns that are JSON or plain text.
//!
//! Names are looked for in what a text says, never in how it is written: JSON writes `CENTRE\lan` with two backslashes, and may write any letter
//! as its number.

use serde_json::Value;

use crate::collation;

/// Whether a name stands anywhere in what a text says, within longer words, too; capitals and Vietnamese marks make no difference, nor how they
/// are put together. Where it is not certain that somebody else is meant, they are.
pub(crate) fn names_person(text: &str, name: &str) -> bool {
    let name = folded(name);
    let is_in = |said: &str| folded(said).contains(&name);
    // Without an escape in it a text is written as it says.
    if !text.contains('\\') {
        return is_in(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => any(&value, &is_in),
        Err(_) => is_in(text),
    }
}

/// Whether one of the texts in a text of JSON is this name, or what comes behind the last bar of one, as in the name of a series.
pub(crate) fn says(text: &str, name: &str) -> bool {
    if !text.contains('\\') && !text.contains(name) {
        return false;
    }
    let is_it = |said: &str| said == name || said.strip_suffix(name).is_some_and(|rest| rest.ends_with('|'));
    serde_json::from_str::<Value>(text).is_ok_and(|value| any(&value, &is_it))
}

/// Whether a value has such a text in it, as a key, too.
pub(super) fn any(value: &Value, is_it: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_it(text),
        Value::Array(all) => all.iter().any(|one| any(one, is_it)),
        Value::Object(fields) => fields.iter().any(|(key, one)| is_it(key) || any(one, is_it)),
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => is_it(&number.to_string()),
    }
}

/// A text without capitals and marks.
fn folded(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            said.push(letter.to_ascii_lowercase());
        } else if !('\u{300}'..='\u{36f}').contains(&letter) {
            said.extend(letter.to_lowercase().map(collation::plain));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_what_a_text_says_however_it_is_written() {
        let written = r#"{"user":"CENTRE\\lan","by":["\u004cê V\u0103n \u00d4ng"],"said":"he wrote \"minh\""}"#;
        for name in [r"CENTRE\lan", "lan", "Lê Văn Ông", "le van ong", r#""minh""#, "L\u{ea} V\u{103}n"] {
            assert!(names_person(written, name), "{name}");
        }
        assert!(!names_person(written, r"CENTRE\\lan"), "how it is written is not what it says");
        assert!(!names_person(written, "hoa"));
        // Within longer words, in plain texts, in keys, put together from a letter and a mark, and in what is damaged.
        assert!(names_person(r#"{"series":"account.idle_days|CENTRE\\lan"}"#, "centre\\LAN"));
        assert!(names_person("lan-adm signed in", "lan") && names_person(r#"{"lan":1}"#, "lan"));
        assert!(names_person("Le\u{302}\u{301} Ông", "Lế Ông") && names_person(r#"{"a\":"lan"#, "lan"));
    }

    #[test]
    fn a_text_of_json_says_a_name_whole_or_behind_a_bar() {
        assert!(says(r#"["account.idle_days|CENTRE\\lan"]"#, r"CENTRE\lan") && says(r#"{"a":["\u006can"]}"#, "lan"));
        assert!(!says(r#"["plan","lan2","account|lan2"]"#, "lan") && !says("lan", "lan"));
    }
}

//! A request of one's own: SMS gateways, Zalo OA, Telegram and whatever else speaks HTTP (`config/channels/`).
//!
//! Values are put in as the place asks: percent-encoded into an address and into a form, escaped into JSON, in one line into a
//! header. A value can never become a part of the request's structure.

use ioc_judge::Notice;

use super::http::{self, Request};
use super::{SendError, Wording};
use crate::config::{HttpChannel, PLACES};
use crate::written::percent_encoded;

/// Longest text for `{{short}}`, characters: two parts of an SMS in Vietnamese.
const SHORT_MAX_CHARS: usize = 134;

pub(super) async fn send(
    channel: &HttpChannel,
    key: &str,
    address: &str,
    notice: &Notice,
    wording: &Wording,
) -> Result<(), SendError> {
    let secret = match &channel.secret_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| SendError::Later(format!("{}: {error}", path.display())))?
            .trim()
            .to_owned(),
        None => String::new(),
    };
    let device = notice.device.as_ref();
    let values: [String; PLACES.len()] = [
        address.to_owned(),
        wording.subject.clone(),
        wording.body.clone(),
        short(wording),
        wording.link.clone(),
        notice.incident.to_string(),
        notice.severity.as_str().to_owned(),
        notice.occasion.as_str().to_owned(),
        device.map(|device| device.name.clone()).unwrap_or_default(),
        device.map(|device| device.place.clone()).unwrap_or_default(),
        key.to_owned(),
        secret,
    ];
    let of_type = match channel.content_type.split(';').next().unwrap_or_default() {
        "application/json" => json,
        "application/x-www-form-urlencoded" => percent_encoded,
        _ => str::to_owned,
    };
    let headers = channel.headers.iter().map(|(name, value)| (name.clone(), fill(value, &values, one_line)));
    let mut headers: Vec<(String, String)> = headers.collect();
    headers.push(("idempotency-key".to_owned(), key.to_owned()));
    let url = fill(&channel.url, &values, percent_encoded);
    let body = fill(&channel.body, &values, of_type);
    let content_type = &channel.content_type;
    let answer = http::send(Request { method: &channel.method, url: &url, content_type, headers, body }).await?;
    if answer.contains(&channel.success) {
        return Ok(());
    }
    Err(SendError::Later(format!("the answer does not contain {:?}: {}", channel.success, http::short(&answer))))
}

/// Puts values into their places. The configuration was checked: there are no other places.
fn fill(template: &str, values: &[String], escape: fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            rest = after;
            continue;
        };
        if let Some(value) = PLACES.iter().position(|place| *place == name).and_then(|place| values.get(place)) {
            out.push_str(&escape(value));
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// For a telephone: what and where, and the link whole.
fn short(wording: &Wording) -> String {
    let room = SHORT_MAX_CHARS.saturating_sub(wording.link.chars().count() + 1);
    let mut text: String = wording.subject.chars().take(room).collect();
    if text.len() < wording.subject.len() {
        text.pop();
        text.push('…');
    }
    format!("{text} {}", wording.link)
}

/// Inside a JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// A header line holds no other.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_becomes_structure() {
        let mut values: Vec<String> = PLACES.iter().map(|name| (*name).to_owned()).collect();
        values[0] = "+84 9\"x&y\n\u{7}".into();
        assert_eq!(fill("{\"to\":\"{{address}}\"}", &values, json), "{\"to\":\"+84 9\\\"x&y\\n\\u0007\"}");
        assert_eq!(
            fill("https://x/?to={{address}}&k={{key}}", &values, percent_encoded),
            "https://x/?to=%2B84%209%22x%26y%0A%07&k=key"
        );
        assert_eq!(fill("Bearer {{secret}}", &values, one_line), "Bearer secret");
        // What stands in a value is not a place.
        values[1] = "{{secret}}".into();
        assert_eq!(fill("{{subject}}", &values, json), "{{secret}}");
    }

    #[test]
    fn a_short_text_keeps_its_link_whole() {
        let wording = Wording { subject: "Đ".repeat(300), body: String::new(), link: "https://ioc/a/1.2".into() };
        let text = short(&wording);
        assert!(text.chars().count() <= SHORT_MAX_CHARS && text.ends_with("… https://ioc/a/1.2"), "{text}");
    }
}

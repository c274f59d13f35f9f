//! What may stand between double braces in a request or a topic of one's own, and what it stands for.

use ioc_judge::DeviceInfo;

use ioc_engine::notifier::{Message, Wording};
use ioc_store::template::as_line;

/// Every placeholder that a template may hold.
pub(super) const PLACEHOLDERS: [&str; 12] = [
    "address", "subject", "body", "short", "link", "incident", "severity", "occasion", "device", "place", "key",
    "secret",
];

/// Longest text for `{{short}}`, characters: two parts of an SMS in Vietnamese.
const SHORT_MAX_CHARS: usize = 134;

/// What a placeholder stands for.
pub(super) fn value(name: &str, secret: &str, message: Message<'_>) -> Option<String> {
    let Message { key, address, notice, wording, .. } = message;
    let device = |text: fn(&DeviceInfo) -> &String| notice.device.as_ref().map(text).map(|text| as_line(text));
    match name {
        "address" => Some(as_line(address)),
        "subject" => Some(as_line(&wording.subject)),
        "body" => Some(wording.body.clone()),
        "short" => Some(short(wording)),
        "link" => Some(wording.link.clone()),
        "incident" => Some(notice.incident.to_string()),
        "severity" => Some(notice.severity.as_str().to_owned()),
        "occasion" => Some(notice.occasion.as_str().to_owned()),
        "device" => device(|device| &device.name),
        "place" => device(|device| &device.place),
        "key" => Some(key.to_owned()),
        "secret" => Some(secret.to_owned()),
        _ => None,
    }
}

/// For a telephone: what and where, and the link whole.
fn short(wording: &Wording) -> String {
    let room = SHORT_MAX_CHARS.saturating_sub(wording.link.chars().count() + 1);
    let subject = as_line(&wording.subject);
    let mut text: String = subject.chars().take(room).collect();
    if text.len() < subject.len() {
        text.pop();
        text.push('…');
    }
    format!("{text} {}", wording.link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_keeps_its_link_whole() {
        let wording = Wording { subject: "Đ".repeat(300), body: String::new(), link: "https://ioc/a/1.2".into() };
        let text = short(&wording);
        assert!(text.chars().count() <= SHORT_MAX_CHARS && text.ends_with("… https://ioc/a/1.2"), "{text}");
    }
}

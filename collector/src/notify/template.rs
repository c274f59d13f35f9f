//! A request of one's own: SMS gateways, Zalo OA, Telegram and whatever else speaks HTTP (`config/channels/`).
//!
//! Values are put in as the place asks: percent-encoded into an address and into a form, escaped into JSON, in one line into a
//! header. A value can never become a part of the request's structure.

use ioc_judge::{DeviceInfo, Notice};

use super::Wording;
use ioc_engine::config::HttpChannel;
use ioc_engine::http::{self, Request, SendError};
use ioc_store::template::{as_line, escape_of, fill, percent_encoded, spaced};

/// Longest text for `{{short}}`, characters: two parts of an SMS in Vietnamese.
const SHORT_MAX_CHARS: usize = 134;

pub(super) async fn send(
    channel: &HttpChannel,
    key: &str,
    address: &str,
    notice: &Notice,
    wording: &Wording,
) -> Result<(), SendError> {
    let secret = http::secret(channel.secret_file.as_deref())?;
    let value = |name: &str| value(name, key, address, &secret, notice, wording);
    let headers = channel.headers.iter().map(|(name, text)| (name.clone(), fill(text, &value, spaced)));
    let mut headers: Vec<(String, String)> = headers.collect();
    headers.push(("idempotency-key".to_owned(), key.to_owned()));
    let url = fill(&channel.url, &value, percent_encoded);
    let body = fill(&channel.body, &value, escape_of(&channel.content_type));
    let content_type = &channel.content_type;
    let answer =
        http::send(Request { method: &channel.method, url: &url, content_type, headers, body: body.into_bytes() })
            .await?;
    if answer.contains(&channel.success) {
        return Ok(());
    }
    // It took the request and does not say what it did with it: a gateway whose words have changed would send each repeat.
    Err(SendError::Unknown(format!("the answer does not contain {:?}: {}", channel.success, http::short(&answer))))
}

/// What a place in a template stands for.
pub(super) fn value(
    name: &str,
    key: &str,
    address: &str,
    secret: &str,
    notice: &Notice,
    wording: &Wording,
) -> Option<String> {
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

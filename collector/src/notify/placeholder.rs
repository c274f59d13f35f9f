//! What may stand between double braces in a request or a topic of one's own, and what it stands for.

use ioc_judge::DeviceInfo;

use super::short::short;
use ioc_engine::notifier::Message;
use ioc_store::template::as_line;

/// Every placeholder that a template may hold.
pub(super) const PLACEHOLDERS: [&str; 12] = [
    "address", "subject", "body", "short", "link", "incident", "severity", "occasion", "device", "place", "key",
    "secret",
];

/// What a placeholder stands for.
pub(super) fn value(name: &str, secret: &str, message: Message<'_>) -> Option<String> {
    let Message { key, address, notice, wording, .. } = message;
    let device = |text: fn(&DeviceInfo) -> &String| notice.device.as_ref().map(text).map(|text| as_line(text));
    match name {
        "address" => Some(as_line(address)),
        "subject" => Some(as_line(&wording.subject)),
        "body" => Some(wording.body.clone()),
        "short" => Some(short(&wording.brief, &wording.link)),
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

//! Sends a webhook's message, signed where there is a secret.

use ioc_common::encoding::hex;

use super::WebhookChannel;
use crate::notify::alertmanager;
use ioc_engine::http::{self, Request, SendError};
use ioc_engine::notifier::Message;

pub(super) async fn send(channel: &WebhookChannel, message: Message<'_>) -> Result<(), SendError> {
    let body = alertmanager::body(message).to_string();
    let mut headers = vec![("idempotency-key".to_owned(), message.key.to_owned())];
    if channel.secret_file.is_some() {
        let secret = http::secret(channel.secret_file.as_deref())?;
        let hmac_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = hex(ring::hmac::sign(&hmac_key, body.as_bytes()).as_ref());
        headers.push(("x-ioc-signature".to_owned(), format!("sha256={signature}")));
    }
    let (url, content_type) = (&channel.url, "application/json");
    http::send(Request { method: "POST", url, content_type, headers, body: body.into_bytes() }).await?;
    Ok(())
}

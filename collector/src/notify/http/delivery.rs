//! Fills a request's placeholders and sends it.
//!
//! Values are put in as the place asks: percent-encoded into an address and into a form, escaped into JSON, in one line into a
//! header. A value can never become a part of the request's structure.

use super::HttpChannel;
use crate::notify::placeholder;
use ioc_engine::http::{self, Request, SendError};
use ioc_engine::notifier::Message;
use ioc_store::template::{escape_of, fill, percent_encoded, spaced};

pub(super) async fn send(channel: &HttpChannel, message: Message<'_>) -> Result<(), SendError> {
    let secret = http::secret(channel.secret_file.as_deref())?;
    let value = |name: &str| placeholder::value(name, &secret, message);
    let headers = channel.headers.iter().map(|(name, text)| (name.clone(), fill(text, &value, spaced)));
    let mut headers: Vec<(String, String)> = headers.collect();
    headers.push(("idempotency-key".to_owned(), message.key.to_owned()));
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

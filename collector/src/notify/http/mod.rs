//! A request of one's own: SMS gateways, Zalo OA, Telegram and whatever else speaks HTTP (`config/channels/`).

mod delivery;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};

use super::host_of;
use super::placeholder::PLACEHOLDERS;
use ioc_engine::config::{ConfigContext, ConnectorKind};
use ioc_engine::http::SendError;
use ioc_engine::notifier::{Message, Notifier};

pub(super) const KIND: ConnectorKind<dyn Notifier> = ConnectorKind {
    name: "http",
    required: &["url"],
    optional: &["method", "content_type", "headers", "body", "secret_file", "success"],
    check,
};

const METHODS: [&str; 3] = ["POST", "PUT", "GET"];

#[derive(Deserialize)]
struct HttpKeys {
    url: Spanned<String>,
    method: Option<Spanned<String>>,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    secret_file: Option<PathBuf>,
    #[serde(default)]
    success: String,
}

/// A request with placeholders for what is said.
#[derive(Debug)]
struct HttpChannel {
    /// Where; values are put in percent-encoded.
    url: String,
    method: String,
    /// Type of the body: values are put in as its rules ask.
    content_type: String,
    headers: BTreeMap<String, String>,
    body: String,
    /// File with what `{{secret}}` stands for.
    secret_file: Option<PathBuf>,
    /// The answer must contain this, since many gateways answer 200 to what they refuse.
    success: String,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn Notifier>, ConfigError> {
    let form: HttpKeys = keys.read()?;
    context.check_placeholders(form.url.get_ref(), &PLACEHOLDERS, form.url.span())?;
    for (name, value) in &form.headers {
        context.check_header((name, value), &PLACEHOLDERS, form.url.span())?;
    }
    if let Some(body) = &form.body {
        context.check_placeholders(body.get_ref(), &PLACEHOLDERS, body.span())?;
    }
    if let Some(method) = form.method.as_ref().filter(|method| !METHODS.contains(&method.get_ref().as_str())) {
        let message = format!("found method {:?}; allowed are {}", method.get_ref(), METHODS.join(", "));
        return Err(context.fault(method.span(), &message, "choose one of them"));
    }
    Ok(Arc::new(HttpChannel {
        url: context.whole_url(form.url)?,
        method: form.method.map_or_else(|| "POST".to_owned(), Spanned::into_inner),
        content_type: form.content_type.unwrap_or_else(|| "application/json".to_owned()),
        headers: form.headers,
        body: form.body.map(Spanned::into_inner).unwrap_or_default(),
        secret_file: form.secret_file,
        success: form.success,
    }))
}

impl Notifier for HttpChannel {
    fn target(&self) -> String {
        host_of(&self.url)
    }

    fn needs_address(&self) -> bool {
        self.url.contains("{{address}}") || self.body.contains("{{address}}")
    }

    fn is_read_by_people(&self) -> bool {
        true
    }

    fn notify<'m>(&'m self, message: Message<'m>) -> BoxFuture<'m, Result<(), SendError>> {
        Box::pin(delivery::send(self, message))
    }
}

#[cfg(test)]
mod tests {
    use crate::notify::testing::{fault, parse};

    #[test]
    fn the_shipped_examples_parse() {
        let mail = "[[channel]]\nname = \"duty-mail\"\ntype = \"smtp\"\nserver = \"mail:25\"\nfrom = \"x@y\"\nto = [\"z@y\"]\n";
        for shipped in [
            include_str!("../../../../config/channels/sms.toml"),
            include_str!("../../../../config/channels/telegram.toml"),
            include_str!("../../../../config/channels/zalo.toml"),
        ] {
            let config = parse(&format!("{shipped}\n{mail}")).unwrap_or_else(|e| panic!("{e}"));
            assert!(!config.channels[0].always && config.channels[1].always, "one is for people, one for all");
        }
    }

    #[test]
    fn its_placeholders_headers_and_method_are_known_ones() {
        let sms = "[[channel]]\nname = \"sms\"\ntype = \"http\"\nurl = \"https://x/\"\n";
        let loose = fault(&format!("{sms}body = \"{{{{telephone}}}}\"\n"));
        assert!(loose.line == 5 && loose.message.contains("telephone"), "{loose}");
        assert!(fault(&format!("{sms}headers = {{ \"a b\" = \"c\" }}\n")).message.contains("Authorization"));
        let method = fault(&format!("{sms}method = \"PATCH\"\n"));
        assert!(method.line == 5 && method.message.contains("POST, PUT, GET"), "{method}");
    }
}

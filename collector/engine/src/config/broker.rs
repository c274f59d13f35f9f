//! `[ingest.broker]`: the broker, or the cluster of them, through which devices come beside or instead of our own endpoint.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::address::split_address;
use ioc_common::config::{Bounded, ConfigError, Source, Span, SpanWithin, Spanned};

/// Most addresses.
const ADDRESSES_MAX: usize = 16;
/// Longest client identifier: what every server must take [MQTT-3.1.3-5].
const CLIENT_ID_MAX: usize = 23;

/// Where the broker is, and what we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlan {
    /// Host and port of each of its machines, tried in this order.
    pub addresses: Vec<(String, u16)>,
    /// Our session there: whoever connects under it takes it over.
    pub client_id: String,
    /// Certificate and key by which we sign in, PEM; none where the built-in authority makes them.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The authority that issued the broker's certificate, PEM; none where that is the built-in one.
    pub authority_file: Option<PathBuf>,
    /// MQTT's keep-alive.
    pub keep_alive: SpanWithin<5_000, 600_000>,
    /// How many messages the broker should hand out before the first of them is acknowledged.
    pub unacknowledged_min: Bounded<10, 65_535>,
    /// Where a broker asks who may do what; on this machine alone.
    pub authorization_listen: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BrokerForm {
    addresses: Vec<Spanned<String>>,
    client_id: Spanned<String>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<PathBuf>,
    authority_file: Option<PathBuf>,
    keep_alive: SpanWithin<5_000, 600_000>,
    unacknowledged_min: Bounded<10, 65_535>,
    authorization_listen: Option<Spanned<SocketAddr>>,
}

impl Default for BrokerForm {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            client_id: Spanned::new(0..0, "ioc-collector".to_owned()),
            certificate: None,
            key: None,
            authority_file: None,
            keep_alive: SpanWithin(Span::secs(30)),
            unacknowledged_min: Bounded(100),
            authorization_listen: None,
        }
    }
}

impl BrokerForm {
    /// None when no address is given: then devices come to our own endpoint alone.
    pub(super) fn check(self, source: &Source) -> Result<Option<BrokerPlan>, ConfigError> {
        let mut addresses = Vec::new();
        for address in self.addresses {
            let mend = "write it like \"broker-1.example:8883\"";
            let split = split_address(address.get_ref()).map_err(|why| source.fault(address.span(), &why, mend))?;
            if addresses.len() >= ADDRESSES_MAX {
                let message = format!("found more than {ADDRESSES_MAX} addresses");
                return Err(source.fault(address.span(), &message, "name fewer machines of the cluster"));
            }
            addresses.push(split);
        }
        let id = self.client_id.get_ref();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > CLIENT_ID_MAX || !id.bytes().all(fits) {
            let message =
                format!("found client_id {id:?}; allowed are 1 to {CLIENT_ID_MAX} characters of A-Z a-z 0-9 - _");
            return Err(source.fault(self.client_id.span(), &message, "name the site, like \"ioc-hanoi\""));
        }
        if let Some(listen) = self.authorization_listen.as_ref().filter(|listen| !listen.get_ref().ip().is_loopback()) {
            let message = format!(
                "found authorization_listen {:?}; allowed is an address of this machine alone",
                listen.get_ref().to_string()
            );
            let mend = "write \"127.0.0.1:8884\"; a broker on another machine reaches it by a tunnel (docs/scale.md)";
            return Err(source.fault(listen.span(), &message, mend));
        }
        let certificate = super::certificate_and_key(source, self.certificate, self.key)?;
        if addresses.is_empty() {
            return Ok(None);
        }
        Ok(Some(BrokerPlan {
            addresses,
            client_id: self.client_id.into_inner(),
            certificate,
            authority_file: self.authority_file,
            keep_alive: self.keep_alive,
            unacknowledged_min: self.unacknowledged_min,
            authorization_listen: self.authorization_listen.map(Spanned::into_inner),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, testing};
    use super::*;

    fn parse(text: &str) -> Result<Option<BrokerPlan>, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text), &testing::KINDS).map(|config| config.broker)
    }

    #[test]
    fn it_is_off_without_an_address() {
        assert_eq!(parse("").expect("parses"), None);
        assert_eq!(parse("[ingest.broker]\nclient_id = \"ioc-hanoi\"\n").expect("parses"), None);
        let plan = parse("[ingest.broker]\naddresses = [\"a:8883\", \"[::1]:1\"]\n").expect("parses").expect("on");
        assert_eq!(plan.addresses, [("a".to_owned(), 8883), ("::1".to_owned(), 1)]);
        assert_eq!((plan.client_id.as_str(), plan.unacknowledged_min.0), ("ioc-collector", 100));
    }

    #[test]
    fn faults_point_at_their_line_and_say_the_mend() {
        for (keys, line, said) in [
            ("addresses = [\"broker\"]", 2, "host:port"),
            ("client_id = \"một\"", 2, "allowed are 1 to 23"),
            ("client_id = \"a.b\"", 2, "allowed are 1 to 23"),
            ("authorization_listen = \"0.0.0.0:8884\"", 2, "this machine alone"),
            ("certificate = \"/x.pem\"", 2, "without a key"),
            ("keep_alive = \"1s\"", 2, "5s"),
            ("unacknowledged_min = 1", 2, "10"),
            ("address = \"a:1\"", 2, "addresses"),
        ] {
            let fault = parse(&format!("[ingest.broker]\n{keys}\n")).expect_err(keys);
            assert!(fault.line == line && fault.message.contains(said) && !fault.mend.is_empty(), "{keys}: {fault}");
        }
    }
}

//! The link to the collector, or to a broker before it: opened where the session says so, at the address whose turn it is.

use std::path::Path;

use ioc_common::address::split_address;
use ioc_common::clock;
use ioc_common::random::entropy;

use super::Runner;
use crate::config::Config;
use crate::identity::{Identity, client_config};
use crate::uplink::addresses::Addresses;
use crate::uplink::mqtt::{HttpProxy, LinkEvent, LinkOptions, MqttLink};
use crate::uplink::session::UplinkSession;

/// Longest password of a proxy, bytes.
const PASSWORD_MAX_BYTES: u64 = 4096;

/// The addresses of a configuration, or those learnt at enrolment; beginning with the one that worked `last`.
pub(super) fn addresses(config: &Config, identity: &Identity, last: Option<&str>) -> Addresses {
    let all = if config.mqtt.is_empty() { identity.addresses() } else { config.mqtt.clone() };
    Addresses::new(all, last)
}

/// A session that connects at once to one of these.
pub(super) fn session(addresses: &Addresses, now_ms: u64) -> UplinkSession {
    let mut session = UplinkSession::new(now_ms);
    session.set_addresses(addresses.count());
    session
}

/// The proxy of a configuration, with the password that its file holds now.
fn proxy(config: &Config) -> Result<Option<HttpProxy>, String> {
    let Some(address) = &config.proxy else { return Ok(None) };
    let (host, port) = split_address(address)?;
    let login = match &config.proxy_login {
        None => None,
        Some((user, file)) => Some((user.clone(), password(file)?)),
    };
    Ok(Some(HttpProxy { host, port, login }))
}

/// The first line of a file.
fn password(file: &Path) -> Result<String, String> {
    let place = file.display();
    let size = std::fs::metadata(file).map_err(|error| format!("{place}: {error}"))?.len();
    if size > PASSWORD_MAX_BYTES {
        return Err(format!(
            "{place} has {size} bytes; allowed are {PASSWORD_MAX_BYTES}; mend: write the password alone into it"
        ));
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place}: {error}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

impl Runner {
    /// The configuration was read anew: its addresses are tried from the beginning, but for the one that worked.
    pub(super) fn renew_addresses(&mut self) {
        self.addresses = addresses(&self.config, &self.identity, self.store.last_address().as_deref());
        self.session.set_addresses(self.addresses.count());
    }

    pub(super) fn connect(&mut self) {
        let dir = self.renewal.trial().map_or_else(|| self.store.current(), Path::to_owned);
        let now_ms = clock::boottime_ms();
        let options = client_config(&dir).map_err(|error| error.to_string()).and_then(|tls| {
            let (host, port) = split_address(self.mqtt())?;
            let keep_alive = self.config.keep_alive.get();
            let proxy = proxy(&self.config)?;
            Ok(LinkOptions { device: self.identity.device.clone(), host, port, keep_alive, tls, proxy })
        });
        match options {
            Ok(options) => {
                self.link = Some(MqttLink::open(&options));
                self.update_ping_suppression();
            }
            Err(error) => {
                tracing::error!(error, "cannot connect");
                self.last_error = Some(error);
                self.addresses.closed();
                self.session.on_close(now_ms, entropy());
            }
        }
    }

    pub(super) fn close_link(&mut self, why: &str) {
        if let Some(link) = self.link.take() {
            tokio::spawn(link.close());
        }
        self.link_closed(why);
    }

    fn link_closed(&mut self, why: &str) {
        let now_ms = clock::boottime_ms();
        if self.session.is_open() || self.last_error.as_deref() != Some(why) {
            tracing::warn!(why, collector = self.mqtt(), "no link to the collector");
        }
        self.link = None;
        self.last_error = Some(why.to_owned());
        self.session.on_close(now_ms, entropy());
        if self.renewal.abandon_trial(why, now_ms) {
            // It was the certificate, not the address.
            self.session.retry_now(now_ms);
        } else {
            self.addresses.closed();
        }
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        let now_ms = clock::boottime_ms();
        match event {
            LinkEvent::Opened => {
                tracing::info!(collector = self.mqtt(), "linked to the collector");
                self.session.on_open(now_ms);
                self.last_error = None;
                self.report_witnessed();
                if let Some(identity) = self.renewal.promote_trial(&self.store, &self.identity, now_ms) {
                    self.identity = identity;
                }
            }
            LinkEvent::Closed(why) => self.link_closed(&why),
            LinkEvent::Down(kind, payload) => self.message_received(kind, &payload, now_ms),
        }
    }
}

//! How ingest from a broker stands, for `/readyz`, `/metrics` and the incident about it.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ioc_common::clock;

/// The common name of the certificate by which the collector signs in at a broker. No device can have it: `@` stands in no identifier.
pub const BROKER_USER: &str = "collector@ioc";

/// How the link to the broker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerStatus {
    /// The address that is connected; none while none is.
    pub address: Option<String>,
    /// Why none is, or what is to be mended though one is.
    pub complaint: Option<String>,
    /// Since when it stands so, milliseconds.
    pub for_ms: u64,
}

/// Counters of ingest from a broker, and how its link stands.
#[derive(Debug, Default)]
pub struct BrokerBoard {
    /// None while no broker is configured; the moment is the boot clock's, milliseconds.
    link: Mutex<Option<(BrokerStatus, u64)>>,
    /// Messages that came.
    pub messages: AtomicU64,
    /// Messages that are not yet acknowledged.
    pub unacknowledged: AtomicU64,
    /// The most that were not yet acknowledged at the same time, since the link stands.
    pub unacknowledged_peak: AtomicU64,
    /// Devices that are heard through it.
    pub devices: AtomicU64,
    /// How often it was connected.
    pub connects: AtomicU64,
}

impl BrokerBoard {
    /// A broker is configured, and not connected yet.
    pub fn begin(&self) {
        self.set(None, Some("it is being connected".to_owned()));
    }

    /// It is connected at this address.
    pub fn connected(&self, address: &str) {
        self.connects.fetch_add(1, Relaxed);
        self.unacknowledged_peak.store(0, Relaxed);
        self.set(Some(address.to_owned()), None);
    }

    /// It is not connected, for this reason.
    pub fn lost(&self, why: String) {
        self.set(None, Some(why));
    }

    /// It is connected, and something is to be mended there.
    pub fn complain(&self, what: String) {
        if let Some((status, _)) = &mut *self.link.lock().unwrap_or_else(PoisonError::into_inner) {
            status.complaint = Some(what);
        }
    }

    fn set(&self, address: Option<String>, complaint: Option<String>) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = link.as_ref().filter(|(status, _)| status.address == address).map(|(_, since)| *since);
        let since = stays.unwrap_or_else(clock::boottime_ms);
        *link = Some((BrokerStatus { address, complaint, for_ms: 0 }, since));
    }

    /// How the link stands; none where no broker is configured.
    #[must_use]
    pub fn status(&self) -> Option<BrokerStatus> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, since) = link.as_ref()?;
        Some(BrokerStatus { for_ms: clock::boottime_ms().saturating_sub(*since), ..status.clone() })
    }

    /// A line for `/readyz`; nothing where no broker is configured.
    #[must_use]
    pub fn line(&self) -> String {
        let Some(BrokerStatus { address, complaint, for_ms }) = self.status() else { return String::new() };
        let seconds = for_ms / 1000;
        match (address, complaint) {
            (Some(address), None) => format!("broker: connected to {address} for {seconds} s\n"),
            (Some(address), Some(what)) => format!("broker: connected to {address} for {seconds} s, but {what}\n"),
            (None, why) => format!("broker: not connected for {seconds} s: {}\n", why.unwrap_or_default()),
        }
    }

    /// The metrics; none where no broker is configured.
    pub(crate) fn write(&self, text: &mut String) {
        let Some(status) = self.status() else { return };
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        for (name, kind, help, value) in [
            ("ioc_broker_connected", "gauge", "1 while the broker is connected.", u64::from(status.address.is_some())),
            ("ioc_broker_connects_total", "counter", "Times that the broker was connected.", load(&self.connects)),
            ("ioc_broker_messages_total", "counter", "Messages that came through the broker.", load(&self.messages)),
            ("ioc_broker_devices", "gauge", "Devices that are heard through the broker.", load(&self.devices)),
            (
                "ioc_broker_unacknowledged",
                "gauge",
                "Messages of the broker that wait for their commit.",
                load(&self.unacknowledged),
            ),
            (
                "ioc_broker_unacknowledged_peak",
                "gauge",
                "Most messages of the broker that waited at the same time since it was connected.",
                load(&self.unacknowledged_peak),
            ),
        ] {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_nothing_of_a_broker_that_there_is_not() {
        let (board, mut text) = (BrokerBoard::default(), String::new());
        board.write(&mut text);
        assert_eq!((board.line().as_str(), board.status(), text.as_str()), ("", None, ""));
        board.begin();
        assert!(board.line().contains("not connected"));
        board.connected("b:1");
        assert!(board.line().starts_with("broker: connected to b:1"));
        board.complain("it is slow".to_owned());
        assert!(board.line().contains("but it is slow"));
        board.lost("refused".to_owned());
        board.write(&mut text);
        assert!(board.line().ends_with("refused\n") && text.contains("\nioc_broker_connected 0\n"), "{text}");
    }
}

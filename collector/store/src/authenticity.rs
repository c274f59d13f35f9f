//! How far what a device says can be believed (article 17.3): its numbers and its documents, by how they came and how old they are. Pure.

use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::reading;
use ioc_judge::authenticity::LOSS_WINDOW_MS;
use ioc_judge::{Age, Authenticity, AuthenticityMark, DeviceInfo, Doubt, InformationSource, PresenceState, Transport};

use crate::DocumentRecord;
use crate::inventory::DeviceRecord;

/// A survey is sent once a day where nothing changes, and takes its time, milliseconds.
const DOCUMENT_MS: i64 = 86_400_000;
const SURVEY_MS: i64 = 2 * 3_600_000;

/// How many of the newest numbers of all devices can be believed how far (article 17.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValueMarks {
    /// Numbers that came to our own endpoint under the device's certificate, in order, by a right clock, in time.
    pub verified: u64,
    /// Numbers that came in time, and something speaks against them.
    pub unverified: u64,
    /// Numbers that are older than they should be.
    pub stale: u64,
}

impl ValueMarks {
    /// How many there are. Numbers that nobody knows are none.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.verified + self.unverified + self.stale
    }

    /// Counts numbers of one device.
    pub const fn add(&mut self, mark: AuthenticityMark, values: u64) {
        match mark {
            AuthenticityMark::Verified => self.verified += values,
            AuthenticityMark::Unverified => self.unverified += values,
            AuthenticityMark::Stale => self.stale += values,
            AuthenticityMark::Unknown => {}
        }
    }
}

/// A device whose newest numbers are not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedDevice {
    /// What people say of it.
    pub info: DeviceInfo,
    /// How far they can be believed, and why not further.
    pub authenticity: Authenticity,
    /// How many they are.
    pub values: u64,
}

impl DeviceRecord {
    /// Who speaks for it.
    #[must_use]
    pub const fn source(&self) -> InformationSource {
        match () {
            () if self.info.parent.is_some() => InformationSource::Sensor,
            () if self.plain => InformationSource::PlainMqtt,
            () if self.last_heard.is_none() => InformationSource::Inventory,
            () => InformationSource::Agent,
        }
    }

    /// Whether it is heard and its samples come.
    #[must_use]
    pub fn reports(&self, now: Timestamp) -> bool {
        self.presence.state() == PresenceState::Live && !self.is_stale(now)
    }

    /// How far its newest numbers can be believed: they come together, so that what is said of one is said of all.
    #[must_use]
    pub fn authenticity(&self, now: Timestamp, collector_clock_doubted: bool) -> Authenticity {
        let age =
            self.last_sample.map_or(Age::Never, |at| Age::Ms { age: now.millis_since(at), most: self.stale_ms() });
        let through_broker = self.last_sample.is_some_and(|at| self.came_through_broker(at));
        Authenticity::judge(self.source(), age, self.doubts(now, collector_clock_doubted, false, through_broker))
    }

    /// How far what a survey found on it can be believed.
    #[must_use]
    pub fn document_authenticity(
        &self,
        document: &DocumentRecord,
        now: Timestamp,
        collector_clock_doubted: bool,
    ) -> Authenticity {
        let age = Age::Ms { age: now.millis_since(document.at), most: expected_ms(&document.name) };
        let incomplete = !is_whole(&document.body);
        let through_broker = self.came_through_broker(document.at);
        Authenticity::judge(self.source(), age, self.doubts(now, collector_clock_doubted, incomplete, through_broker))
    }

    /// Whether what was taken at this moment came through a broker, as far as is known.
    #[must_use]
    pub fn came_through_broker(&self, at: Timestamp) -> bool {
        self.broker_until.is_some_and(|until| at <= until)
    }

    fn doubts(
        &self,
        now: Timestamp,
        collector_clock_doubted: bool,
        incomplete: bool,
        through_broker: bool,
    ) -> Vec<Doubt> {
        let mut doubts = match self.source() {
            InformationSource::Agent => {
                let lost = self.last_loss.is_some_and(|at| now.millis_since(at) < LOSS_WINDOW_MS);
                Transport { clock_error_ms: self.clock_error_ms, lost, collector_clock_doubted, through_broker }
                    .doubts()
            }
            // What speaks against these by themselves is more than their order and clock could say.
            InformationSource::PlainMqtt if through_broker => vec![Doubt::ThroughBroker],
            InformationSource::Sensor
            | InformationSource::PlainMqtt
            | InformationSource::Alert
            | InformationSource::Heartbeat
            | InformationSource::Ticket
            | InformationSource::Report
            | InformationSource::Person
            | InformationSource::Inventory
            | InformationSource::Collector => Vec::new(),
        };
        doubts.extend(incomplete.then_some(Doubt::Incomplete));
        doubts.extend((self.presence.state() != PresenceState::Live).then_some(Doubt::NotReporting));
        doubts
    }
}

/// How old what a survey found may be, milliseconds: until it is made again, or sent anew though nothing has changed.
fn expected_ms(document: &str) -> i64 {
    let every_s = reading::probe(document).and_then(|probe| probe.every_s).unwrap_or(0);
    i64::try_from(every_s).unwrap_or(i64::MAX / 2000).saturating_mul(1000).max(DOCUMENT_MS) + SURVEY_MS
}

/// Whether nothing of a document says that it could not be read. One that is no JSON is not whole.
fn is_whole(body: &str) -> bool {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(fields)) => match fields.get("unknown") {
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(texts)) => texts.iter().all(|text| text.as_str().is_none_or(str::is_empty)),
            Some(_) | None => true,
        },
        Ok(_) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::id::DeviceId;
    use ioc_common::report::Position;
    use ioc_judge::{DeviceKind, Presence};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn agent() -> DeviceRecord {
        let id = DeviceId::new("srv-01").unwrap_or_else(|e| panic!("{e}"));
        DeviceRecord {
            info: DeviceInfo::new(id, DeviceKind::Server, "Máy chủ"),
            enrolled_at: NOW,
            revoked_at: None,
            presence: Presence::Live { since: NOW },
            watermark: Position { epoch: 1, seq: 5 },
            boot_id: "b".into(),
            fingerprint: "f".into(),
            interval_s: 10,
            keep_alive_s: 30,
            last_heard: Some(NOW),
            last_sample: Some(NOW.plus_millis(-30_000)),
            clock_error_ms: Some(20),
            layout: None,
            latest: Vec::new(),
            worst: None,
            reports_lost: 7,
            last_loss: None,
            plain: false,
            broker_until: None,
        }
    }

    fn marks(record: &DeviceRecord) -> (AuthenticityMark, InformationSource, Vec<Doubt>) {
        let Authenticity { mark, source, doubts } = record.authenticity(NOW, false);
        (mark, source, doubts)
    }

    #[test]
    fn numbers_are_as_good_as_how_they_came() {
        use AuthenticityMark::{Stale, Unknown, Unverified, Verified};
        use InformationSource::{Agent, Inventory, PlainMqtt, Sensor};
        let good = agent();
        assert_eq!(marks(&good), (Verified, Agent, vec![]), "what was lost long ago is over");
        let clock = DeviceRecord { clock_error_ms: Some(90_000), ..good.clone() };
        assert_eq!(marks(&clock), (Unverified, Agent, vec![Doubt::ClockWrong(90_000)]));
        let lost = |hours: i64| DeviceRecord { last_loss: Some(NOW.plus_millis(-hours * 3_600_000)), ..good.clone() };
        assert_eq!(marks(&lost(23)), (Unverified, Agent, vec![Doubt::ReportsLost]));
        assert_eq!(marks(&lost(24)), (Verified, Agent, vec![]));
        let late = DeviceRecord { last_sample: Some(NOW.plus_millis(-30_001)), ..good.clone() };
        assert_eq!(marks(&late).0, Stale, "three intervals of ten seconds");
        let never = DeviceRecord { last_sample: None, last_heard: None, presence: Presence::NeverSeen, ..good.clone() };
        assert_eq!(marks(&never), (Unknown, Inventory, vec![Doubt::Registered, Doubt::NotReporting]));
        let plain = DeviceRecord { plain: true, clock_error_ms: None, ..good.clone() };
        assert_eq!(marks(&plain), (Unverified, PlainMqtt, vec![Doubt::NoOrder]));
        let mut sensor = DeviceRecord { plain: true, ..good.clone() };
        sensor.info.parent = DeviceId::new("srv-02").ok();
        assert_eq!(marks(&sensor), (Unverified, Sensor, vec![Doubt::SensorProtocol]));
        assert_eq!(good.authenticity(NOW, true).doubts, [Doubt::CollectorClock]);
        // Its newest sample is 30 s old: it came through the broker unless that was over before.
        let until = |at| DeviceRecord { broker_until: Some(at), ..good.clone() };
        assert_eq!(marks(&until(Timestamp::MAX)), (Unverified, Agent, vec![Doubt::ThroughBroker]));
        assert_eq!(marks(&until(NOW.plus_millis(-30_000))).0, Unverified);
        assert_eq!(marks(&until(NOW.plus_millis(-30_001))).0, Verified);
    }

    #[test]
    fn a_document_is_stale_after_its_survey_and_a_day() {
        use AuthenticityMark::{Stale, Unverified, Verified};
        let of = |name: &str, hours: i64, body: &str| {
            let at = NOW.plus_millis(-hours * 3_600_000);
            let document = DocumentRecord { name: name.into(), at, body: body.into() };
            agent().document_authenticity(&document, NOW, false).mark
        };
        assert_eq!((of("patches", 26, "{}"), of("patches", 27, "{}")), (Verified, Stale));
        assert_eq!(of("sessions", 25, r#"{"unknown":""}"#), Verified);
        for part in [r#"{"unknown":["nft: not permitted"]}"#, r#"{"unknown":"no table"}"#, "no JSON"] {
            assert_eq!(of("protection", 1, part), Unverified, "{part}");
        }
        assert_eq!(of("another-agents", 27, "{}"), Stale, "one that this collector does not know, too");
    }

    #[test]
    fn what_is_not_known_is_no_number() {
        let mut marks = ValueMarks::default();
        for mark in [AuthenticityMark::Verified, AuthenticityMark::Unknown, AuthenticityMark::Stale] {
            marks.add(mark, 3);
        }
        marks.add(AuthenticityMark::Unverified, 1);
        assert_eq!((marks.verified, marks.unverified, marks.stale, marks.total()), (3, 1, 3, 7));
    }
}

//! How far a piece of information can be believed (article 17.3): where it came from, what speaks against it, and how old it is. Pure.
//!
//! *Verified* is what came to our own MQTT endpoint under the device's certificate, in its order without a gap, by a clock that agrees with
//! ours; what the collector saw itself; and what a person reported and another one checked. What came any other way is *unverified*, so what
//! came through a broker, which alone can say which device it is from; what is
//! older than it should be *stale*, and of what never came nothing is *known*. A mark says nothing of whether a value is good or bad.

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// A device's clock that errs by more is wrong, milliseconds: what the shipped rule `clock-wrong` raises a fault at (article 17.3).
pub const CLOCK_ERROR_MAX_MS: u64 = 60_000;
/// For how long a loss in a device's order speaks against what it says, milliseconds: as long as `reports.lost` counts it.
pub const LOSS_WINDOW_MS: i64 = 86_400_000;

/// Where a piece of information came from: every way by which any comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InformationSource {
    /// The device's own agent, at our MQTT endpoint, under the device's certificate.
    Agent,
    /// An agent, of another device that it reads: Modbus, NUT and PJLink carry no proof of who answers.
    Sensor,
    /// A device with a certificate of its own that sends plain JSON (`[[values]]`): without an order, a clock and an envelope.
    PlainMqtt,
    /// An alert of another system.
    Alert,
    /// A job on another system that reports with a token.
    Heartbeat,
    /// A ticket system.
    Ticket,
    /// Someone outside, by telephone, letter or in person, written down by who has an account.
    Report,
    /// Someone who has an account, by hand.
    Person,
    /// The inventory: typed in, or imported as a table.
    Inventory,
    /// The collector itself: what it saw, counted or missed.
    Collector,
}

impl InformationSource {
    /// All of them, what proves itself first.
    pub const ALL: [Self; 10] = [
        Self::Collector,
        Self::Agent,
        Self::Sensor,
        Self::PlainMqtt,
        Self::Heartbeat,
        Self::Alert,
        Self::Ticket,
        Self::Report,
        Self::Person,
        Self::Inventory,
    ];

    /// The name used in the API, on pages and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Sensor => "sensor",
            Self::PlainMqtt => "plain_mqtt",
            Self::Alert => "alert",
            Self::Heartbeat => "heartbeat",
            Self::Ticket => "ticket",
            Self::Report => "report",
            Self::Person => "person",
            Self::Inventory => "inventory",
            Self::Collector => "collector",
        }
    }

    /// What speaks against whatever comes this way; none where the way proves who said it.
    #[must_use]
    pub const fn doubt(self) -> Option<Doubt> {
        match self {
            Self::Agent | Self::Collector => None,
            Self::Sensor => Some(Doubt::SensorProtocol),
            Self::PlainMqtt => Some(Doubt::NoOrder),
            Self::Alert | Self::Heartbeat | Self::Ticket => Some(Doubt::OtherSystem),
            Self::Report => Some(Doubt::Reported),
            Self::Person => Some(Doubt::ByHand),
            Self::Inventory => Some(Doubt::Registered),
        }
    }
}

/// What speaks against a piece of information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The protocol between a sensor and its agent does not prove who answers.
    SensorProtocol,
    /// It has no order and no clock that could be checked.
    NoOrder,
    /// Another system says so.
    OtherSystem,
    /// It was reported by telephone, letter or in person, and nobody has checked it.
    Reported,
    /// A person wrote it down.
    ByHand,
    /// It is only registered.
    Registered,
    /// The device's clock errs by so much, milliseconds with sign: positive when it is ahead.
    ClockWrong(i64),
    /// The device's clock was not compared yet.
    ClockUnchecked,
    /// The collector's own clock is in doubt, so no other one can be checked.
    CollectorClock,
    /// Reports of the device were lost, or taken twice, within [`LOSS_WINDOW_MS`].
    ReportsLost,
    /// It came through a broker, which alone vouches for the device.
    ThroughBroker,
    /// Part of it could not be read.
    Incomplete,
    /// The device does not report now.
    NotReporting,
}

impl Doubt {
    /// What it is, in a sentence.
    #[must_use]
    pub fn text(self) -> Text {
        match self {
            Self::SensorProtocol => Text::new(
                "Giao thức giữa cảm biến và agent không chứng minh được ai trả lời.",
                "The protocol between sensor and agent does not prove who answers.",
            ),
            Self::NoOrder => Text::new(
                "Thiết bị gửi MQTT thường: không có số thứ tự và đồng hồ để kiểm tra.",
                "The device sends plain MQTT: there is no order and no clock to check.",
            ),
            Self::OtherSystem => Text::new("Do hệ thống khác báo.", "Another system says so."),
            Self::Reported => Text::new(
                "Do người báo qua điện thoại, thư hoặc trực tiếp; chưa ai kiểm tra.",
                "It was reported by telephone, letter or in person, and nobody has checked it.",
            ),
            Self::ByHand => Text::new("Do người ghi bằng tay.", "A person wrote it down by hand."),
            Self::Registered => Text::new("Chỉ có trong danh mục.", "It is only registered."),
            Self::ClockWrong(error_ms) => {
                let seconds = error_ms.unsigned_abs() / 1000;
                let (vi, en) = if error_ms < 0 { ("chậm", "behind") } else { ("nhanh", "ahead") };
                Text::new(
                    format!("Đồng hồ của thiết bị {vi} {seconds} giây."),
                    format!("The device's clock is {seconds} seconds {en}."),
                )
            }
            Self::ClockUnchecked => {
                Text::new("Chưa so được đồng hồ của thiết bị.", "The device's clock was not compared yet.")
            }
            Self::CollectorClock => Text::new(
                "Đồng hồ của bộ thu đang bị nghi ngờ, nên chưa kiểm tra được đồng hồ nào.",
                "The collector's own clock is in doubt, so no other can be checked.",
            ),
            Self::ReportsLost => Text::new(
                "Trong 24 giờ qua có báo cáo của thiết bị bị mất.",
                "Reports of the device were lost within the last 24 hours.",
            ),
            Self::ThroughBroker => Text::new(
                "Đến qua máy chủ trung chuyển MQTT (broker): chỉ máy chủ đó xác nhận thiết bị nào đã gửi.",
                "It came through a broker: that broker alone vouches for which device sent it.",
            ),
            Self::Incomplete => Text::new("Có phần không đọc được.", "Part of it could not be read."),
            Self::NotReporting => Text::new("Thiết bị hiện không báo cáo.", "The device does not report now."),
        }
    }
}

/// How far a piece of information can be believed, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthenticityMark {
    /// Who said it is proven, nothing of it is missing, its time is right.
    Verified,
    /// It came in time, and something speaks against it.
    Unverified,
    /// It is older than it should be.
    Stale,
    /// It never came.
    Unknown,
}

impl AuthenticityMark {
    /// The name used in the API and in keys of texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }
}

/// How old something is, against how old it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It never came.
    Never,
    /// It came so long ago, and is expected at least so often, milliseconds both.
    Ms {
        /// Since it was found or taken.
        age: i64,
        /// Older than this is stale.
        most: i64,
    },
    /// It does not age: a record of what happened.
    Record,
}

/// How far a piece of information can be believed, and why not further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticity {
    /// In one word.
    pub mark: AuthenticityMark,
    /// Where it came from.
    pub source: InformationSource,
    /// What speaks against it; of what is stale, too.
    pub doubts: Vec<Doubt>,
}

impl Authenticity {
    /// Judges what came from a source, with what besides its way speaks against it.
    #[must_use]
    pub fn judge(source: InformationSource, age: Age, doubts: impl IntoIterator<Item = Doubt>) -> Self {
        let doubts: Vec<Doubt> = source.doubt().into_iter().chain(doubts).collect();
        let mark = match age {
            Age::Never => AuthenticityMark::Unknown,
            Age::Ms { age, most } if age > most => AuthenticityMark::Stale,
            Age::Ms { .. } | Age::Record if doubts.is_empty() => AuthenticityMark::Verified,
            Age::Ms { .. } | Age::Record => AuthenticityMark::Unverified,
        };
        Self { mark, source, doubts }
    }

    /// Whether it is to be marked on a page: what is as it should be is not.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.mark != AuthenticityMark::Verified
    }
}

/// What is known of an agent's order and clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transport {
    /// By how much its clock errs, milliseconds with sign; none before it was compared.
    pub clock_error_ms: Option<i64>,
    /// Reports of it were lost within [`LOSS_WINDOW_MS`].
    pub lost: bool,
    /// The collector's own clock is in doubt.
    pub collector_clock_doubted: bool,
    /// It came through a broker, not to our own endpoint.
    pub through_broker: bool,
}

impl Transport {
    /// What speaks against what the agent says.
    #[must_use]
    pub fn doubts(self) -> Vec<Doubt> {
        let clock = match self.clock_error_ms {
            _ if self.collector_clock_doubted => Some(Doubt::CollectorClock),
            None => Some(Doubt::ClockUnchecked),
            Some(error) if error.unsigned_abs() > CLOCK_ERROR_MAX_MS => Some(Doubt::ClockWrong(error)),
            Some(_) => None,
        };
        let broker = self.through_broker.then_some(Doubt::ThroughBroker);
        broker.into_iter().chain(clock).chain(self.lost.then_some(Doubt::ReportsLost)).collect()
    }
}

/// What was known of an incident's information when it was opened, or came back: it stays, whatever becomes of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where it came from.
    pub source: InformationSource,
    /// What spoke against it then, besides its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

impl Evidence {
    /// What came from a source, with nothing against it but its way.
    #[must_use]
    pub const fn of(source: InformationSource) -> Self {
        Self { source, doubts: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Age = Age::Ms { age: 5000, most: 30_000 };
    const OLD: Age = Age::Ms { age: 30_001, most: 30_000 };

    #[test]
    fn only_what_proves_itself_is_verified_whatever_its_age() {
        let verified = [InformationSource::Agent, InformationSource::Collector];
        for source in InformationSource::ALL {
            let mark = |age| Authenticity::judge(source, age, []).mark;
            let proves = verified.contains(&source);
            assert_eq!(mark(FRESH) == AuthenticityMark::Verified, proves, "{}", source.as_str());
            assert_eq!(mark(Age::Record) == AuthenticityMark::Verified, proves, "{}", source.as_str());
            assert_eq!((mark(OLD), mark(Age::Never)), (AuthenticityMark::Stale, AuthenticityMark::Unknown));
        }
        // A doubt never makes anything better.
        for doubt in [Doubt::ClockWrong(61_000), Doubt::ReportsLost, Doubt::Incomplete, Doubt::NotReporting] {
            assert_eq!(
                Authenticity::judge(InformationSource::Agent, FRESH, [doubt]).mark,
                AuthenticityMark::Unverified
            );
            assert_eq!(Authenticity::judge(InformationSource::Agent, OLD, [doubt]).mark, AuthenticityMark::Stale);
        }
    }

    #[test]
    fn a_wrong_clock_a_loss_and_our_own_clock_speak_against_an_agent() {
        let good = Transport {
            clock_error_ms: Some(60_000),
            lost: false,
            collector_clock_doubted: false,
            through_broker: false,
        };
        assert_eq!(good.doubts(), []);
        assert_eq!(Transport { clock_error_ms: Some(-60_001), ..good }.doubts(), [Doubt::ClockWrong(-60_001)]);
        assert_eq!(Transport { clock_error_ms: None, ..good }.doubts(), [Doubt::ClockUnchecked]);
        assert_eq!(Transport { lost: true, ..good }.doubts(), [Doubt::ReportsLost]);
        assert_eq!(Transport { through_broker: true, ..good }.doubts(), [Doubt::ThroughBroker]);
        let ours = Transport { clock_error_ms: Some(i64::MIN), lost: true, collector_clock_doubted: true, ..good };
        assert_eq!(ours.doubts(), [Doubt::CollectorClock, Doubt::ReportsLost]);
        assert_eq!(Doubt::ClockWrong(-61_500).text().vi, "Đồng hồ của thiết bị chậm 61 giây.");
        assert_eq!(Doubt::ClockWrong(61_500).text().en, "The device's clock is 61 seconds ahead.");
    }

    #[test]
    fn evidence_is_kept_as_it_was() {
        let evidence = Evidence {
            source: InformationSource::PlainMqtt,
            doubts: vec![Doubt::ClockWrong(90_000), Doubt::ReportsLost],
        };
        let text = serde_json::to_string(&evidence).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(text, r#"{"source":"plain_mqtt","doubts":[{"clock_wrong":90000},"reports_lost"]}"#);
        assert_eq!(serde_json::from_str::<Evidence>(&text).ok(), Some(evidence));
        let names: std::collections::BTreeSet<_> = InformationSource::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(names.len(), InformationSource::ALL.len());
    }
}

//! A storm: what fails together is one incident. What faults can have in common, and what is remembered of one; deciding is the state's
//! ([`crate::State`]).

use serde::{Deserialize, Serialize};

use ioc_common::id::{DeviceId, FaultId};

use ioc_common::clock::Timestamp;

use crate::device::{DeviceInfo, Importance};
use crate::severity::Severity;
use crate::text::Text;

/// A group of this kind names what feeds a device with power: `power:A`.
pub const POWER_TAG: &str = "power:";

/// What faults can have in common, the most particular first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "what", content = "of", rename_all = "snake_case")]
pub enum Common {
    /// What feeds the devices with power: a group that begins with [`POWER_TAG`], without that.
    Power(String),
    /// The device that their network goes through, or that speaks for them.
    Uplink(DeviceId),
    /// The place with its rack.
    Rack(String),
    /// The room: the place without what is behind the slash.
    Room(String),
    /// The rule that is broken, or the name that another system gave.
    Rule(String),
}

impl Common {
    /// Everything by which a fault of this rule on this device may belong to others, the most particular first.
    #[must_use]
    pub fn of(info: &DeviceInfo, rule: &str) -> Vec<Self> {
        let feeds = info.tags.iter().filter_map(|tag| tag.strip_prefix(POWER_TAG));
        let mut found: Vec<Self> =
            feeds.filter(|feed| !feed.trim().is_empty()).map(|feed| Self::Power(feed.trim().to_owned())).collect();
        found.extend(info.uplink.iter().chain(&info.parent).cloned().map(Self::Uplink));
        let place = info.place.trim();
        let room = place.split('/').next().unwrap_or_default().trim();
        if place.contains('/') {
            found.push(Self::Rack(place.to_owned()));
        }
        if !room.is_empty() {
            found.push(Self::Room(room.to_owned()));
        }
        if !rule.is_empty() {
            found.push(Self::Rule(rule.to_owned()));
        }
        found.sort();
        found.dedup();
        found
    }

    /// The name used in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Power(_) => "power",
            Self::Uplink(_) => "uplink",
            Self::Rack(_) => "rack",
            Self::Room(_) => "room",
            Self::Rule(_) => "rule",
        }
    }

    /// What it is, in a word: a place, a rule, a device.
    #[must_use]
    pub fn named(&self) -> &str {
        match self {
            Self::Power(name) | Self::Rack(name) | Self::Room(name) | Self::Rule(name) => name,
            Self::Uplink(device) => device.as_str(),
        }
    }
}

/// The worst fault of a storm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Worst {
    pub device: DeviceId,
    pub fault: FaultId,
    pub severity: Severity,
    pub importance: Importance,
    /// What is wrong with it, in a line; it names no device.
    pub title: Text,
}

/// What is remembered of an incident that stands for many devices. Which they are is told by the faults under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Storm {
    /// What all of them have in common, the most particular first.
    pub common: Vec<Common>,
    /// The rules under it, in the order in which they came.
    pub rules: Vec<String>,
    /// What is wrong, by the rule of the first of them.
    pub words: Text,
    /// What was to be done about the first of them.
    pub advice: Text,
    /// When the last one joined.
    pub joined_at: Timestamp,
    /// How many devices people were told of.
    pub told: u32,
    /// The worst that they were told of.
    pub told_severity: Severity,
    /// When they were told of it as a storm the last time.
    pub told_at: Option<Timestamp>,
    /// By when they are to be told, while something is to be said.
    pub tell_by: Option<Timestamp>,
    /// Everyone is to be told then, and not only who was never told.
    pub tell_all: bool,
    /// Who was not told yet: whom the duty plan names for its later devices.
    pub to_tell: Vec<String>,
    /// Policies of the duty plan that have been asked for that.
    pub policies: Vec<String>,
    /// The worst of its faults that have not ended, as far as is known.
    pub worst: Option<Worst>,
}

impl Storm {
    /// What it is called: what is wrong, on how many devices, and where.
    #[must_use]
    pub fn title(&self, devices: u32) -> Text {
        let same = self.common.iter().any(|common| matches!(common, Common::Rule(_)));
        let (vi, en) =
            if same { (&*self.words.vi, &*self.words.en) } else { ("Nhiều lỗi cùng lúc", "Many faults at once") };
        let (at_vi, at_en) = self.place();
        Text::new(format!("{vi}: {devices} thiết bị{at_vi}"), format!("{en}: {devices} devices{at_en}"))
    }

    /// Why it is one.
    #[must_use]
    pub fn reason(&self, devices: u32) -> Text {
        let (mut vi, mut en) = (Vec::new(), Vec::new());
        for common in &self.common {
            let (one_vi, one_en) = match common {
                Common::Power(feed) => (format!("nguồn điện {feed}"), format!("power feed {feed}")),
                // Whoever sees the incident may not reach that device: it is not named.
                Common::Uplink(_) => ("thiết bị mạng phía trên".to_owned(), "the device above them".to_owned()),
                Common::Rack(place) => (format!("tủ {place}"), format!("rack {place}")),
                Common::Room(room) => (format!("phòng {room}"), format!("room {room}")),
                Common::Rule(_) => ("loại lỗi".to_owned(), "the kind of fault".to_owned()),
            };
            vi.push(one_vi);
            en.push(one_en);
        }
        let (shared_vi, shared_en) = match vi.is_empty() {
            true => (String::new(), String::new()),
            false => (format!(" Cùng {}.", vi.join(", ")), format!(" In common: {}.", en.join(", "))),
        };
        Text::new(
            format!("{devices} thiết bị gặp lỗi gần như cùng lúc, gộp thành một sự cố.{shared_vi}"),
            format!("{devices} devices failed at nearly the same time and are one incident.{shared_en}"),
        )
    }

    /// What is to be looked at first, and then what was to be done about the first of them.
    #[must_use]
    pub fn advice(&self) -> Text {
        let (vi, en) = match self.common.first() {
            Some(Common::Power(feed)) => (
                format!("Kiểm tra nguồn điện {feed} trước (UPS, aptomat, thanh nguồn), rồi mới đến từng thiết bị."),
                format!("Check the power feed {feed} first (UPS, breaker, power strip), then single devices."),
            ),
            Some(Common::Uplink(_)) => (
                "Kiểm tra thiết bị mạng chung phía trên trước, rồi mới đến từng thiết bị.".to_owned(),
                "Check the device above them first, then single devices.".to_owned(),
            ),
            Some(Common::Rack(place) | Common::Room(place)) => (
                format!("Kiểm tra điện, mạng và làm mát tại {place} trước, rồi mới đến từng thiết bị."),
                format!("Check power, network and cooling at {place} first, then single devices."),
            ),
            Some(Common::Rule(_)) | None => (
                "Tìm nguyên nhân chung trước: bản cập nhật vừa cài, dịch vụ dùng chung, mạng, điện.".to_owned(),
                "Look for what they have in common first: an update, a shared service, network, power.".to_owned(),
            ),
        };
        let own = |own: &str| if own.is_empty() { String::new() } else { format!(" {own}") };
        Text::new(vi + &own(&self.advice.vi), en + &own(&self.advice.en))
    }

    /// Where, as the end of a sentence; nothing where that is not the same for all.
    fn place(&self) -> (String, String) {
        let feed = self.common.iter().find_map(|one| if let Common::Power(feed) = one { Some(feed) } else { None });
        let place = self.common.iter().find_map(|one| match one {
            Common::Rack(place) | Common::Room(place) => Some(place),
            Common::Power(_) | Common::Uplink(_) | Common::Rule(_) => None,
        });
        let (mut vi, mut en) = (String::new(), String::new());
        if let Some(place) = place {
            vi += &format!(" tại {place}");
            en += &format!(" at {place}");
        }
        if let Some(feed) = feed {
            vi += &format!(", nguồn {feed}");
            en += &format!(", feed {feed}");
        }
        (vi, en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceKind;

    #[test]
    fn what_devices_have_in_common_is_named_from_the_particular_to_the_general() {
        let id = DeviceId::new("srv-1").expect("valid");
        let info = DeviceInfo {
            place: "Phòng máy 1/Tủ 3".into(),
            uplink: DeviceId::new("sw-1").ok(),
            tags: vec!["web".into(), "power:A".into(), "power: ".into()],
            ..DeviceInfo::new(id, DeviceKind::Server, "Web 1")
        };
        let found: Vec<(&str, String)> = Common::of(&info, "device-silent")
            .iter()
            .map(|common| (common.as_str(), common.named().to_owned()))
            .collect();
        let of = |what: &'static str, named: &str| (what, named.to_owned());
        let expected = [
            of("power", "A"),
            of("uplink", "sw-1"),
            of("rack", "Phòng máy 1/Tủ 3"),
            of("room", "Phòng máy 1"),
            of("rule", "device-silent"),
        ];
        assert_eq!(found, expected);
        let bare = DeviceInfo::new(DeviceId::new("x").expect("valid"), DeviceKind::Other, "X");
        assert_eq!(Common::of(&bare, "r"), [Common::Rule("r".into())], "what is not said is in common with nobody");
    }
}

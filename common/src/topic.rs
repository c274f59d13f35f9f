//! MQTT topics: one type that both builds and parses, so that the two directions cannot drift apart.
//!
//! ```
//! use ioc_common::id::DeviceId;
//! use ioc_common::topic::{DownKind, Topic, UpKind};
//!
//! let device = DeviceId::new("srv-01").unwrap();
//! let topic = Topic::up(device.clone(), UpKind::Sample);
//! assert_eq!(topic.to_string(), "ioc/1/58/srv-01/up/sample");
//! assert_eq!("ioc/1/58/srv-01/up/sample".parse(), Ok(topic));
//! assert_eq!(Topic::down(device.clone(), DownKind::Committed).to_string(), "ioc/1/58/srv-01/down/committed");
//! // What a device may subscribe to, and nothing else:
//! assert_eq!(Topic::down_filter(&device), "ioc/1/58/srv-01/down/+");
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, IdError};

/// First level of every topic.
pub const ROOT: &str = "ioc";
/// Major version of the wire, second level of every topic.
pub const MAJOR: &str = "1";

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)* }
        impl $name {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The last level of the topic.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The kind with this name, if there is one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// What a device sends.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    UpKind {
        /// Birth: facts, boot, fingerprint, agent version, probes present, layout.
        Hello = "hello",
        /// Numbers, in the order of the layout.
        Sample = "sample",
        /// A document (layout, patch, antivirus …): sent on change, and whole once a day.
        State = "state",
        /// The software list: whole, then differences.
        Software = "software",
        /// Something happened.
        Event = "event",
        /// Goodbye with a reason and a return deadline.
        Goodbye = "goodbye",
        /// The last will: the link broke without a goodbye.
        Gone = "gone",
        /// A request for a renewed certificate.
        Renew = "renew",
        /// Plain JSON values of a sensor that does not speak the envelope; a profile of the collector says what they are.
        Values = "values",
    }
}

kinds! {
    /// What a device is sent. Nothing here may run anything on the device.
    DownKind {
        /// The watermark up to which reports are durable.
        Committed = "committed",
        /// Settings of the device's group.
        Settings = "settings",
        /// A wish: send the layout, report now.
        Ask = "ask",
        /// A renewed certificate: the answer to `up/renew`.
        Certificate = "certificate",
    }
}

/// Direction and kind of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicKind {
    /// From the device to the collector.
    Up(UpKind),
    /// From the collector to the device.
    Down(DownKind),
}

/// A topic of this product: `ioc/1/<shard>/<device>/<up|down>/<kind>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The device that publishes to it, or is spoken to on it.
    pub device: DeviceId,
    /// Direction, and what is sent.
    pub kind: TopicKind,
}

impl Topic {
    /// A topic from the device to the collector.
    #[must_use]
    pub const fn up(device: DeviceId, kind: UpKind) -> Self {
        Self { device, kind: TopicKind::Up(kind) }
    }

    /// A topic from the collector to the device.
    #[must_use]
    pub const fn down(device: DeviceId, kind: DownKind) -> Self {
        Self { device, kind: TopicKind::Down(kind) }
    }

    /// The one filter a device may subscribe to.
    #[must_use]
    pub fn down_filter(device: &DeviceId) -> String {
        format!("{ROOT}/{MAJOR}/{}/{device}/down/+", device.shard())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, kind) = match self.kind {
            TopicKind::Up(kind) => ("up", kind.as_str()),
            TopicKind::Down(kind) => ("down", kind.as_str()),
        };
        write!(f, "{ROOT}/{MAJOR}/{}/{}/{way}/{kind}", self.device.shard(), self.device)
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let mut levels = text.split('/');
        let mut level = |expected: &'static str| levels.next().ok_or(TopicError::Short { expected });
        if level("ioc")? != ROOT {
            return Err(TopicError::Root);
        }
        if level("the version")? != MAJOR {
            return Err(TopicError::Version);
        }
        let shard = level("the shard")?;
        let device = DeviceId::new(level("the device")?)?;
        let way = level("up or down")?;
        let kind = level("the kind")?;
        if levels.next().is_some() {
            return Err(TopicError::Long);
        }
        if shard != device.shard().to_string() {
            return Err(TopicError::Shard { allowed: device.shard().to_string() });
        }
        let kind = match way {
            "up" => UpKind::parse(kind).map(TopicKind::Up),
            "down" => DownKind::parse(kind).map(TopicKind::Down),
            _ => return Err(TopicError::Direction),
        };
        let kind = kind.ok_or(TopicError::Kind)?;
        Ok(Self { device, kind })
    }
}

/// A topic that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// A level is missing.
    #[error("topic ends before {expected}")]
    Short {
        /// What would have to stand at the level that is missing.
        expected: &'static str,
    },
    /// There are more than six levels.
    #[error("topic has more than six levels")]
    Long,
    /// The first level is not `ioc`.
    #[error("topic does not start with ioc")]
    Root,
    /// The second level is not a version that is spoken here.
    #[error("topic version is not 1")]
    Version,
    /// The shard is not the device's.
    #[error("topic shard is not the device's, which is {allowed}")]
    Shard {
        /// The device's shard.
        allowed: String,
    },
    /// The device is no device identifier.
    #[error(transparent)]
    Device(#[from] IdError),
    /// Neither `up` nor `down`.
    #[error("topic direction is neither up nor down")]
    Direction,
    /// No such kind in this direction.
    #[error("topic kind is unknown")]
    Kind,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn build_and_parse_agree(name in "[A-Za-z0-9_.-]{1,64}", kind in 0..UpKind::ALL.len()) {
            let topic = Topic::up(DeviceId::new(&name).expect("valid"), UpKind::ALL[kind]);
            prop_assert_eq!(topic.to_string().parse(), Ok(topic));
        }

        #[test]
        fn any_text_is_refused_or_rebuilt(text in "\\PC{0,80}") {
            if let Ok(topic) = text.parse::<Topic>() {
                prop_assert_eq!(topic.to_string(), text);
            }
        }
    }

    #[test]
    fn wildcards_foreign_shards_and_extra_levels_are_refused() {
        for bad in [
            "#",
            "ioc/1/+/srv-01/up/sample",
            "ioc/1/00/srv-01/up/sample",
            "ioc/1/58/srv-01/up/sample/x",
            "ioc/2/58/srv-01/up/sample",
            "ioc/1/58/srv-01/up/committed",
            "ioc/1/58/srv-01/side/sample",
            "",
        ] {
            assert!(bad.parse::<Topic>().is_err(), "{bad}");
        }
    }
}

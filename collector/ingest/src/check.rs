//! What a device may say on its connection: bounds that the codec does not check, and what is bound to the certificate.
//! Pure, and fuzzed (`tests/fuzz`).

use bytes::BytesMut;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v3::{Codec, Connect, Packet};
use tokio_util::codec::Decoder as _;

use ioc_common::codec::PAYLOAD_MAX_BYTES;
use ioc_common::id::DeviceId;
use ioc_common::topic::{MAJOR, ROOT, UpKind};

use super::end_cause::EndCause;
use super::frame;

/// Largest packet until CONNECT is accepted.
pub(super) const CONNECT_MAX_BYTES: u32 = 2048;
/// Largest packet afterwards.
pub(super) const PACKET_MAX_BYTES: u32 = PAYLOAD_MAX_BYTES as u32 + 256;
/// Most filters in one SUBSCRIBE.
const FILTERS_MAX: usize = 8;

/// A device's own topics.
#[derive(Debug, Clone)]
pub(super) struct DeviceTopics {
    device: DeviceId,
    up: String,
    down: String,
}

impl DeviceTopics {
    pub(super) fn new(device: DeviceId) -> Self {
        let base = format!("{ROOT}/{MAJOR}/{}/{device}", device.shard());
        Self { up: format!("{base}/up/"), down: format!("{base}/down/"), device }
    }

    /// The topic of what is sent down.
    pub(super) fn down(&self, kind: &str) -> String {
        format!("{}{kind}", self.down)
    }

    /// Checks a CONNECT.
    pub(super) fn connect(&self, connect: &Connect) -> Result<(), EndCause> {
        if connect.protocol.level() != 4 {
            return Err(EndCause::Protocol);
        }
        if *connect.client_id != *self.device.as_str() {
            return Err(EndCause::ClientId);
        }
        if let Some(will) = &connect.last_will {
            let is_farewell = will.topic.strip_prefix(self.up.as_str()) == Some(UpKind::Gone.as_str());
            if !is_farewell || will.qos == QoS::ExactlyOnce || will.retain {
                return Err(EndCause::Will);
            }
        }
        Ok(())
    }

    /// The kind of a PUBLISH that this device may send.
    pub(super) fn publish(&self, publish: &Publish) -> Result<UpKind, EndCause> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(EndCause::Qos2);
        }
        let kind = publish.topic.strip_prefix(self.up.as_str()).and_then(UpKind::parse).ok_or(EndCause::Topic)?;
        // Saying "gone" is the endpoint's own business.
        if kind == UpKind::Gone || publish.retain {
            return Err(EndCause::Topic);
        }
        Ok(kind)
    }

    /// What of a filter is below this device's own `down/`; none when it may not subscribe to it.
    pub(super) fn subscribe<'a>(&self, filter: &'a str) -> Option<&'a str> {
        let rest = filter.strip_prefix(self.down.as_str())?;
        (matches!(rest, "+" | "#") || ioc_common::topic::DownKind::parse(rest).is_some()).then_some(rest)
    }

    /// Checks a SUBSCRIBE as a whole.
    pub(super) fn filters<T>(filters: &[T]) -> Result<(), EndCause> {
        if filters.is_empty() || filters.len() > FILTERS_MAX { Err(EndCause::Filters) } else { Ok(()) }
    }
}

/// The whole way of bytes through codec and checks, for the fuzzer: whatever comes in, it ends without panic and within
/// bounds. Returns how many packets were let through.
#[must_use]
pub fn packet_path(bytes: &[u8]) -> usize {
    let Ok(device) = DeviceId::new("srv-01") else { return 0 };
    let own = DeviceTopics::new(device);
    let mut codec = Codec::new(CONNECT_MAX_BYTES);
    let mut buffer = BytesMut::from(bytes);
    let mut passed = 0;
    let mut max_bytes = CONNECT_MAX_BYTES;
    while let Ok(Some(end)) = frame::packet_end(&buffer, max_bytes) {
        let Ok(Some((packet, _))) = frame::inspect(&buffer[..end]).map(|()| codec.decode(&mut buffer).ok().flatten())
        else {
            break;
        };
        let fine = match packet {
            Packet::Connect(connect) => own.connect(&connect).is_ok(),
            Packet::Publish(publish) => {
                own.publish(&publish).is_ok_and(|kind| ioc_common::codec::open(kind, &publish.payload).is_ok())
            }
            Packet::Subscribe { topic_filters, .. } => {
                DeviceTopics::filters(&topic_filters).is_ok()
                    && topic_filters.iter().all(|(filter, _)| own.subscribe(filter).is_some())
            }
            _ => true,
        };
        if !fine {
            break;
        }
        passed += 1;
        max_bytes = PACKET_MAX_BYTES;
        codec.set_max_size(max_bytes);
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> DeviceTopics {
        DeviceTopics::new(DeviceId::new("srv-01").expect("valid"))
    }

    fn publish(topic: &str, qos: QoS) -> Publish {
        Publish {
            dup: false,
            retain: false,
            qos,
            topic: topic.to_owned().into(),
            packet_id: None,
            payload: bytes::Bytes::new(),
            properties: None,
        }
    }

    #[test]
    fn a_device_speaks_under_its_own_prefix_only() {
        let up = topics().up;
        assert_eq!(topics().publish(&publish(&format!("{up}sample"), QoS::AtLeastOnce)), Ok(UpKind::Sample));
        assert_eq!(topics().publish(&publish(&format!("{up}sample"), QoS::ExactlyOnce)), Err(EndCause::Qos2));
        for bad in ["gone", "", "nonsense", "sample/x", "sample\0", "#", "+"] {
            assert_eq!(
                topics().publish(&publish(&format!("{up}{bad}"), QoS::AtLeastOnce)),
                Err(EndCause::Topic),
                "{bad}"
            );
        }
        let other = DeviceTopics::new(DeviceId::new("srv-02").expect("valid")).up;
        assert_eq!(topics().publish(&publish(&format!("{other}sample"), QoS::AtLeastOnce)), Err(EndCause::Topic));
    }

    #[test]
    fn a_device_hears_what_is_sent_to_it_only() {
        let down = topics().down;
        for good in ["+", "#", "committed"] {
            assert_eq!(topics().subscribe(&format!("{down}{good}")), Some(good));
        }
        for bad in [
            "#".to_owned(),
            "ioc/#".to_owned(),
            format!("{down}x"),
            format!("{down}+/x"),
            topics().up + "+",
            "+/+/+/+/down/+".to_owned(),
        ] {
            assert_eq!(topics().subscribe(&bad), None, "{bad}");
        }
    }

    #[test]
    fn connect_is_bound_to_the_certificate() {
        let connect = Connect { clean_session: true, keep_alive: 30, client_id: "srv-01".into(), ..Default::default() };
        assert_eq!(topics().connect(&connect), Ok(()));
        assert_eq!(topics().connect(&Connect { client_id: "srv-02".into(), ..connect }), Err(EndCause::ClientId));
    }
}

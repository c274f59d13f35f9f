//! What a device asked to be sent: its filters, each with the QoS that was granted. Pure.

use rmqtt_codec::types::QoS;

use ioc_common::topic::DownKind;

/// Filters of one connection. There are no more than a device's own: two wildcards and a filter for each kind, so it needs no bound.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<(String, QoS)>);

impl Subscriptions {
    /// Takes a filter below a device's own `down/`, in place of the same one before [MQTT-3.8.4-3], and says which QoS is granted.
    pub(super) fn add(&mut self, filter: &str, asked: QoS) -> QoS {
        // QoS 2 is never sent.
        let granted = if asked == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        self.remove(filter);
        self.0.push((filter.to_owned(), granted));
        granted
    }

    /// Takes a filter away [MQTT-3.10.4-1].
    pub(super) fn remove(&mut self, filter: &str) {
        self.0.retain(|(known, _)| known != filter);
    }

    /// With which QoS a message may be sent: the best of what covers it, none when nothing does.
    pub(super) fn qos(&self, kind: DownKind) -> Option<QoS> {
        let covers = |filter: &str| matches!(filter, "+" | "#") || filter == kind.as_str();
        let granted = self.0.iter().filter(|(filter, _)| covers(filter)).map(|(_, qos)| *qos);
        granted.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_what_covers_a_message_is_granted() {
        let mut all = Subscriptions::default();
        assert_eq!(all.qos(DownKind::Ask), None);
        assert_eq!(all.add("+", QoS::AtMostOnce), QoS::AtMostOnce);
        assert_eq!(all.qos(DownKind::Ask), Some(QoS::AtMostOnce));
        assert_eq!(all.add("ask", QoS::ExactlyOnce), QoS::AtLeastOnce);
        assert_eq!(
            (all.qos(DownKind::Ask), all.qos(DownKind::Settings)),
            (Some(QoS::AtLeastOnce), Some(QoS::AtMostOnce))
        );
        all.add("ask", QoS::AtMostOnce);
        assert_eq!(all.qos(DownKind::Ask), Some(QoS::AtMostOnce), "a later one takes the place of the same filter");
        all.remove("+");
        all.remove("nothing");
        assert_eq!((all.qos(DownKind::Ask), all.qos(DownKind::Settings)), (Some(QoS::AtMostOnce), None));
    }
}

//! How long it took: from the fault to its detection, from there to the first notice and to whoever took it, and for how long it was bad in all.

use ioc_common::clock::Timestamp;
use ioc_judge::{Incident, TimelineStep};

/// What was measured of one incident, milliseconds; none where it has not happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Times {
    /// From the fault to the moment at which it was judged to be one: what the rule itself waits for, most of all.
    pub(crate) detected: Option<i64>,
    /// From there to the first notice that arrived.
    pub(crate) told: Option<i64>,
    /// From there to when someone took it.
    pub(crate) taken: Option<i64>,
    /// For how long it was bad, every time it was.
    pub(crate) outage: i64,
    /// How often it was bad.
    pub(crate) outages: u64,
}

impl Times {
    /// What an incident and its timeline tell at `now`; `told` is when its first notice arrived.
    pub(crate) fn of(incident: &Incident, steps: &[TimelineStep], told: Option<Timestamp>, now: Timestamp) -> Self {
        let detected_at = steps.first().map_or(incident.opened_at, |step| step.at);
        let after = |at: Option<Timestamp>| at.map(|at| at.millis_since(detected_at).max(0));
        let mut bad_since = Some(incident.opened_at);
        let (mut outage, mut outages) = (0, 1);
        for step in steps {
            match (step.state.is_active(), bad_since) {
                (false, Some(since)) => {
                    outage += step.at.millis_since(since).max(0);
                    bad_since = None;
                }
                (true, None) => {
                    bad_since = Some(step.at);
                    outages += 1;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        if let Some(since) = bad_since {
            // A record without its steps says when it ended nevertheless.
            let until = incident.resolved_at.filter(|_| !incident.state.is_active()).unwrap_or(now);
            outage += until.millis_since(since).max(0);
        }
        Self {
            detected: Some(detected_at.millis_since(incident.opened_at).max(0)),
            told: after(told),
            taken: after(incident.acknowledged_at),
            outage,
            outages,
        }
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::id::IncidentId;
    use ioc_judge::{Evidence, IncidentState, InformationSource, Priority, Severity, Text};

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    #[test]
    fn waiting_of_the_rule_is_detection_and_three_outages_are_summed() {
        let steps: Vec<TimelineStep> = [
            (10, IncidentState::Open),
            (13, IncidentState::Acknowledged),
            (20, IncidentState::Resolved),
            (60, IncidentState::Reopened),
            (65, IncidentState::Resolved),
            (70, IncidentState::Resolved),
            (90, IncidentState::Reopened),
        ]
        .into_iter()
        .zip(1..)
        .map(|((minutes, state), number)| TimelineStep {
            incident: IncidentId(1),
            number,
            at: at(minutes),
            who: String::new(),
            state,
            note: Text::default(),
        })
        .collect();
        let incident = Incident {
            id: IncidentId(1),
            device: None,
            rule: "hot".into(),
            severity: Severity::Warning,
            priority: Priority::P3,
            state: IncidentState::Reopened,
            title: Text::default(),
            reason: Text::default(),
            advice: Text::default(),
            article: String::new(),
            opened_at: at(0),
            acknowledge_by: None,
            resolve_by: None,
            acknowledged_at: Some(at(13)),
            acknowledged_by: None,
            resolved_at: None,
            raised: 1,
            steps: 7,
            evidence: Evidence::of(InformationSource::Agent),
            record: ioc_judge::incident::IncidentRecord::default(),
            progress: ioc_judge::incident::Progress::default(),
        };
        let minutes = |count: i64| count * 60_000;
        let found = Times::of(&incident, &steps, Some(at(11)), at(100));
        let expected = Times {
            detected: Some(minutes(10)),
            told: Some(minutes(1)),
            taken: Some(minutes(3)),
            outage: minutes(20 + 5 + 10),
            outages: 3,
        };
        assert_eq!(found, expected);
        let bare = Times::of(&incident, &[], None, at(100));
        assert_eq!((bare.detected, bare.told, bare.outage, bare.outages), (Some(0), None, minutes(100), 1));
    }
}

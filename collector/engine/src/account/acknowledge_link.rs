//! Signed one-time links: whoever holds one may take one incident as one person, without signing in.
//!
//! A link names incident, step, person, end and when the incident was opened, and carries a code over them that only this collector can
//! make. It works while nobody has taken the incident since that step, so it works once. The moment of opening tells two incidents apart that
//! had one number: a store that was restored from a backup has the key of before, and may give numbers again.

use crate::pki::{self, PkiError};
use ioc_common::random;
use ioc_store::secret;
use std::path::Path;

use ring::hmac;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_common::id::IncidentId;
use ioc_judge::{Incident, IncidentState, TimelineStep};

/// How long a link can be used, milliseconds.
const LIFE_MS: i64 = 24 * 3_600_000;
/// By how much the opening of an incident may have moved since, milliseconds: it goes with the steps of the clock that are followed, ten
/// minutes a day in all.
const MOVED_MAX_MS: u64 = 600_000;
/// How long the link to a turn that somebody is asked to take can be used, milliseconds: who is asked weeks before may want to think.
const TURN_LIFE_MS: i64 = 14 * 24 * 3_600_000;
/// Bytes of the code in a link: 128 bits cannot be guessed.
const CODE_BYTES: usize = 16;

/// Makes and checks links.
#[derive(Debug, Clone)]
pub struct AcknowledgeLinks {
    key: hmac::Key,
}

/// What a link stands for.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgeLink {
    pub incident: IncidentId,
    /// The step whose notice carried it.
    pub step: u32,
    /// Who follows it: a person's key in the duty plan.
    pub person: String,
    /// When that incident was opened.
    pub opened_at: Timestamp,
}

impl AcknowledgeLinks {
    /// Takes the key in `dir`, or makes one. Whoever has it can take incidents, so it is for the owner alone.
    ///
    /// # Errors
    /// [`PkiError`] when the file of the key is not readable, not a key, or is missing and cannot be made.
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        let path = dir.join("link.key");
        let fault = |source| PkiError::File { path: path.clone(), source };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) if bytes.len() == 32 => bytes,
            Ok(_) => {
                let why = "it does not hold 32 bytes; remove it to have a new one made";
                return Err(fault(std::io::Error::other(why)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let fresh: [u8; 32] = random::secret()?;
                pki::write_private(&path, &fresh, 0o600)?;
                fresh.to_vec()
            }
            Err(error) => return Err(fault(error)),
        };
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }

    /// The last part of the address for a person to take an incident.
    #[must_use]
    pub fn make(
        &self,
        (incident, opened_at): (IncidentId, Timestamp),
        step: u32,
        person: &str,
        now: Timestamp,
    ) -> String {
        let (until, opened) = (now.plus_millis(LIFE_MS).as_secs(), opened_at.as_millis());
        let text = format!("{}.{step}.{person}.{until}.{opened}", incident.0);
        let code = hex(&hmac::sign(&self.key, text.as_bytes()).as_ref()[..CODE_BYTES]);
        format!("{text}.{code}")
    }

    /// The last part of the address for a person to answer whether they take a turn.
    #[must_use]
    pub fn make_turn(&self, request: u64, person: &str, now: Timestamp) -> String {
        let text = format!("turn.{request}.{person}.{}", now.plus_millis(TURN_LIFE_MS).as_secs());
        let code = hex(&hmac::sign(&self.key, text.as_bytes()).as_ref()[..CODE_BYTES]);
        format!("{text}.{code}")
    }

    /// The request that such a link is about, and the person who answers it; none when it is not ours or its time is over.
    #[must_use]
    pub fn check_turn(&self, text: &str, now: Timestamp) -> Option<(u64, String)> {
        let (content, code) = text.rsplit_once('.')?;
        let made = hex(&hmac::sign(&self.key, content.as_bytes()).as_ref()[..CODE_BYTES]);
        if !secret::is_same(&made, code) {
            return None;
        }
        let mut parts = content.strip_prefix("turn.")?.split('.');
        let request = parts.next()?.parse().ok()?;
        let person = parts.next()?.to_owned();
        let expires_at = Timestamp::from_millis(parts.next()?.parse::<i64>().ok()?.checked_mul(1000)?);
        (now < expires_at).then_some((request, person))
    }

    /// What a browser shows later to be known: that `name` has signed in in it.
    #[must_use]
    pub fn known(&self, browser: &str, name: &str) -> String {
        let said = format!("known browser\n{browser}\n{name}");
        hex(&hmac::sign(&self.key, said.as_bytes()).as_ref()[..CODE_BYTES])
    }

    /// What a link stands for; none when it is not ours or its time is over.
    #[must_use]
    pub fn check(&self, text: &str, now: Timestamp) -> Option<AcknowledgeLink> {
        let (content, code) = text.rsplit_once('.')?;
        let made = hex(&hmac::sign(&self.key, content.as_bytes()).as_ref()[..CODE_BYTES]);
        if !secret::is_same(&made, code) {
            return None;
        }
        let mut parts = content.split('.');
        let incident = IncidentId(parts.next()?.parse().ok()?);
        let step = parts.next()?.parse().ok()?;
        let person = parts.next()?.to_owned();
        let expires_at = Timestamp::from_millis(parts.next()?.parse::<i64>().ok()?.checked_mul(1000)?);
        let opened_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
        (now < expires_at).then_some(AcknowledgeLink { incident, step, person, opened_at })
    }
}

impl AcknowledgeLink {
    /// Whether it can still be used: it is this incident, and not another of the same number, and nobody has taken it since the step that it
    /// came with.
    #[must_use]
    pub fn is_fresh(&self, incident: &Incident, steps: &[TimelineStep]) -> bool {
        let is_taking = |step: &TimelineStep| {
            step.number > self.step && !matches!(step.state, IncidentState::Open | IncidentState::Reopened)
        };
        incident.opened_at.millis_since(self.opened_at).unsigned_abs() <= MOVED_MAX_MS
            && incident.state.is_untaken()
            && !steps.iter().any(is_taking)
    }
}

#[cfg(test)]
mod tests {
    use ioc_judge::incident::{IncidentRecord, Progress};
    use ioc_judge::{Evidence, InformationSource, Priority, Severity, Text};

    use super::*;

    fn incident() -> Incident {
        Incident {
            id: IncidentId(7),
            device: None,
            rule: "disk-nearly-full".into(),
            severity: Severity::Warning,
            priority: Priority::P3,
            state: IncidentState::Open,
            title: Text::default(),
            reason: Text::default(),
            advice: Text::default(),
            article: String::new(),
            opened_at: Timestamp::MIN,
            acknowledge_by: None,
            resolve_by: None,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            raised: 1,
            steps: 1,
            record: IncidentRecord::default(),
            evidence: Evidence::of(InformationSource::Agent),
            progress: Progress::default(),
        }
    }

    #[test]
    fn a_link_says_what_it_was_made_for_until_its_time_is_over() {
        let dir = tempfile::tempdir().expect("directory");
        let links = AcknowledgeLinks::open(dir.path()).expect("opens");
        let now = Timestamp::from_millis(1_795_485_600_000);
        let opened_at = Timestamp::from_millis(1_795_485_500_123);
        let text = links.make((IncidentId(7), opened_at), 3, "lan", now);
        let link = AcknowledgeLinks::open(dir.path()).expect("opens").check(&text, now).expect("the key is kept");
        assert_eq!((link.incident, link.step, link.person.as_str()), (IncidentId(7), 3, "lan"));
        assert_eq!(link.opened_at, opened_at, "to the millisecond");
        assert_eq!(links.check(&text, now.plus_millis(LIFE_MS)), None, "its time is over");
        for forged in [
            text.replacen('7', "8", 1),
            text.replace("lan", "binh"),
            text.replace("500123", "500124"),
            format!("{text}0"),
            "x".to_owned(),
        ] {
            assert_eq!(links.check(&forged, now), None, "{forged}");
        }
        let other = AcknowledgeLinks::open(tempfile::tempdir().expect("directory").path()).expect("opens");
        assert_eq!(other.check(&text, now), None, "another collector's");
    }

    #[test]
    fn a_link_to_a_turn_is_for_that_turn_and_person_and_takes_no_incident() {
        let dir = tempfile::tempdir().expect("directory");
        let links = AcknowledgeLinks::open(dir.path()).expect("opens");
        let now = Timestamp::from_millis(1_795_485_600_000);
        let text = links.make_turn(12, "lan", now);
        assert_eq!(links.check_turn(&text, now), Some((12, "lan".to_owned())));
        assert_eq!(links.check_turn(&text, now.plus_millis(TURN_LIFE_MS)), None, "its time is over");
        assert_eq!(links.check(&text, now), None, "it takes no incident");
        assert_eq!(links.check_turn(&links.make((IncidentId(12), now), 1, "lan", now), now), None);
        for forged in [text.replace("12", "13"), text.replace("lan", "binh"), format!("{text}0"), "turn".to_owned()] {
            assert_eq!(links.check_turn(&forged, now), None, "{forged}");
        }
    }

    #[test]
    fn a_link_takes_no_other_incident_of_the_same_number() {
        let opened_at = Timestamp::from_millis(1_795_485_500_123);
        let link = AcknowledgeLink { incident: IncidentId(7), step: 1, person: "lan".to_owned(), opened_at };
        let opened = |by_ms: i64| Incident { opened_at: opened_at.plus_millis(by_ms), ..incident() };
        assert!(link.is_fresh(&opened(0), &[]) && link.is_fresh(&opened(300_000), &[]), "the clock was stepped");
        assert!(!link.is_fresh(&opened(3_600_000), &[]), "the store was restored, and the number given again");
    }
}

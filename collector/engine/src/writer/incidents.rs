//! What people do with incidents, and what other systems say of devices.

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::incident::Attachment;
use ioc_judge::{Action, Alert, DeviceInfo, DeviceKind, Effect, Input, NewIncident, Refusal};

use super::Engine;
use super::incident_deadlines::logged;
use crate::alert::{self, DeviceNames};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::inventory::device::device_id;
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::Change;

/// Largest file of an incident.
pub const FILE_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest name of a file.
const FILE_NAME_MAX_CHARS: usize = 120;

/// The name of a file that somebody adds, where it may be added.
pub(super) fn checked_file(name: &str, content: &[u8]) -> Result<String, CommandError> {
    if content.is_empty() || content.len() > FILE_MAX_BYTES {
        let english = format!("file: found {} bytes; allowed are 1 to {FILE_MAX_BYTES}", content.len());
        let args = [("found", Word::count(content.len())), ("most", Word::count(FILE_MAX_BYTES / 1024 / 1024))];
        return Err(RefusalReason::new("refusal-file-size", args, english).invalid());
    }
    // A name, and no way to another place.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control() && *c != '"').take(FILE_NAME_MAX_CHARS).collect();
    if name.is_empty() {
        return Err(RefusalReason::new("refusal-file-name", [], "file: found no name").invalid());
    }
    Ok(name)
}

impl Engine {
    /// Has the judge decide on a person's wish. Nothing has changed when it refuses.
    pub(super) fn decide(&mut self, input: Input<'_>, now: Timestamp) -> Result<Option<IncidentId>, CommandError> {
        let mut out = Vec::new();
        self.state.step(input, now, &mut out).map_err(|refusal| match refusal {
            Refusal::Warned(warnings) => CommandError::Warned(warnings),
            refusal => CommandError::Refused(refusal),
        })?;
        let incident = out.iter().find_map(|effect| match effect {
            Effect::Incident(incident) => Some(incident.id),
            _ => None,
        });
        self.take_effects(out, now);
        Ok(incident)
    }

    /// An incident that is over for long is not in memory; a person may still go on with it.
    pub(super) fn recall(&mut self, id: IncidentId) -> Result<(), CommandError> {
        if self.state.incident(id).is_none() {
            let kept = self.reader.incident(id).map_err(CommandError::unread)?;
            if let Some((incident, ..)) = kept {
                self.state.recall(incident);
            }
        }
        Ok(())
    }

    pub(super) fn act(
        &mut self,
        incident: IncidentId,
        action: Action,
        actor: &str,
        now: Timestamp,
    ) -> super::CommandResult {
        self.recall(incident)?;
        if let Action::Merge { into } = &action {
            self.recall(IncidentId(*into))?;
        }
        let action = self.with_law(incident, action, now)?;
        let (logged, detail) = logged(&action);
        self.decide(Input::Act { incident, who: actor, action }, now)?;
        self.record(now, actor, logged, &incident.to_string(), &detail);
        Ok(Answer::Done)
    }

    pub(super) fn attach(
        &mut self,
        incident: IncidentId,
        name: &str,
        content: Vec<u8>,
        actor: &str,
        now: Timestamp,
    ) -> super::CommandResult {
        let name = checked_file(name, &content)?;
        self.recall(incident)?;
        let sha256 = sha256_hex(&content);
        let bytes = content.len() as u64;
        let attachment =
            Attachment { name: name.clone(), sha256: sha256.clone(), bytes, who: actor.to_owned(), at: now };
        self.decide(Input::Attach { incident, attachment }, now)?;
        self.record(
            now,
            actor,
            AuditLogAction::IncidentAttached,
            &incident.to_string(),
            &format!("{name} sha256 {sha256}"),
        );
        self.batch.changes.push(Change::Attachment { incident, sha256, content });
        Ok(Answer::Done)
    }

    pub(super) fn open(&mut self, manual: NewIncident, actor: &str, now: Timestamp) -> super::CommandResult {
        let opened = self.decide(Input::Open { who: actor, incident: manual }, now)?;
        let id = opened.ok_or_else(|| CommandError::Unavailable("no incident was opened".to_owned()))?;
        self.record(now, actor, AuditLogAction::IncidentOpened, &id.to_string(), "by hand");
        Ok(Answer::Incident(id))
    }

    /// Takes in another system's alerts. What names none of our devices is kept with the system itself.
    pub(super) fn alerts(
        &mut self,
        source: &str,
        alerts: Vec<(Alert, Vec<String>)>,
        now: Timestamp,
    ) -> super::CommandResult {
        let registered = DeviceNames::new(self.state.devices().map(|device| &device.info));
        for (mut alert, names) in alerts {
            alert.since = alert::believable(alert.since, now);
            if let Some(device) = registered.find(&names) {
                alert.device = device.clone();
            } else {
                alert.device =
                    self.stand_in(&format!("source-{source}"), (source, source), "for alerts of another system", now)?;
            }
            self.decide(Input::Alert(alert), now)?;
        }
        Ok(Answer::Done)
    }

    /// A device that stands for what is watched and is no device of the inventory; it is registered where it is not there.
    pub(super) fn stand_in(
        &mut self,
        id: &str,
        (name, actor): (&str, &str),
        why: &str,
        now: Timestamp,
    ) -> Result<DeviceId, CommandError> {
        let id = device_id(id)?;
        if self.state.device(&id).is_none() {
            let info = DeviceInfo::new(id.clone(), DeviceKind::Other, name);
            self.persist_registered(info, actor, why, now);
        }
        Ok(id)
    }
}

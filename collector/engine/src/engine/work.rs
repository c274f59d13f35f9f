//! What people do: incidents, windows, standing in, the duty book, deliveries.

use ioc_common::clock::Timestamp;
use ioc_common::enrolment::hex;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::duty::{Cover, calendar};
use ioc_judge::incident::Attachment;
use ioc_judge::{
    Action, Alert, DeviceInfo, DeviceKind, Effect, Input, NewIncident, Notice, Occasion, Priority, Refusal, Severity,
    Text, Window,
};

use super::Engine;
use crate::alert::{self, Registered};
use crate::command::{Answer, CommandError, TicketAct, TicketEvent};
use crate::inventory::device::check_device;
use ioc_store::NewDevice;
use ioc_store::template::one_line;
use ioc_store::{Change, Delivery, DeliveryState, Handover, OutboxEntry, TicketRecord};

/// Largest file of an incident.
pub const FILE_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest title of a window and reason of a stand-in.
const LINE_MAX_CHARS: usize = 200;
/// Longest name of a file.
const FILE_NAME_MAX_CHARS: usize = 120;
/// Longest remark on a device.
const REMARK_MAX_CHARS: usize = 1000;
/// Longest entry of the duty book.
const HANDOVER_MAX_CHARS: usize = 10_000;
/// A fallback takes over after this many attempts that failed.
const FALLBACK_ATTEMPTS: u32 = 3;
/// Gaps that are written out.
const GAPS_MAX: usize = 10;

/// What a person wrote, without what cannot be shown.
fn some_text(text: &str, most: usize) -> Result<String, CommandError> {
    let text: String = text.trim().chars().filter(|c| !c.is_control() || *c == '\n').collect();
    if text.is_empty() || text.chars().count() > most {
        return Err(CommandError::Invalid(format!("text: allowed are 1 to {most} characters")));
    }
    Ok(text)
}

impl Engine {
    /// Has the judge decide on a person's wish. Nothing has changed when it refuses.
    pub(super) fn decide(&mut self, input: Input<'_>, now: Timestamp) -> Result<Option<IncidentId>, CommandError> {
        let mut out = Vec::new();
        self.state.step(input, now, &mut out).map_err(|refusal| match refusal {
            Refusal::Unknown(_) | Refusal::NoDevice(_) | Refusal::NoFault(_) | Refusal::Missing { .. } => {
                CommandError::NotFound(refusal.to_string())
            }
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
    fn recall(&mut self, id: IncidentId) -> Result<(), CommandError> {
        if self.state.incident(id).is_none() {
            let kept = self.reader.incident(id).map_err(|error| CommandError::Unavailable(error.to_string()))?;
            if let Some((incident, ..)) = kept {
                self.state.recall(incident);
            }
        }
        Ok(())
    }

    pub(super) fn act(&mut self, incident: IncidentId, action: Action, actor: &str, now: Timestamp) -> super::Carried {
        self.recall(incident)?;
        if let Action::Merge { into } = &action {
            self.recall(IncidentId(*into))?;
        }
        let name = action.as_str();
        self.decide(Input::Act { incident, who: actor, action }, now)?;
        self.record(now, actor, "incident.action", &incident.to_string(), name);
        Ok(Answer::Done)
    }

    pub(super) fn attach(
        &mut self,
        incident: IncidentId,
        name: &str,
        content: Vec<u8>,
        actor: &str,
        now: Timestamp,
    ) -> super::Carried {
        if content.is_empty() || content.len() > FILE_MAX_BYTES {
            let found = content.len();
            return Err(CommandError::Invalid(format!("file: found {found} bytes; allowed are 1 to {FILE_MAX_BYTES}")));
        }
        // A name, and no way to another place.
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control() && *c != '"').take(FILE_NAME_MAX_CHARS).collect();
        if name.is_empty() {
            return Err(CommandError::Invalid("file: found no name".to_owned()));
        }
        self.recall(incident)?;
        let sha256 = hex(ring::digest::digest(&ring::digest::SHA256, &content).as_ref());
        let bytes = content.len() as u64;
        let attachment =
            Attachment { name: name.clone(), sha256: sha256.clone(), bytes, who: actor.to_owned(), at: now };
        self.decide(Input::Attach { incident, attachment }, now)?;
        self.record(now, actor, "incident.attached", &incident.to_string(), &format!("{name} sha256 {sha256}"));
        self.batch.changes.push(Change::Attachment { incident, sha256, content });
        Ok(Answer::Done)
    }

    pub(super) fn open(&mut self, manual: NewIncident, actor: &str, now: Timestamp) -> super::Carried {
        let opened = self.decide(Input::Open { who: actor, incident: manual }, now)?;
        let id = opened.ok_or_else(|| CommandError::Unavailable("no incident was opened".to_owned()))?;
        self.record(now, actor, "incident.opened", &id.to_string(), "by hand");
        Ok(Answer::Incident(id))
    }

    /// Takes in another system's alerts. What names none of our devices is kept with the system itself.
    pub(super) fn alerts(&mut self, source: &str, alerts: Vec<(Alert, Vec<String>)>, now: Timestamp) -> super::Carried {
        let registered = Registered::of(self.state.devices().map(|device| &device.info));
        for (mut alert, names) in alerts {
            alert.since = alert::believable(alert.since, now);
            if let Some(device) = registered.find(&names) {
                alert.device = device.clone();
            } else {
                let id = DeviceId::new(&format!("source-{source}"));
                alert.device = id.map_err(|error| CommandError::Invalid(error.to_string()))?;
                if self.state.device(&alert.device).is_none() {
                    let info = DeviceInfo::new(alert.device.clone(), DeviceKind::Other, source);
                    self.keep_registered(info, source, "for alerts of another system", now);
                }
            }
            self.decide(Input::Alert(alert), now)?;
        }
        Ok(Answer::Done)
    }

    pub(super) fn register(&mut self, new: NewDevice, actor: &str, now: Timestamp) -> super::Carried {
        let info = check_device(new)?;
        self.check_uplink(&info)?;
        if self.state.device(&info.id).is_some() {
            return Err(CommandError::Conflict(format!("there is a device {} already", info.id)));
        }
        let name = info.name.clone();
        self.keep_registered(info, actor, &name, now);
        Ok(Answer::Done)
    }

    fn keep_registered(&mut self, info: DeviceInfo, actor: &str, detail: &str, now: Timestamp) {
        self.record(now, actor, "device.registered", info.id.as_str(), detail);
        self.keep_device(info, now);
    }

    /// Keeps what people say of a device, new or known, with the old beside the new where it was known.
    pub(super) fn keep_described(&mut self, info: DeviceInfo, actor: &str, now: Timestamp) {
        let Some(known) = self.state.device(&info.id) else {
            let name = info.name.clone();
            return self.keep_registered(info, actor, &name, now);
        };
        let old = serde_json::to_string(&known.info).unwrap_or_default();
        let new = serde_json::to_string(&info).unwrap_or_default();
        self.record(now, actor, "device.described", info.id.as_str(), &format!("{old} -> {new}"));
        self.keep_device(info, now);
    }

    fn keep_device(&mut self, info: DeviceInfo, now: Timestamp) {
        let device = info.id.clone();
        self.batch.changes.push(Change::Device { info: info.clone(), at: now });
        self.judge(Input::Enrolled(info), now);
        // It may belong to other groups now.
        self.give_settings(&device, now);
    }

    pub(super) fn plan_window(
        &mut self,
        mut window: Window,
        overrule: bool,
        actor: &str,
        now: Timestamp,
    ) -> super::Carried {
        actor.clone_into(&mut window.who);
        window.title = one_line(&window.title, LINE_MAX_CHARS);
        let detail = serde_json::to_string(&window).unwrap_or_default();
        self.decide(Input::PlanWindow { window, overrule }, now)?;
        self.record(now, actor, "window.planned", "", &detail);
        Ok(Answer::Done)
    }

    pub(super) fn cover(&mut self, mut covers: Vec<Cover>, actor: &str, now: Timestamp) -> super::Carried {
        let mut records = Vec::new();
        for cover in &mut covers {
            actor.clone_into(&mut cover.who);
            cover.note = one_line(&cover.note, LINE_MAX_CHARS);
            let detail = format!("{} from {} until {}: {}", cover.person, cover.from, cover.until, cover.note);
            records.push((cover.rota.clone(), detail));
        }
        self.decide(Input::AddCovers(covers), now)?;
        for (rota, detail) in records {
            self.record(now, actor, "cover.added", &rota, &detail);
        }
        self.check_duty(now)
    }

    pub(super) fn hand_over(&mut self, mut entry: Handover, now: Timestamp) -> super::Carried {
        (entry.text, entry.at) = (some_text(&entry.text, HANDOVER_MAX_CHARS)?, now);
        let (who, rota) = (entry.who.clone(), entry.rota.clone());
        self.record(now, &who, "duty.handover", &rota, &entry.text.chars().take(200).collect::<String>());
        self.batch.visible = true;
        self.batch.changes.push(Change::Handover(entry));
        Ok(Answer::Done)
    }

    /// Keeps what a person says of a device among what happened there.
    pub(super) fn remark(&mut self, device: DeviceId, text: &str, actor: &str, now: Timestamp) -> super::Carried {
        if self.state.device(&device).is_none() {
            return Err(CommandError::NotFound(format!("there is no device {device}")));
        }
        let text = some_text(text, REMARK_MAX_CHARS)?;
        self.record(now, actor, "device.remarked", device.as_str(), &text);
        let fields = serde_json::json!({ "who": actor }).to_string();
        self.batch.visible = true;
        self.batch.changes.push(Change::Event { device, at: now, name: "remark".to_owned(), text, fields });
        Ok(Answer::Done)
    }

    /// Tries again what was given up.
    pub(super) fn resend(&mut self, key: &str, actor: &str, now: Timestamp) -> super::Carried {
        let unavailable = |error: ioc_store::StoreError| CommandError::Unavailable(error.to_string());
        let entry = self.reader.outbox_entry(key).map_err(unavailable)?;
        let entry = entry.ok_or_else(|| CommandError::NotFound(format!("there is no notice {key:?}")))?;
        if entry.state != DeliveryState::Dead {
            return Err(CommandError::Conflict(format!(
                "the notice is {}; only what was given up is sent again",
                entry.state.as_str()
            )));
        }
        self.record(now, actor, "notice.resent", key, "");
        let (state, attempts) = (DeliveryState::Waiting, 0);
        let key = key.to_owned();
        let delivery = Delivery { key, at: now, state, attempts, unanswered: 0, next_attempt_at: now, error: None };
        self.batch.changes.push(Change::Delivery(delivery));
        (self.batch.notices, self.batch.visible) = (true, true);
        Ok(Answer::Done)
    }

    /// Keeps what became of deliveries; where one has failed often enough, its fallback takes over.
    pub(super) fn delivered(&mut self, deliveries: Vec<Delivery>, now: Timestamp) {
        self.batch.visible |= !deliveries.is_empty();
        for delivery in deliveries {
            let given_up = delivery.state == DeliveryState::Dead;
            let failed_often = delivery.state == DeliveryState::Waiting && delivery.attempts >= FALLBACK_ATTEMPTS;
            if given_up {
                self.record(now, "", "notice.given_up", &delivery.key, delivery.error.as_deref().unwrap_or_default());
            }
            if given_up || failed_often {
                self.fall_back(&delivery.key, now);
            }
            self.batch.changes.push(Change::Delivery(delivery));
        }
    }

    /// Has the fallback of its channel carry a notice, too. Nothing is said of the channel's own attempt, which may still succeed.
    pub(super) fn fall_back(&mut self, key: &str, now: Timestamp) {
        if self.config.channels.iter().all(|channel| channel.fallback.is_none()) {
            return;
        }
        let Ok(Some(entry)) = self.reader.outbox_entry(key) else { return };
        let channel = self.config.channels.iter().find(|channel| channel.name == entry.channel);
        let Some(fallback) = channel.and_then(|channel| channel.fallback.clone()) else { return };
        // The same key is kept once, however often this is asked. It is for everyone there, so it carries no link of one person.
        let key = format!("{key}-via-{fallback}");
        self.batch.changes.push(Change::Outbox(OutboxEntry {
            severity: entry.severity,
            step: entry.step,
            ..OutboxEntry::new(key, entry.incident, &fallback, &entry.notice, now)
        }));
        self.batch.notices = true;
    }

    /// Does what people did in a ticket system. What is refused is answered there, and the ticket is set back.
    pub(super) fn ticket(
        &mut self,
        mut record: TicketRecord,
        events: Vec<TicketEvent>,
        now: Timestamp,
    ) -> super::Carried {
        let id = record.incident;
        self.batch.visible = true;
        for event in events {
            self.recall(id)?;
            let Some(state) = self.state.incident(id).map(|incident| incident.state) else { break };
            let who = one_line(&format!("{}:{}", record.system, event.who), LINE_MAX_CHARS);
            let mut actions = Vec::new();
            match event.act {
                TicketAct::Comment(text) => actions.push(Action::Comment { text }),
                TicketAct::Taken(person) => {
                    if state.is_untaken() {
                        actions.push(Action::Acknowledge { note: String::new() });
                    }
                    if !person.is_empty() {
                        let unit = self.state.incident(id).map(|incident| incident.record.unit.clone());
                        actions.push(Action::Assign { unit: unit.unwrap_or_default(), person });
                    }
                }
                TicketAct::Resolved if state.is_active() => actions.push(Action::Resolve { note: String::new() }),
                TicketAct::Reopened if !state.is_active() => {
                    actions
                        .push(Action::Reopen { note: format!("Mở lại ở {0} / Reopened in {0}.", record.system) });
                }
                TicketAct::Resolved | TicketAct::Reopened => {}
            }
            for action in actions {
                let moves = matches!(action, Action::Resolve { .. } | Action::Reopen { .. });
                let Err(refusal) = self.act(id, action, &who, now) else {
                    // It stands there already, and may have gone on since.
                    if let Some(incident) = self.state.incident(id).filter(|_| moves) {
                        incident.state.as_str().clone_into(&mut record.pushed);
                    }
                    continue;
                };
                // Said in the system's own name, so that it is carried back there.
                let text = format!("{who}: {refusal}");
                if let Err(error) = self.act(id, Action::Comment { text }, &record.system, now) {
                    tracing::warn!(incident = %id, %error, "what was done on a ticket could not be written down");
                }
                record.pushed = String::new();
            }
        }
        self.batch.changes.push(Change::Ticket(record));
        Ok(Answer::Done)
    }

    /// Sends a person a notice by every way there is, whatever the hour: they asked for it.
    pub(super) fn test_contact(&mut self, person: &str, actor: &str, now: Timestamp) -> super::Carried {
        let Some(known) = self.state.plan().person(person) else {
            return Err(CommandError::NotFound(format!("there is no person {person:?} in the duty plan")));
        };
        let name = known.name.clone();
        let mut to = self.state.plan().recipients(std::slice::from_ref(&known.id), Severity::Critical, now);
        if to.is_empty() {
            return Err(CommandError::Conflict(format!(
                "{name} has no way to be reached; add a contact in the duty plan"
            )));
        }
        to.iter_mut().for_each(|one| one.not_before = None);
        self.record(now, actor, "contact.tested", person, "");
        // No incident has the number 0; the moment makes the key.
        let step = u32::try_from(now.as_secs().rem_euclid(i64::from(u32::MAX))).unwrap_or(0);
        let notice = Notice {
            incident: IncidentId(0),
            step,
            occasion: Occasion::Test,
            severity: Severity::Info,
            rule: String::new(),
            article: String::new(),
            device: None,
            title: Text::new("Thử kênh liên lạc", "Test of a contact"),
            reason: Text::new(
                format!("{actor} thử cách liên lạc với {name}."),
                format!("{actor} tests how to reach {name}."),
            ),
            advice: Text::new("Không cần làm gì.", "Nothing is to be done."),
            opened_at: now,
            resolved_at: None,
            priority: Priority::P4,
            acknowledge_by: None,
            affected: 0,
            to_all: false,
            to,
        };
        self.address(&notice, now);
        Ok(Answer::Done)
    }

    /// Looks for holes in the duty plan, and opens an incident while there are any (lesson 10).
    pub(super) fn check_duty(&mut self, now: Timestamp) -> super::Carried {
        let plan = self.state.plan();
        let gaps = calendar::gaps(plan, &calendar::outlook(plan, self.state.covers(), now));
        let join = |text: fn(&Text) -> &String| {
            let shown: Vec<&str> = gaps.iter().take(GAPS_MAX).map(|gap| text(gap).as_str()).collect();
            shown.join(" ")
        };
        let (manual, why) = if gaps.is_empty() {
            (None, Text::new("Lịch trực đã đủ.", "The duty plan is whole."))
        } else {
            let why = Text::new(join(|text| &text.vi), join(|text| &text.en));
            let manual = NewIncident {
                device: None,
                severity: Severity::Warning,
                title: Text::new("Lịch trực có chỗ trống", "The duty plan has a hole"),
                reason: why.clone(),
                advice: Text::new(
                    "Xếp người trực thay trên trang Trực, hoặc sửa duty.toml rồi chạy «systemctl reload ioc-collector».",
                    "Have someone stand in on the duty page, or mend duty.toml and run 'systemctl reload ioc-collector'.",
                ),
                report: None,
            };
            (Some(manual), why)
        };
        self.decide(Input::SelfFault { key: "duty-hole", incident: manual, why }, now)?;
        Ok(Answer::Done)
    }
}

//! How machines come in: tokens, binding to registered assets, and the queue of those that wait for a person.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ioc_common::clock::Timestamp;
use ioc_common::config::Span;
use ioc_common::encoding::sha256_hex;
use ioc_common::enrolment::{EnrolRequest, EnrolResponse, Token, TokenError};
use ioc_common::id::DeviceId;
use ioc_judge::{Device, DeviceInfo, Input, Presence, Text};

use super::token_binding;
use super::{CloseCause, CommandResult, Engine, pending};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, NewToken};
use crate::inventory::device::{TEXT_MAX_CHARS, check_device, id_of, with_fields};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};
use ioc_common::random;
use ioc_store::NewDevice;
use ioc_store::retention::RecordClass;
use ioc_store::template::one_line;
use ioc_store::{ApprovalReason, Change, Grant, RequestRecord, RequestState, TokenRecord};

/// Most machines that wait at a time: whoever has a token cannot fill the disk.
const WAITING_MAX: usize = 1000;
/// Of them of one address, or of one network of IPv6.
const NETWORK_WAITING_MAX: usize = 250;
/// How many may wait with a token beyond those that it lets in: who is installed twice asks as another.
const WAITING_SPARE: usize = 8;
/// How often it is looked for machines that do not ask any more, milliseconds.
const FORGET_MS: u64 = 3_600_000;
/// How long a machine that asks no more is kept in the queue, milliseconds.
const WAITING_MS: i64 = 7 * 86_400_000;
/// How old the moment of its last question may become, milliseconds.
const SEEN_MS: i64 = 60_000;
/// Tokens that are looked through at a time.
const PAGE: usize = 500;
/// Most uses of a token.
const USES_MAX: u32 = 10_000;

/// A machine is not let in.
fn refused(key: &'static str, why: impl Into<String>) -> CommandError {
    RefusalReason::new(key, [], why).forbidden()
}

impl Engine {
    pub(super) fn new_token(&mut self, new: NewToken, life: Span, actor: &str, now: Timestamp) -> CommandResult {
        let NewToken { device, label, group, uses, approve } = new;
        let (grant, subject) = if group {
            // A template is checked like a device; where it has no name, each machine has its own.
            let name = if device.name.is_empty() { "-".to_owned() } else { device.name.clone() };
            check_device(NewDevice { name, ..device.clone() })?;
            (Grant::Group { template: Box::new(device) }, None)
        } else {
            // A machine that is enrolled anew: what is not said stays as it is.
            let known = DeviceId::new(&device.device).ok().and_then(|id| self.state.device(&id));
            let base = known.map(|known| Box::new(known.info.clone()));
            let device = match &base {
                Some(known) => device.over((**known).clone().into()),
                None => device,
            };
            let info = check_device(device)?;
            self.check_uplink(&info)?;
            let id = info.id.clone();
            (Grant::Device { info: Box::new(info), base }, Some(id))
        };
        let most = if group { USES_MAX } else { 1 };
        if !(1..=most).contains(&uses) {
            return Err(Field::Uses.range(uses, 1, most.into()).invalid());
        }
        let secret = random::secret().map_err(CommandError::unread)?;
        let token = Token::new(self.authority.fingerprint(), secret);
        let label = one_line(&label, TEXT_MAX_CHARS);
        let about = subject.as_ref().map_or(label.as_str(), DeviceId::as_str);
        self.record(
            now,
            actor,
            AuditLogAction::TokenCreated,
            about,
            &format!("{uses} uses, valid for {life}, approval {approve}"),
        );
        self.batch.changes.push(Change::Token(TokenRecord {
            digest: token.digest(),
            grant,
            label,
            uses_max: uses,
            approve,
            created_by: actor.to_owned(),
            created_at: now,
            expires_at: now.plus_millis(life.as_millis()),
            uses: 0,
            used_at: None,
            ended_at: None,
        }));
        Ok(Answer::Token { token: token.to_string(), device: subject })
    }

    pub(super) fn end_token(&mut self, digest: String, actor: &str, now: Timestamp) -> CommandResult {
        let known = self.reader.token(&digest).map_err(CommandError::unread)?;
        let record = known
            .ok_or_else(|| RefusalReason::new("refusal-token-missing", [], "there is no such token").not_found())?;
        self.record(now, actor, AuditLogAction::TokenEnded, &record.label, &digest);
        self.batch.changes.push(Change::TokenEnded { digest, at: now });
        Ok(Answer::Done)
    }

    pub(super) fn enrol(&mut self, request: &EnrolRequest, peer: &str, now: Timestamp) -> CommandResult {
        let no_token = |error: TokenError| refused("refusal-token-unreadable", error.to_string());
        let token: Token = request.token.parse().map_err(no_token)?;
        let digest = token.digest();
        let known = self.reader.token(&digest).map_err(CommandError::unread)?;
        let record =
            known.ok_or_else(|| refused("refusal-token-unknown", "this token is not known here; ask for a new one"))?;
        let record = pending::token_after(record, &self.batch.changes);
        if let Some(why) = record.refusal(now) {
            return Err(refused("refusal-token-over", why));
        }
        let id = request_id(&request.csr);
        let asked_before = self.request_now(&id)?;
        match asked_before {
            Some(known) if known.token != digest => {
                return Err(refused("refusal-request-other", "this request belongs to another token"));
            }
            Some(known) if known.state == RequestState::Refused => {
                let english = "a person refused this machine; ask them why before you try again";
                return Err(refused("refusal-request-refused", english));
            }
            Some(known) if known.state == RequestState::Approved && self.is_taken_since(&known)? => {
                // Another machine was enrolled as this device after the person decided, so that they have to decide again.
                let mut reasons = known.reasons.clone();
                reasons.push(ApprovalReason::Enrolled { device: known.info.id.clone() });
                let again = RequestRecord { state: RequestState::Waiting, reasons, seen_at: now, ..known };
                self.record(
                    now,
                    "",
                    AuditLogAction::EnrolmentWaits,
                    again.info.id.as_str(),
                    &format!("taken since, request {id}"),
                );
                self.batch.changes.push(Change::Request(Box::new(again)));
                self.batch.visible = true;
                return Ok(Answer::Waiting { request: id, new: false });
            }
            Some(known) if known.state == RequestState::Approved => {
                let info = self.since(known.info, known.base)?;
                let answer = self.issue(info, request, digest, peer, now)?;
                self.batch.changes.push(Change::RequestGone(id));
                return Ok(answer);
            }
            Some(known) => {
                if now.millis_since(known.seen_at) > SEEN_MS {
                    self.batch.changes.push(Change::RequestSeen { id: id.clone(), at: now });
                }
                return Ok(Answer::Waiting { request: id, new: false });
            }
            None => {}
        }
        let left = record.uses_max.saturating_sub(record.uses);
        let (info, mut reasons) = match record.grant {
            Grant::Device { info, base } => (self.since(*info, base.map(|base| *base))?, Vec::new()),
            Grant::Group { template } => self.bind(request, *template, peer)?,
        };
        if record.approve {
            reasons.insert(0, ApprovalReason::Asked);
        }
        if reasons.is_empty() {
            return self.issue(info, request, digest, peer, now);
        }
        self.check_waiting((&digest, left), peer, now)?;
        let host: String = one_line(&request.facts.hostname, TEXT_MAX_CHARS);
        self.record(
            now,
            "",
            AuditLogAction::EnrolmentWaits,
            info.id.as_str(),
            &format!("host {host:?} from {peer}, request {id}"),
        );
        self.batch.changes.push(Change::Request(Box::new(RequestRecord {
            id: id.clone(),
            token: digest,
            at: now,
            seen_at: now,
            peer: peer.to_owned(),
            facts: request.facts.clone(),
            base: self.state.device(&info.id).map(|device| device.info.clone()),
            info,
            reasons,
            state: RequestState::Waiting,
        })));
        self.batch.visible = true;
        Ok(Answer::Waiting { request: id, new: true })
    }

    /// Whether one more machine may wait for a person, with a token that lets in so many more: whoever has one fills no places but those it is
    /// for, and whoever sits at one address not those of all others.
    fn check_waiting(&self, (token, left): (&str, u32), peer: &str, now: Timestamp) -> Result<(), CommandError> {
        let known = self.reader.requests().map_err(CommandError::unread)?;
        let mut waiting = pending::requests_after(known, &self.batch.changes);
        // Those that have not asked for a week are as good as gone.
        waiting.retain(|_, one| one.state == RequestState::Waiting && now.millis_since(one.seen_at) <= WAITING_MS);
        let full = |what: String| {
            let english = format!("{what} wait already; approve or refuse some");
            Err(RefusalReason::new("refusal-waiting-many", [], english).conflict())
        };
        if waiting.len() >= WAITING_MAX {
            return full(format!("{WAITING_MAX} machines"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(WAITING_SPARE);
        if waiting.values().filter(|one| one.token == token).count() >= most {
            return full("as many machines as this token is for".to_owned());
        }
        let network = network_of(peer);
        if waiting.values().filter(|one| network_of(&one.peer) == network).count() >= NETWORK_WAITING_MAX {
            return full(format!("{NETWORK_WAITING_MAX} machines of your address"));
        }
        Ok(())
    }

    /// Forgets, now and then, machines that have not asked for a week.
    pub(super) fn expire_requests(&mut self, now: Timestamp) {
        if self.boot_ms.saturating_sub(self.requests_seen_ms) >= FORGET_MS {
            self.requests_seen_ms = self.boot_ms;
            let (rules, class) = (&self.retention_rules, RecordClass::Enrolments);
            let delete = self.config.retention.waits_until(rules, class, now).is_none();
            self.batch.changes.push(Change::RequestsPruned { before: now.plus_millis(-WAITING_MS), delete });
        }
    }

    /// A request as it is, with what this commit does to it.
    fn request_now(&self, id: &str) -> Result<Option<RequestRecord>, CommandError> {
        let known = self.reader.request(id).map_err(CommandError::unread)?;
        Ok(pending::requests_after(known, &self.batch.changes).remove(id))
    }

    /// A person's word on a machine that waits: what it is to be, or nothing when it is refused.
    pub(super) fn decide_request(
        &mut self,
        id: &str,
        approved: Option<NewDevice>,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let known = self.request_now(id)?;
        let mut known = known.ok_or_else(|| RefusalReason::no_request(id).not_found())?;
        match approved {
            Some(new) => {
                known.info = check_device(new)?;
                self.check_uplink(&known.info)?;
                known.base = self.state.device(&known.info.id).map(|device| device.info.clone());
                // What the person could see when they decided.
                let knew = ApprovalReason::Enrolled { device: known.info.id.clone() };
                let device = self.state.device(&known.info.id);
                if !known.reasons.contains(&knew) && device.map_or(Ok(false), |device| self.has_agent(device))? {
                    known.reasons.push(knew);
                }
                known.state = RequestState::Approved;
                self.record(
                    now,
                    actor,
                    AuditLogAction::EnrolmentApproved,
                    known.info.id.as_str(),
                    &format!("request {id}"),
                );
            }
            None => {
                known.state = RequestState::Refused;
                self.record(
                    now,
                    actor,
                    AuditLogAction::EnrolmentRefused,
                    known.info.id.as_str(),
                    &format!("request {id}"),
                );
            }
        }
        self.batch.changes.push(Change::Request(Box::new(known)));
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// What is to be said of a device that was described a while ago, over what people have changed of it since.
    fn since(&self, info: DeviceInfo, base: Option<DeviceInfo>) -> Result<DeviceInfo, CommandError> {
        let Some(known) = self.state.device(&info.id).filter(|known| known.info != info) else { return Ok(info) };
        let Some(base) = base else { return Ok(info) };
        let (said, base) = (NewDevice::from(info), NewDevice::from(base));
        let fields = said.differing(&base);
        let mut merged = check_device(with_fields(&known.info, &fields, &said)?)?;
        merged.parent.clone_from(&known.info.parent);
        self.check_uplink(&merged)?;
        Ok(merged)
    }

    fn issue(
        &mut self,
        info: DeviceInfo,
        request: &EnrolRequest,
        digest: String,
        peer: &str,
        now: Timestamp,
    ) -> CommandResult {
        let issued = self
            .authority
            .issue_device(&request.csr, &info.id, now, self.config.device_life.as_millis())
            .map_err(|error| RefusalReason::new("refusal-csr", [], error.to_string()).invalid())?;
        self.batch.changes.push(Change::Device { info: info.clone(), at: now });
        self.batch.changes.push(Change::TokenUsed { digest, device: info.id.clone(), at: now });
        self.batch.changes.push(Change::Certificate {
            device: info.id.clone(),
            serial: issued.serial.clone(),
            at: now,
            expires_at: issued.expires_at,
            revoke_previous: true,
        });
        let host: String = one_line(&request.facts.hostname, TEXT_MAX_CHARS);
        let detail = format!("host {host:?} from {peer}, certificate {}", issued.serial);
        self.record(now, "", AuditLogAction::DeviceEnrolled, info.id.as_str(), &detail);
        let device = info.id.clone();
        self.allowlist.enrol(device.clone(), issued.serial.clone());
        self.drop_connection(device.clone(), CloseCause::EnrolledAnew, now);
        let why = Text::new("Thiết bị đã được đăng ký lại.", "The device was enrolled anew.");
        self.judge(Input::Released { device: &device, why }, now);
        self.enrol_asset(&info, request, now);
        self.judge(Input::Enrolled(info), now);
        Ok(Answer::Enrolled(Box::new(EnrolResponse {
            device,
            certificate: issued.certificate,
            authorities: self.authority.pem().to_owned(),
            mqtt: self.config.mqtt_advertise.join(","),
            renew_at: issued.renew_at,
            expires_at: issued.expires_at,
        })))
    }

    /// Devices are taken out: tokens that would make them, and requests that would be them, are no good any more. The tokens are gone through once
    /// for all of them.
    pub(super) fn end_ways_in(&mut self, devices: &BTreeSet<DeviceId>, now: Timestamp) -> Result<(), CommandError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.reader.tokens(after.as_deref(), PAGE).map_err(CommandError::unread)?;
            for token in &page {
                if matches!(&token.grant, Grant::Device { info, .. } if devices.contains(&info.id))
                    && token.ended_at.is_none()
                {
                    self.batch.changes.push(Change::TokenEnded { digest: token.digest.clone(), at: now });
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.digest.clone()),
                _ => break,
            }
        }
        // Those that a person approved and that did not come for their certificate yet, too.
        let mut known = Vec::new();
        for device in devices {
            known.extend(self.reader.requests_of(device).map_err(CommandError::unread)?);
        }
        for request in pending::requests_after(known, &self.batch.changes).into_values() {
            let waits = matches!(request.state, RequestState::Waiting | RequestState::Approved);
            if waits && devices.contains(&request.info.id) {
                let refused = RequestRecord { state: RequestState::Refused, ..request };
                self.batch.changes.push(Change::Request(Box::new(refused)));
            }
        }
        Ok(())
    }

    /// Two machines have this identity: neither may report.
    pub(super) fn quarantine(&mut self, device: DeviceId, now: Timestamp) {
        let peer = self.connections.last_peer(&device).map(|peer| peer.ip().to_string()).unwrap_or_default();
        tracing::error!(%device, peer, "two machines report under one identity; both are kept out until one is enrolled anew");
        self.record(
            now,
            "",
            AuditLogAction::DeviceQuarantined,
            device.as_str(),
            &format!("the last of them came from {peer:?}"),
        );
        self.allowlist.expel(&device);
        self.drop_connection(device, CloseCause::Quarantined, now);
    }

    /// Closes a device's connection after the commit, if it has one. Nobody else would say that it is lost.
    pub(super) fn drop_connection(&mut self, device: DeviceId, cause: CloseCause, now: Timestamp) {
        if self.connections.has(&device) {
            self.judge(Input::LinkBroken { device: &device, quiet_ms: 0 }, now);
            self.batch.disconnects.push((device, cause));
        }
    }

    /// A person says that one machine alone has this identity.
    pub(super) fn release(&mut self, device: &DeviceId, actor: &str, now: Timestamp) -> CommandResult {
        if !self.state.is_quarantined(device) {
            let english = format!("{device} is not kept out");
            let args = [("device", Word::text(device.as_str()))];
            return Err(RefusalReason::new("refusal-not-kept-out", args, english).conflict());
        }
        let serials = self.reader.serials().map_err(CommandError::unread)?;
        let why = Text::new(format!("{actor} cho phép báo cáo lại."), format!("{actor} lets it report again."));
        self.judge(Input::Released { device, why }, now);
        for (of, serial) in serials.into_iter().filter(|(of, _)| of == device) {
            self.allowlist.admit(of, serial);
        }
        self.record(now, actor, AuditLogAction::DeviceReleased, device.as_str(), "");
        Ok(Answer::Done)
    }

    /// Which device a machine is that comes with a token of many: the asset that people registered under its label, its serial
    /// number or its network address, or else a new one with its host name. And what speaks against taking it at its word.
    fn bind(
        &self,
        request: &EnrolRequest,
        template: NewDevice,
        peer: &str,
    ) -> Result<(DeviceInfo, Vec<ApprovalReason>), CommandError> {
        let mut reasons = Vec::new();
        let twin = self.state.devices().find(|device| {
            !request.fingerprint.is_empty() && device.fingerprint == request.fingerprint && device.info.parent.is_none()
        });
        let assets = self.assets_of(request)?;
        let info = if let Some(asset) = assets.first() {
            if self.has_agent(asset)? {
                reasons.push(ApprovalReason::Enrolled { device: asset.info.id.clone() });
            }
            let is_uplink = self.state.devices().any(|device| device.info.uplink.as_ref() == Some(&asset.info.id));
            reasons.extend(token_binding::against(&asset.info, &template, request, peer, is_uplink));
            // It says that it is several.
            reasons
                .extend(assets.iter().skip(1).map(|other| ApprovalReason::Hardware { device: other.info.id.clone() }));
            asset.info.clone()
        } else {
            let (info, reason) = self.newcomer(request, template)?;
            reasons.extend(reason);
            info
        };
        if let Some(twin) = twin.filter(|twin| twin.info.id != info.id) {
            reasons.push(ApprovalReason::Machine { device: twin.info.id.clone() });
        }
        Ok((info, reasons))
    }

    /// A device that nobody registered, by its host name; and whose name that is, or looks like.
    fn newcomer(
        &self,
        request: &EnrolRequest,
        template: NewDevice,
    ) -> Result<(DeviceInfo, Option<ApprovalReason>), CommandError> {
        let host = one_line(&request.facts.hostname, TEXT_MAX_CHARS);
        let host = if host.is_empty() { "host".to_owned() } else { host };
        let device = id_of(&host);
        let name = if template.name.is_empty() { host.clone() } else { template.name.clone() };
        let label = request.label.clone();
        let info = check_device(NewDevice { device, name, label, ..template })?;
        self.check_uplink(&info)?;
        if let Some(known) = self.state.device(&info.id) {
            return Ok((known.info.clone(), Some(ApprovalReason::Name { device: info.id })));
        }
        // A device that people took out keeps its history, and its name.
        if self.reader.device(&info.id).map_err(CommandError::unread)?.is_some() {
            let reason = Some(ApprovalReason::Removed { device: info.id.clone() });
            return Ok((info, reason));
        }
        let look = token_binding::look_of(&host);
        let alike = |device: &&Device| {
            token_binding::look_of(&device.info.name) == look || token_binding::look_of(device.info.id.as_str()) == look
        };
        let reason =
            self.state.devices().find(alike).map(|device| ApprovalReason::Look { device: device.info.id.clone() });
        Ok((info, reason))
    }

    /// The assets that a machine says it is, the one it is taken for first: by its label, else its serial number, else its network
    /// addresses.
    fn assets_of(&self, request: &EnrolRequest) -> Result<Vec<&Device>, CommandError> {
        let machines = || self.state.devices().filter(|device| device.info.parent.is_none());
        let mut found: Vec<&Device> = Vec::new();
        if !request.label.is_empty() {
            found.extend(machines().filter(|device| token_binding::same(&device.info.label, &request.label)));
            if found.is_empty() {
                let label = &request.label;
                let english = format!(
                    "label: no registered asset has the label {label:?}; register it first, or leave --label out"
                );
                let args = [("label", Word::text(label.as_str()))];
                return Err(RefusalReason::new("refusal-label-missing", args, english).invalid());
            }
        }
        if let Some(serial) = token_binding::serial_of(request) {
            found.extend(machines().filter(|device| token_binding::same(&device.info.serial, serial)));
        }
        found.extend(
            machines().filter(|device| request.macs.iter().any(|mac| token_binding::same(&device.info.mac, mac))),
        );
        let mut once = std::collections::HashSet::new();
        found.retain(|device| once.insert(&device.info.id));
        Ok(found)
    }

    /// Whether a device has an agent that it had not when a person approved a machine for it.
    fn is_taken_since(&self, request: &RequestRecord) -> Result<bool, CommandError> {
        let knew = ApprovalReason::Enrolled { device: request.info.id.clone() };
        match self.state.device(&request.info.id) {
            Some(device) if !request.reasons.contains(&knew) => self.has_agent(device),
            _ => Ok(false),
        }
    }

    /// Whether a device was ever given a certificate.
    fn has_agent(&self, device: &Device) -> Result<bool, CommandError> {
        let now = |change: &Change| matches!(change, Change::Certificate { device: to, .. } if *to == device.info.id);
        let known = device.presence != Presence::NeverSeen || self.batch.changes.iter().any(now);
        Ok(known || self.reader.is_enrolled(&device.info.id).map_err(CommandError::unread)?)
    }

    /// Registers assets, or changes what is said of them: all of them, or none.
    pub(super) fn import(&mut self, devices: Vec<NewDevice>, actor: &str, now: Timestamp) -> CommandResult {
        let mut infos = Vec::with_capacity(devices.len());
        for new in devices {
            let name = new.name.clone();
            let mut info = check_device(new).map_err(|error| error.into_reason().of(&format!("{name:?}")).invalid())?;
            let known = self.state.device(&info.id).map(|device| &device.info);
            if let Some(known) = known {
                info.parent.clone_from(&known.parent);
            }
            if known != Some(&info) {
                infos.push(info);
            }
        }
        let new: HashMap<&DeviceId, &DeviceInfo> = infos.iter().map(|info| (&info.id, info)).collect();
        for info in &infos {
            let checked = self.check_uplink_among(info, &new);
            checked.map_err(|error| error.into_reason().of(info.id.as_str()).invalid())?;
        }
        let changed = infos.len();
        for info in infos {
            self.persist_described(info, actor, now);
        }
        Ok(Answer::Imported(changed))
    }
}

/// The address itself, or the network of IPv6 that whoever has one address of has all of.
fn network_of(peer: &str) -> String {
    let address = peer.parse::<IpAddr>().map(|address| address.to_canonical());
    match address {
        Ok(IpAddr::V6(address)) => format!("{:x?}", &address.segments()[..4]),
        _ => peer.to_owned(),
    }
}

/// What a machine's request is called: the same each time it asks with the same key.
fn request_id(csr: &str) -> String {
    let mut digest = sha256_hex(csr.as_bytes());
    digest.truncate(16);
    digest
}

#[cfg(test)]
mod tests;

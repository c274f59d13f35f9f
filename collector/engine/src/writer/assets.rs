//! The asset register (article 6.1): who wrote what and when, what agents found, and what is blank for too long, which is a fault of its
//! device until it is filled in. What a machine says that is not what was written down is work to do, and no fault.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::enrolment::EnrolRequest;
use ioc_common::id::DeviceId;
use ioc_common::report::Hello;
use ioc_judge::{Alert, DeviceInfo, InformationSource, Input, Severity, Text};
use ioc_store::coverage::AREAS;
use ioc_store::{
    Asset, AssetAttestation, AssetField, AssetQuery, AssetState, AssetValue, Change, NewDevice, Reader, StoreError,
};

use super::evidence::{self, Decided};
use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, AssetChange, CommandError};
use crate::inventory::asset::{blanks, check_attestation, checked, contradictions, found_in, of_device, take_said};
use crate::inventory::device::check_device;
use crate::refusal_reason::{RefusalReason, Word};

/// Most assets in one change; a table may have more ([`import`]).
const CHANGES_MAX: usize = 2000;
/// Assets of a table that are changed in one cycle of the engine, about twenty milliseconds of it; and that are looked at before anything is changed.
pub(super) const PIECE: usize = 200;
pub(super) const LOOKED_AT: usize = 1_000;
/// Most faults that are raised in one cycle of the engine: a crowd of devices that was taken in at once is due at once.
const RAISED_MAX: usize = 200;
/// Attestations of one machine among which the newest of an area is looked for.
const ATTESTED_MAX: usize = 200;
/// The name of the fault.
const FAULT: &str = "register/blank";
/// Most network addresses that are kept of a machine.
const MACS_MAX: usize = 16;

/// The register.
#[derive(Debug, Default)]
pub(super) struct Assets {
    all: HashMap<DeviceId, Asset>,
    /// When something that is blank becomes a fault, if it is not filled in before; none when nothing will.
    next_at: Option<Timestamp>,
}

impl Assets {
    /// As it stands in the store.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let all = reader.assets(&AssetQuery { limit: usize::MAX, ..AssetQuery::default() })?;
        let all = all.into_iter().map(|one| (one.device.clone(), one)).collect();
        Ok(Self { all, next_at: None })
    }

    /// Whether an asset is not used any more.
    pub(super) fn is_retired(&self, device: &DeviceId) -> bool {
        self.all.get(device).is_some_and(|asset| asset.state() == AssetState::Retired)
    }
}

fn no_device(device: &DeviceId) -> CommandError {
    RefusalReason::no_device(device).not_found()
}

/// What a device itself refuses, which columns let through.
fn of_device_refused(device: &DeviceId, error: CommandError) -> CommandError {
    error.into_reason().of(device.as_str()).invalid()
}

/// Takes the columns that are kept with the device itself. Whether there were any.
fn take_own(new: &mut NewDevice, values: &mut BTreeMap<AssetField, String>) -> bool {
    let mut taken = false;
    for field in AssetField::ALL {
        let kept = match field {
            AssetField::Name => &mut new.name,
            AssetField::Label => &mut new.label,
            AssetField::Kind => &mut new.kind,
            AssetField::Place => &mut new.place,
            AssetField::Officer => &mut new.officer,
            AssetField::Leader => &mut new.leader,
            AssetField::Mac => &mut new.mac,
            AssetField::Serial => &mut new.serial,
            AssetField::Address => &mut new.address,
            AssetField::Importance => &mut new.importance,
            AssetField::Maker
            | AssetField::Model
            | AssetField::Bought
            | AssetField::WarrantyEnd
            | AssetField::SupportEnd
            | AssetField::Zone
            | AssetField::SwitchPort
            | AssetField::Purpose
            | AssetField::State
            | AssetField::Supplier => continue,
        };
        if let Some(text) = values.remove(&field) {
            *kept = text;
            taken = true;
        }
    }
    taken
}

/// What a change of one asset comes to.
struct Checked {
    device: DeviceId,
    /// What is said of the device itself, where that is something else now.
    info: Option<DeviceInfo>,
    /// The columns that only the register has.
    values: BTreeMap<AssetField, String>,
    /// What the agent found, and is known to be otherwise.
    keep: Vec<AssetField>,
}

impl Engine {
    /// Every device has its row, and each is judged by the configuration.
    pub(super) fn watch_assets(&mut self, now: Timestamp) {
        let infos: Vec<DeviceInfo> = self.state.devices().map(|device| device.info.clone()).collect();
        for info in infos {
            self.describe_asset(&info, None, now);
        }
        self.check_assets(now);
    }

    /// What is said of a device changed, or it is new: by whom; none where a machine says so itself.
    pub(super) fn describe_asset(&mut self, info: &DeviceInfo, by: Option<&str>, now: Timestamp) {
        let asset = self.assets.all.entry(info.id.clone()).or_insert_with(|| Asset::new(info.id.clone(), now));
        let is_new = asset.said.is_empty();
        if take_said(asset, of_device(info), by, now) || is_new {
            self.settle_asset(&info.id, true, now);
        }
    }

    /// A device says hello.
    pub(super) fn find_asset(&mut self, device: &DeviceId, hello: &Hello, now: Timestamp) {
        self.take_found(device, found_in(hello), now);
    }

    /// A machine enrols: a person wrote down what it is, for its token or when they let it in, but for a name that is its own.
    pub(super) fn enrol_asset(&mut self, info: &DeviceInfo, request: &EnrolRequest, now: Timestamp) {
        self.describe_asset(info, Some(""), now);
        let asset = self.assets.all.get_mut(&info.id);
        let name = asset.and_then(|asset| asset.said.get_mut(&AssetField::Name));
        if let Some(name) = name.filter(|name| name.text == request.facts.hostname && name.by.as_deref() == Some("")) {
            name.by = None;
            self.settle_asset(&info.id, true, now);
        }
        self.find_macs(&info.id, &request.macs, now);
    }

    fn find_macs(&mut self, device: &DeviceId, macs: &[String], now: Timestamp) {
        let macs = macs.iter().filter_map(|mac| crate::inventory::device::mac_of(mac)).take(MACS_MAX);
        let text = macs.collect::<Vec<_>>().join(", ");
        if !text.is_empty() {
            self.take_found(device, vec![(AssetField::Mac, text)], now);
        }
    }

    fn take_found(&mut self, device: &DeviceId, found: Vec<(AssetField, String)>, now: Timestamp) {
        let Some(asset) = self.assets.all.get_mut(device) else { return };
        let mut changed = false;
        for (field, text) in found {
            if asset.found.get(&field).is_none_or(|value| value.text != text) {
                asset.found.insert(field, AssetValue { text, by: None, at: now });
                changed = true;
            }
        }
        if changed {
            self.settle_asset(device, true, now);
        }
    }

    /// A device is taken out: its fault went with it.
    pub(super) fn forget_asset(&mut self, device: &DeviceId) {
        self.assets.all.remove(device);
    }

    /// People write down what is so: of all of these, or of none.
    pub(super) fn change_assets(&mut self, changes: Vec<AssetChange>, actor: &str, now: Timestamp) -> CommandResult {
        if changes.is_empty() || changes.len() > CHANGES_MAX {
            let found = changes.len();
            let english = format!("assets: found {found}; allowed are 1 to {CHANGES_MAX}");
            let args = [("found", Word::count(found)), ("most", Word::count(CHANGES_MAX))];
            return Err(RefusalReason::new("register-refused-many", args, english).invalid());
        }
        // The second would be made of what stood before the first.
        let mut named = BTreeSet::new();
        if let Some(twice) = changes.iter().find(|change| !named.insert(&change.device)) {
            let english = format!("assets: {} stands there twice", twice.device);
            let args = [("device", Word::text(twice.device.as_str()))];
            return Err(RefusalReason::new("register-refused-twice", args, english).invalid());
        }
        // All of them are looked at before anything is changed.
        let checked = changes.into_iter().map(|change| self.check_asset(change)).collect::<Result<Vec<_>, _>>()?;
        for change in checked {
            self.write_asset(change, actor, now);
        }
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Writes down what was checked.
    fn write_asset(&mut self, change: Checked, actor: &str, now: Timestamp) {
        if let Some(info) = change.info {
            self.persist_described(info, actor, now);
        }
        let Some(asset) = self.assets.all.get_mut(&change.device) else { return };
        let text = |asset: &Asset, field: &AssetField| asset.said.get(field).map(|value| value.text.clone());
        let before: Vec<_> = change.values.keys().map(|field| (*field, text(asset, field))).collect();
        let mut detail = Vec::new();
        for (field, was) in before {
            let is = change.values.get(&field).cloned().unwrap_or_default();
            if was.as_deref().unwrap_or_default() != is {
                detail.push(format!("{}: {:?} -> {is:?}", field.as_str(), was.unwrap_or_default()));
            }
        }
        let mut changed = take_said(asset, change.values, Some(actor), now);
        for field in change.keep {
            if let Some(found) = asset.found.get(&field) {
                detail.push(format!("{}: {:?} is known not to be so", field.as_str(), found.text));
                let kept = AssetValue { text: found.text.clone(), by: Some(actor.to_owned()), at: now };
                asset.kept.insert(field, kept);
                changed = true;
            }
        }
        if changed {
            self.record(now, actor, AuditLogAction::AssetDescribed, change.device.as_str(), &detail.join("; "));
            self.settle_asset(&change.device, true, now);
        }
    }

    /// What was written down of these columns is what whoever asks has seen.
    fn check_seen_asset(&self, device: &DeviceId, was: &BTreeMap<AssetField, String>) -> Result<(), CommandError> {
        let Some(asset) = self.assets.all.get(device) else { return Ok(()) };
        let differs = |field: AssetField, text: &str| {
            // Whoever may not see people has seen a mark in their place.
            text != ioc_common::document::HIDDEN && asset.written(field) != text
        };
        let others: Vec<&str> =
            was.iter().filter(|(field, text)| differs(**field, text)).map(|(field, _)| field.as_str()).collect();
        if others.is_empty() {
            return Ok(());
        }
        let english = format!("{device}: somebody changed it since you looked: {}", others.join(", "));
        let args = [("fields", Word::all("asset-field", others))];
        Err(RefusalReason::new("register-refused-fields-changed", args, english).conflict())
    }

    fn check_asset(&self, change: AssetChange) -> Result<Checked, CommandError> {
        let AssetChange { device, fields, keep, was } = change;
        let Some(known) = self.state.device(&device) else { return Err(no_device(&device)) };
        let mut values = BTreeMap::new();
        // Whoever may not see people sends back the mark that stood in their place: what is written down stays.
        let is_mark = |field: AssetField, text: &str| field.is_personal() && text == ioc_common::document::HIDDEN;
        for (field, text) in fields.into_iter().filter(|(field, text)| !is_mark(*field, text)) {
            values.insert(field, checked(field, &text).map_err(|why| why.of(device.as_str()).invalid())?);
        }
        self.check_seen_asset(&device, &was)?;
        let mut new = NewDevice::from(known.info.clone());
        let info = if take_own(&mut new, &mut values) {
            let mut info = check_device(new).map_err(|error| of_device_refused(&device, error))?;
            // Who speaks for a sensor is not for people to say.
            info.parent.clone_from(&known.info.parent);
            Some(info).filter(|info| *info != known.info)
        } else {
            None
        };
        Ok(Checked { device, info, values, keep })
    }

    /// A person says how a machine is protected that no agent looks at.
    pub(super) fn attest_asset(
        &mut self,
        device: &DeviceId,
        attestation: AssetAttestation,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let Some(known) = self.state.device(device) else { return Err(no_device(device)) };
        if !known.info.is_computer() {
            let english = "only servers, workstations and display controllers are protected so; this is none";
            return Err(RefusalReason::new("register-refused-no-computer", [], english).conflict());
        }
        let attestation = AssetAttestation { by: actor.to_owned(), at: now, ..attestation };
        check_attestation(&attestation, now).map_err(RefusalReason::invalid)?;
        let area = AREAS.into_iter().find(|area| area.name == attestation.area);
        let documents = self.reader.documents(device).map_err(CommandError::unread)?;
        if area.is_some_and(|area| documents.iter().any(|one| one.name == area.document)) {
            let english = format!("the agent of {device} tells of this itself; nothing is to be attested");
            let args = [("device", Word::text(device.as_str()))];
            return Err(RefusalReason::new("register-refused-agent-tells", args, english).conflict());
        }
        let said = serde_json::to_string(&attestation).unwrap_or_default();
        self.record(now, actor, AuditLogAction::AssetAttested, device.as_str(), &said);
        self.batch.changes.push(Change::AssetAttested { device: device.clone(), attestation });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A file shows what was attested of a machine last.
    pub(super) fn add_asset_evidence(
        &mut self,
        (device, area): (&DeviceId, &str),
        (name, content): (&str, Vec<u8>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let kept = self.reader.asset_attestations(device, ATTESTED_MAX).map_err(CommandError::unread)?;
        let kept = kept.into_iter().find(|one| one.area == area);
        // With those that are decided and not committed yet.
        let anew = |change: &Change| matches!(change, Change::AssetAttested { device: of, attestation } if of == device && attestation.area == area);
        if kept.is_none() && !self.batch.changes.iter().any(anew) {
            let english = format!("nobody has attested {area:?} of {device}; do that first");
            let args = [("device", Word::text(device.as_str()))];
            return Err(RefusalReason::new("register-refused-asset-not-attested", args, english).not_found());
        }
        let decided = self.batch.changes.iter().filter_map(|change| match change {
            change if anew(change) => Some(Decided::Anew),
            Change::AssetEvidence { device: of, area: of_area, file, .. } if of == device && of_area == area => {
                Some(Decided::File(file))
            }
            _ => None,
        });
        let kept = kept.into_iter().flat_map(|one| one.files);
        let Some(file) = evidence::added((name, content.as_slice()), kept, decided, (actor, now))? else {
            return Ok(Answer::Done);
        };
        let detail = format!("{area}: {} sha256 {}", file.name, file.sha256);
        self.record(now, actor, AuditLogAction::AssetEvidenceAdded, device.as_str(), &detail);
        let (device, area) = (device.clone(), area.to_owned());
        self.batch.changes.push(Change::AssetEvidence { device, area, file, content });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Judges a row anew, keeps it where it changed, and ends its fault; what is due is raised by whoever looks for it.
    fn settle_asset(&mut self, device: &DeviceId, changed: bool, now: Timestamp) {
        let Some(asset) = self.assets.all.get_mut(device) else { return };
        let (blank, against) = (blanks(asset, &self.config.register.required), contradictions(asset));
        if changed || blank != asset.blanks || against != asset.contradictions {
            (asset.blanks, asset.contradictions) = (blank, against);
            self.batch.changes.push(Change::Asset(Box::new(asset.clone())));
            self.batch.visible = true;
        }
        let due_at = asset.since.plus_millis(self.config.register.complete_within.as_millis());
        if !asset.blanks.is_empty() {
            // Raised by whoever looks for what is due, in this cycle still, so that a crowd of them holds up nothing else.
            self.assets.next_at = Some(self.assets.next_at.map_or(due_at, |first| first.min(due_at)));
        }
        let is_due = !asset.blanks.is_empty() && due_at <= now;
        if !is_due && self.state.has_fault_of(device, FAULT, device.as_str()) {
            let over = Text::new("Hồ sơ tài sản đã đủ.", "The asset's record is complete.");
            let alert = Alert { over, ..blank_alert(device, now) };
            self.judge(Input::Alert(alert), now);
        }
        if changed {
            self.check_backups_of(device, now);
        }
    }

    /// Looks for what has been blank for too long, where something may be.
    pub(super) fn check_due_assets(&mut self, now: Timestamp) {
        if self.assets.next_at.is_none_or(|at| at > now) {
            return;
        }
        let within = self.config.register.complete_within.as_millis();
        let (mut next_at, mut due) = (None::<Timestamp>, Vec::new());
        for asset in self.assets.all.values().filter(|asset| !asset.blanks.is_empty()) {
            let due_at = asset.since.plus_millis(within);
            if due_at <= now && self.state.has_fault_of(&asset.device, FAULT, asset.device.as_str()) {
                continue;
            }
            if due_at <= now && due.len() < RAISED_MAX {
                due.push(asset.device.clone());
            } else {
                next_at = Some(next_at.map_or(due_at, |first| first.min(due_at)));
            }
        }
        self.assets.next_at = next_at;
        due.sort();
        for device in due {
            self.raise_blank(&device, now);
        }
    }

    /// Judges every row by the configuration as it now stands.
    pub(super) fn check_assets(&mut self, now: Timestamp) {
        self.assets.next_at = None;
        let devices: Vec<DeviceId> = self.assets.all.keys().cloned().collect();
        for device in devices {
            self.settle_asset(&device, false, now);
        }
    }

    fn raise_blank(&mut self, device: &DeviceId, now: Timestamp) {
        let Some(asset) = self.assets.all.get(device) else { return };
        let names = |of: fn(AssetField) -> (&'static str, &'static str), english: bool| {
            let names = asset.blanks.iter().map(|field| if english { of(*field).1 } else { of(*field).0 });
            names.collect::<Vec<_>>().join(", ")
        };
        let (vi, en) = (names(words, false), names(words, true));
        let alert = Alert {
            title: Text::new("Hồ sơ tài sản còn thiếu (Điều 6.1)", "The asset's record is incomplete (article 6.1)"),
            reason: Text::new(
                format!("Còn thiếu: {vi}. Bổ sung tại trang tài sản."),
                format!("Missing: {en}. Fill it in on the asset's page."),
            ),
            firing: true,
            ..blank_alert(device, now)
        };
        if let Err(error) = self.decide(Input::Alert(alert), now) {
            tracing::error!(%device, %error, "that an asset's record is incomplete could not be said");
        }
    }
}

fn blank_alert(device: &DeviceId, now: Timestamp) -> Alert {
    Alert {
        device: device.clone(),
        name: FAULT.to_owned(),
        // Alerts of one name and fingerprint are the same one, whatever device they name.
        fingerprint: device.to_string(),
        // Paperwork wakes nobody: it is a fault of the device, and no incident.
        severity: Severity::Info,
        title: Text::default(),
        reason: Text::default(),
        since: now,
        firing: false,
        over: Text::default(),
        source: InformationSource::Collector,
        matter: None,
    }
}

/// What a column is called, in both languages.
const fn words(field: AssetField) -> (&'static str, &'static str) {
    match field {
        AssetField::Name => ("tên", "name"),
        AssetField::Label => ("nhãn tài sản", "label"),
        AssetField::Kind => ("loại", "kind"),
        AssetField::Place => ("nơi đặt", "place"),
        AssetField::Officer => ("cán bộ phụ trách", "officer"),
        AssetField::Leader => ("lãnh đạo phụ trách", "leader"),
        AssetField::Mac => ("địa chỉ MAC", "MAC address"),
        AssetField::Serial => ("số sê-ri", "serial number"),
        AssetField::Maker => ("hãng sản xuất", "maker"),
        AssetField::Model => ("kiểu máy", "model"),
        AssetField::Bought => ("ngày mua", "day of purchase"),
        AssetField::WarrantyEnd => ("hạn bảo hành", "end of warranty"),
        AssetField::SupportEnd => ("hạn hỗ trợ của hãng", "end of support"),
        AssetField::Address => ("địa chỉ IP", "IP address"),
        AssetField::Zone => ("vùng mạng", "network zone"),
        AssetField::SwitchPort => ("bộ chuyển mạch và cổng", "switch and port"),
        AssetField::Purpose => ("mục đích sử dụng", "purpose"),
        AssetField::State => ("tình trạng sử dụng", "state of use"),
        AssetField::Importance => ("mức quan trọng", "importance"),
        AssetField::Supplier => ("nhà cung cấp", "supplier"),
    }
}

mod import;
#[cfg(test)]
mod tests;

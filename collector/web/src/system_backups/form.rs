//! The forms of the page, as a person filled them in.

use serde::Deserialize;

use ioc_common::clock;
use ioc_common::config::Span;
use ioc_common::id::DeviceId;

use crate::maintenance::parse_moment;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::inventory::device::device_id;
use ioc_engine::refusal_field::Field;
use ioc_store::{BackupAttestation, BackupExpectation, BackupKind, BackupSource};

/// Which backup is expected of devices.
#[derive(Debug, Default, Clone)]
pub(super) struct StateForm {
    pub(super) devices: String,
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) job: String,
    pub(super) survey_device: String,
    pub(super) survey_name: String,
    pub(super) every: String,
    pub(super) grace: String,
    pub(super) keep_days: String,
    pub(super) place: String,
    pub(super) copies: String,
    pub(super) media: String,
    pub(super) off_site: bool,
    pub(super) encrypted: bool,
    pub(super) note: String,
}

/// A device and a kind, as they stand in forms and addresses.
pub(super) fn of(device: &str, kind: &str) -> Result<(DeviceId, BackupKind), CommandError> {
    let id = device_id(device)?;
    let names = BackupKind::ALL.map(BackupKind::as_str).join(", ");
    let kind = BackupKind::parse(kind).ok_or_else(|| Field::Kind.allowed(kind, &names).invalid())?;
    Ok((id, kind))
}

impl StateForm {
    /// An empty one about this device.
    pub(super) fn of(device: &str) -> Self {
        Self { devices: device.to_owned(), ..Self::default() }
    }

    /// What a browser sent: a device that was ticked comes by itself, once for each.
    pub(super) fn read(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "devices" | "device" => {
                    let between = if form.devices.is_empty() || value.is_empty() { "" } else { ", " };
                    form.devices = format!("{}{between}{value}", form.devices);
                }
                "kind" => form.kind = value,
                "source" => form.source = value,
                "job" => form.job = value,
                "survey_device" => form.survey_device = value,
                "survey_name" => form.survey_name = value,
                "every" => form.every = value,
                "grace" => form.grace = value,
                "keep_days" => form.keep_days = value,
                "place" => form.place = value,
                "copies" => form.copies = value,
                "media" => form.media = value,
                "off_site" => form.off_site = true,
                "encrypted" => form.encrypted = true,
                "note" => form.note = value,
                _ => {}
            }
        }
        form
    }

    /// What it asks for.
    pub(super) fn command(&self, actor: &str) -> Result<Command, CommandError> {
        let ids = self.devices.split([',', '\n', ' ']).map(str::trim).filter(|id| !id.is_empty());
        let mut devices = ids.map(device_id).collect::<Result<Vec<_>, _>>()?;
        devices.sort();
        devices.dedup();
        let (_, kind) = of(devices.first().map_or("", DeviceId::as_str), &self.kind)
            .map_err(|error| if devices.is_empty() { Field::Devices.missing().invalid() } else { error })?;
        let span = |field: Field, text: &str, without: &str| {
            let text = if text.trim().is_empty() { without } else { text.trim() };
            text.parse::<Span>().map(Span::as_millis).map_err(|_| field.span(text).invalid())
        };
        let number = |field: Field, text: &str, without: &str| {
            let text = if text.trim().is_empty() { without } else { text.trim() };
            text.parse::<u32>().map_err(|_| field.number(text).invalid())
        };
        let small = |field: Field, text: &str| {
            let found = number(field, text, "1")?;
            u8::try_from(found).map_err(|_| field.range(found, 1, 20).invalid())
        };
        let source = match self.source.as_str() {
            "job" => BackupSource::Job(self.job.clone()),
            "survey" => {
                let device = self.survey_device.trim();
                let device = if device.is_empty() { None } else { Some(device_id(device)?) };
                BackupSource::Probe { device, name: self.survey_name.trim().to_owned() }
            }
            _ => BackupSource::Attestation,
        };
        let expected = BackupExpectation {
            source,
            every_ms: span(Field::Every, &self.every, "1d")?,
            grace_ms: span(Field::Grace, &self.grace, "6h")?,
            keep_days: number(Field::KeepDays, &self.keep_days, "30")?,
            place: self.place.trim().to_owned(),
            copies: small(Field::Copies, &self.copies)?,
            media: small(Field::Media, &self.media)?,
            off_site: self.off_site,
            encrypted: self.encrypted,
            note: self.note.trim().to_owned(),
            by: String::new(),
            since: clock::now(),
        };
        Ok(Command::ExpectBackup { devices, kind, expected, actor: actor.to_owned() })
    }
}

/// What a person says of a backup.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct AttestForm {
    device: String,
    kind: String,
    made_at: String,
    valid_until: String,
    bad: Option<String>,
    note: String,
}

impl AttestForm {
    /// What it asks for.
    pub(super) fn command(&self, config: &Config, actor: &str) -> Result<Command, CommandError> {
        let (device, kind) = of(&self.device, &self.kind)?;
        let made_at = parse_moment(Field::MadeAt, &self.made_at, config)?;
        let until = Some(self.valid_until.as_str()).filter(|text| !text.trim().is_empty());
        let valid_until = until.map(|text| parse_moment(Field::ValidUntil, text, config)).transpose()?;
        let (note, good) = (self.note.trim().to_owned(), self.bad.is_none());
        let attestation = BackupAttestation { made_at, good, valid_until, note, by: String::new(), at: clock::now() };
        Ok(Command::AttestBackup { device, kind, attestation, actor: actor.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Command, CommandError> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        StateForm::read(pairs).command("lan")
    }

    #[test]
    fn devices_that_are_ticked_and_written_are_all_meant_once() {
        let form = [("device", "srv-2"), ("device", "srv-1"), ("devices", "srv-1, srv-3"), ("kind", "files")];
        let place = [("source", "survey"), ("survey_name", "đêm"), ("every", "7d"), ("place", "NAS"), ("copies", "3")];
        let Command::ExpectBackup { devices, kind, expected, actor } =
            read(&[form.as_slice(), &place].concat()).expect("read")
        else {
            panic!("another command");
        };
        let devices: Vec<&str> = devices.iter().map(DeviceId::as_str).collect();
        assert_eq!((devices, kind, actor.as_str()), (vec!["srv-1", "srv-2", "srv-3"], BackupKind::Files, "lan"));
        assert_eq!(expected.source, BackupSource::Probe { device: None, name: "đêm".into() });
        assert_eq!((expected.every_ms, expected.grace_ms, expected.copies), (7 * 86_400_000, 6 * 3_600_000, 3));
        let refused = |pairs: &[(&str, &str)]| read(pairs).expect_err("refused").to_string();
        assert_eq!(refused(&[("kind", "files")]), "devices: found none; fill it in");
        assert!(
            refused(&[("device", "srv-1"), ("kind", "tape")]).starts_with("kind: found \"tape\"; allowed are files")
        );
        assert!(refused(&[("device", "srv-1"), ("kind", "files"), ("every", "often")]).starts_with("every:"));
        assert!(refused(&[("device", "srv-1"), ("kind", "files"), ("copies", "900")]).starts_with("copies: found 900"));
    }
}

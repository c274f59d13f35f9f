//! What a reader leaves out for whoever may not see who has an account on a machine (article 12): how many they are is shown, and
//! which is which by a number, so that a chart stays a chart.
//!
//! And what of other places stands in it, for whoever is limited to some. Texts that people read are not here: names are never in them unless they are put in (`ioc_judge::text`).

use std::collections::HashMap;

use serde_json::Value;

use ioc_common::document;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::metric::is_series_of_person;
use ioc_judge::deadline::UnitAnswer;
use ioc_judge::{Common, DeviceInfo, Fault, Incident};

use super::reader_connection::SqlReader;
use crate::audit::{self, AuditRecord};
use crate::configuration::ConfigurationVersion;
use crate::inventory::DeviceRecord;
use crate::inventory_count::{Find, InventoryCount, Tick};
use crate::report::{IssuedReport, Registration, ReportText};
use crate::{
    Asset, AssetAttestation, DocumentRecord, EventRecord, ExpectedBackup, ImportedRow, KeptAttestation, OutboxEntry,
    Product, StoreError, TableImport,
};

/// The same series by a number.
fn numbered(series: &str, number: usize) -> Series {
    Series::new(series.split_once('|').map_or(series, |(metric, _)| metric), &format!("#{number}"))
}

impl SqlReader {
    pub(super) fn layout_as_shown(&self, layout: Layout) -> Option<Layout> {
        if !self.hides_names || !layout.series().iter().any(|series| is_series_of_person(series.as_str())) {
            return Some(layout);
        }
        let shown = |(place, series): (usize, &Series)| {
            if is_series_of_person(series.as_str()) { numbered(series.as_str(), place) } else { series.clone() }
        };
        // Numbers tell them apart as their names did. Where that fails all the same, nothing is better than names.
        let series = layout.series().iter().enumerate().map(shown).collect();
        Layout::new(series).ok()
    }

    pub(super) fn hello_as_shown(&self, text: String) -> String {
        if !self.hides_names {
            return text;
        }
        let Ok(mut hello) = serde_json::from_str::<Value>(&text) else { return "{}".to_owned() };
        let layout = hello.get("layout").and_then(|layout| serde_json::from_value::<Layout>(layout.clone()).ok());
        let shown = layout.and_then(|layout| self.layout_as_shown(layout));
        let shown = shown.and_then(|layout| serde_json::to_value(layout).ok()).unwrap_or_default();
        if let Some(hello) = hello.as_object_mut() {
            hello.insert("layout".to_owned(), shown);
        }
        hello.to_string()
    }

    pub(super) fn documents_as_shown(&self, mut all: Vec<DocumentRecord>) -> Vec<DocumentRecord> {
        if self.hides_names {
            all.retain(|one| !document::is_of_people(&one.name));
            for one in all.iter_mut().filter(|one| document::has_personal(&one.name)) {
                one.body = document::without_personal(&one.name, &one.body);
            }
        }
        all
    }

    pub(crate) fn event_as_shown(&self, mut event: EventRecord) -> EventRecord {
        if self.hides_names && document::is_event_of_people(&event.name) {
            (event.text, event.fields) = document::event_without_personal(event.fields);
        }
        event
    }

    /// For what shows the log in pieces: the log itself is read whole, or its hashes prove nothing.
    pub(crate) fn audit_as_shown(&self, mut record: AuditRecord) -> AuditRecord {
        if self.hides_names && audit::names_people(&record.action) {
            for text in [&mut record.subject, &mut record.detail].into_iter().filter(|text| !text.is_empty()) {
                document::HIDDEN.clone_into(text);
            }
        }
        record
    }

    pub(crate) fn fault_as_shown(&self, mut fault: Fault) -> Fault {
        if self.hides_names && is_series_of_person(&fault.series) {
            fault.series = numbered(&fault.series, 0).as_str().to_owned();
        }
        fault
    }

    /// Who is responsible for a device is for who may see people.
    pub(super) fn info_as_shown(&self, mut info: DeviceInfo) -> DeviceInfo {
        if self.hides_names {
            for name in [&mut info.officer, &mut info.leader].into_iter().filter(|name| !name.is_empty()) {
                document::HIDDEN.clone_into(name);
            }
        }
        info
    }

    /// Who is limited to places reads no other device's name in what they may see.
    pub(super) fn record_as_shown(&self, mut record: DeviceRecord) -> Result<DeviceRecord, StoreError> {
        record.info = self.info_as_shown(record.info);
        if self.limited
            && let Some(uplink) = &record.info.uplink
            && self.number(uplink)? < 0
        {
            record.info.uplink = None;
        }
        Ok(record)
    }

    /// Who reported an incident from outside, and at which number, is for who may see people.
    pub(crate) fn incident_as_shown(&self, mut incident: Incident) -> Result<Incident, StoreError> {
        if self.hides_names {
            if let Some(report) = &mut incident.record.report {
                report.hide();
            }
            incident.record.requests.iter_mut().filter_map(|one| one.answer.as_mut()).for_each(UnitAnswer::hide);
        }
        if self.limited {
            let mut joined = Vec::new();
            for (device, rule) in std::mem::take(&mut incident.progress.joined) {
                let sees = match &device {
                    Some(device) => self.number(device)? >= 0,
                    None => true,
                };
                if sees {
                    joined.push((device, rule));
                }
            }
            incident.progress.joined = joined;
            if let Some(storm) = &mut incident.progress.storm {
                let unseen = |device: &DeviceId| Ok::<_, StoreError>(self.number(device)? < 0);
                if let Some(worst) = &storm.worst
                    && unseen(&worst.device)?
                {
                    storm.worst = None;
                }
                let mut common = Vec::new();
                for one in std::mem::take(&mut storm.common) {
                    match &one {
                        Common::Uplink(device) if unseen(device)? => {}
                        _ => common.push(one),
                    }
                }
                storm.common = common;
            }
        }
        Ok(incident)
    }

    /// Who is responsible for an asset, and who wrote what of it, is for who may see people.
    pub(super) fn asset_as_shown(&self, mut asset: Asset) -> Asset {
        if self.hides_names {
            asset.hide_people();
        }
        asset
    }

    /// Who took a table in, and what it said of people, is for who may see people.
    pub(super) fn import_as_shown(&self, mut import: TableImport) -> TableImport {
        if self.hides_names {
            import.by.clear();
            import.undone = import.undone.map(|(at, _)| (at, String::new()));
            import.rows.iter_mut().for_each(ImportedRow::hide_people);
        }
        import
    }

    /// Who wrote a text of a report is for who may see people.
    pub(super) fn report_text_as_shown(&self, mut text: ReportText) -> ReportText {
        if self.hides_names {
            text.by.clear();
        }
        text
    }

    /// Who issued and registered a report is for who may see people.
    pub(super) fn issued_as_shown(&self, mut issued: IssuedReport) -> IssuedReport {
        if self.hides_names {
            issued.by.clear();
        }
        issued.registration = issued.registration.map(|one| self.registration_as_shown(one));
        issued
    }

    /// Who set a part of the configuration is for who may see people.
    pub(super) fn configuration_as_shown(&self, mut version: ConfigurationVersion) -> ConfigurationVersion {
        if self.hides_names {
            version.who.clear();
        }
        version
    }

    pub(super) fn registration_as_shown(&self, mut registration: Registration) -> Registration {
        if self.hides_names {
            registration.by.clear();
            registration.reason.clear();
        }
        registration
    }

    /// Who ticked an asset is for who may see people.
    pub(super) fn tick_as_shown(&self, mut tick: Tick) -> Tick {
        if self.hides_names {
            tick.by.clear();
        }
        tick
    }

    /// Who found something is for who may see people.
    pub(super) fn find_as_shown(&self, mut find: Find) -> Find {
        if self.hides_names {
            find.by.clear();
            if let Some(settled) = &mut find.settled {
                settled.by.clear();
            }
        }
        find
    }

    /// Who was in a commission is for who may see people.
    pub(super) fn count_as_shown(&self, mut count: InventoryCount) -> InventoryCount {
        if self.hides_names {
            count.hide_people();
        }
        count
    }

    pub(super) fn product_as_shown(&self, mut product: Product) -> Product {
        if self.hides_names {
            product.hide_people();
        }
        product
    }

    pub(super) fn attestation_as_shown(&self, mut attestation: AssetAttestation) -> AssetAttestation {
        if self.hides_names {
            attestation.by.clear();
            attestation.files.iter_mut().for_each(|file| document::HIDDEN.clone_into(&mut file.who));
        }
        attestation
    }

    /// Who stated a backup, and whose word it is that it was made, is for who may see people.
    pub(super) fn expected_backup_as_shown(&self, mut backup: ExpectedBackup) -> ExpectedBackup {
        if self.hides_names {
            for name in [&mut backup.expected.by, &mut backup.seen.attested_by] {
                // That there is somebody's word stays seen.
                if !name.is_empty() {
                    document::HIDDEN.clone_into(name);
                }
            }
        }
        backup
    }

    /// So is who vouched for one, and who added what shows it.
    pub(super) fn kept_as_shown(&self, mut kept: KeptAttestation) -> KeptAttestation {
        if self.hides_names {
            document::HIDDEN.clone_into(&mut kept.attestation.by);
            kept.files.iter_mut().for_each(|file| document::HIDDEN.clone_into(&mut file.who));
        }
        kept
    }

    /// Where a notice went, and what a mail server said of it, names whoever it was for.
    pub(super) fn notice_as_shown(&self, mut notice: OutboxEntry) -> OutboxEntry {
        if self.hides_names {
            notice.address.clear();
            notice.last_error = notice.last_error.map(|_| document::HIDDEN.to_owned());
        }
        notice
    }

    pub(super) fn names_as_shown(&self, mut names: HashMap<u32, String>) -> HashMap<u32, String> {
        if self.hides_names {
            names.retain(|_, name| !is_series_of_person(name));
        }
        names
    }
}

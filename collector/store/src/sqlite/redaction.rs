//! What a reader leaves out for whoever may not see who has an account on a machine (article 12): how many they are is shown, and
//! which is which by a number, so that a chart stays a chart.
//!
//! And what of other places stands in it, for whoever is limited to some. Texts that people read are not here: names are never in them unless they are put in (`ioc_judge::text`).

use std::collections::HashMap;

use serde_json::Value;

use ioc_common::document;
use ioc_common::layout::{Layout, Series};
use ioc_common::metric;
use ioc_judge::deadline::UnitAnswer;
use ioc_judge::{DeviceInfo, Fault, Incident};

use super::reader_connection::SqliteReader;
use crate::inventory::DeviceRecord;
use crate::report::{IssuedReport, ReportText};
use crate::{
    Asset, AssetAttestation, DocumentRecord, EventRecord, ImportedRow, OutboxEntry, Product, StoreError, TableImport,
};

/// Whether a series is of an account: its subject is its name.
fn is_personal(series: &str) -> bool {
    let (metric, subject) = series.split_once('|').unwrap_or((series, ""));
    !subject.is_empty() && metric::find(metric).is_some_and(metric::Metric::is_personal)
}

/// The same series by a number.
fn numbered(series: &str, number: usize) -> Series {
    Series::new(series.split_once('|').map_or(series, |(metric, _)| metric), &format!("#{number}"))
}

impl SqliteReader {
    pub(super) fn layout_as_shown(&self, layout: Layout) -> Option<Layout> {
        if !self.hides_names || !layout.series().iter().any(|series| is_personal(series.as_str())) {
            return Some(layout);
        }
        let shown = |(place, series): (usize, &Series)| {
            if is_personal(series.as_str()) { numbered(series.as_str(), place) } else { series.clone() }
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

    pub(super) fn event_as_shown(&self, mut event: EventRecord) -> EventRecord {
        if self.hides_names && document::is_event_of_people(&event.name) {
            (event.text, event.fields) = document::event_without_personal(event.fields);
        }
        event
    }

    pub(super) fn fault_as_shown(&self, mut fault: Fault) -> Fault {
        if self.hides_names && is_personal(&fault.series) {
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
    pub(super) fn incident_as_shown(&self, mut incident: Incident) -> Result<Incident, StoreError> {
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
            if let Some(registration) = &mut issued.registration {
                registration.by.clear();
            }
        }
        issued
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
        }
        attestation
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
            names.retain(|_, name| !is_personal(name));
        }
        names
    }
}

//! Filings that registers fill: the security-level dossier (article 16.7) and yearly forms. The law pack says which parts, tables and measures there are;
//! here stands what each cell of them is filled from. The record is read once, as of one moment and beside the engine.

mod accounts;
mod evidence;
mod facts;
mod inventory;
mod key;
mod listed;
mod measures;
mod network;
mod software;
mod systems;
mod table;
mod work;

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_document::legal::Pack;
use ioc_document::legal::filing::{Filing, FilingItem, FilingPart, ItemContent};
use ioc_document::report::filing::{Cell, Filled, FilledContent, FilledItem, FilledPart, Origin};
use ioc_document::wording;
use ioc_judge::RuleSet;
use ioc_store::report::DocumentSettings;
use ioc_store::{AccountRecord, Reader, StoreError};
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use key::{FilingKey, FilingKeyError};
pub use listed::{ListedFiling, filings, find};
pub use systems::DECISION as DECISION_TEXT;
pub use work::{Fill, WorkGroup, WorkItem, WorkList};

use crate::moment::as_of_one_moment;
use inventory::Inventory;
use measures::MeasureCounts;

/// So many parts of the work are told as progress.
const PARTS: u32 = 5;

/// What is asked for, and what whoever asks knows that is not in the record.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which filing.
    pub key: FilingKey,
    /// Its form.
    pub filing: Filing,
    /// The pack that asks for it.
    pub pack: Pack,
    /// The level of the system.
    pub level: u8,
    /// What the system is called.
    pub system: String,
    /// The agencies that own and run it, the owner first; may be empty.
    pub agencies: Vec<String>,
    /// What the centre says of itself in documents.
    pub settings: DocumentSettings,
    /// The rules in force.
    pub rules: RuleSet,
    /// The site's time zone.
    pub zone: TimeZone,
    /// What time it is.
    pub now: Timestamp,
    /// The collector's own clock is in doubt.
    pub clock_doubted: bool,
    /// How old a password of an account here may be, days.
    pub password_days: u32,
    /// How long the audit log of users is kept by the rules of retention, days; none where it is kept for good.
    pub log_days: Option<u32>,
    /// Channels that notices go out by.
    pub channels: usize,
}

impl Question {
    /// A moment as a day of the site.
    fn date(&self, at: Timestamp) -> Option<Date> {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(moment.to_zoned_datetime(self.zone.clone()).date())
    }

    fn day(&self, at: Timestamp) -> String {
        self.date(at).map_or_else(|| at.to_string(), wording::short_date)
    }
}

/// What was gathered.
#[derive(Debug, Clone, PartialEq)]
pub struct FilingFacts {
    /// Which filing.
    pub key: FilingKey,
    /// As of when.
    pub at: Timestamp,
    /// What filled itself; what people wrote is put in afterwards.
    pub filled: Filled,
    /// What is to be filled in registers and settings.
    pub work: WorkList,
    /// Measures of the level that are met, and all of them.
    pub measures: [u64; 2],
}

/// What is read for a filing.
struct Gathering<'a> {
    reader: &'a dyn Reader,
    asked: &'a Question,
    inventory: Inventory,
    accounts: Vec<AccountRecord>,
    /// What people wrote into the dossier: a yearly form takes its approval from there.
    dossier: BTreeMap<String, String>,
    dossier_issued: Option<Timestamp>,
    evidence: evidence::Facts,
    measures: MeasureCounts,
    work: WorkList,
}

/// Gathers a filing as of one moment. `progress` hears how many of how many parts are done, and says whether to go on.
///
/// # Errors
/// [`StoreError`] when the record cannot be read. Nothing where it was not to go on.
pub fn gather(
    reader: &dyn Reader,
    asked: &Question,
    progress: &dyn Fn(u32, u32) -> bool,
) -> Result<Option<FilingFacts>, StoreError> {
    as_of_one_moment(reader, |reader| gather_now(reader, asked, progress))
}

/// The same within a moment that is held already.
///
/// # Errors
/// As above.
pub(crate) fn gather_now(
    reader: &dyn Reader,
    asked: &Question,
    progress: &dyn Fn(u32, u32) -> bool,
) -> Result<Option<FilingFacts>, StoreError> {
    let inventory = Inventory::read(reader)?;
    if !progress(1, PARTS) {
        return Ok(None);
    }
    let dossier = FilingKey::dossier().to_string();
    let issued = reader.issued_reports(Some(&dossier), None, 1)?.first().map(|one| one.at);
    let texts = reader.report_texts(&dossier)?.into_iter().map(|text| (text.key, text.text)).collect();
    let mut all = Gathering {
        reader,
        asked,
        inventory,
        accounts: reader.accounts()?,
        dossier: texts,
        dossier_issued: issued,
        evidence: evidence::Facts::read(reader, asked)?,
        measures: MeasureCounts::default(),
        work: WorkList::default(),
    };
    all.measures = measures::counts(&all);
    if !progress(2, PARTS) {
        return Ok(None);
    }
    let mut parts = Vec::new();
    let of_level = |part: &&FilingPart| part.levels.is_empty() || part.levels.contains(&asked.level);
    for part in asked.filing.parts.iter().filter(of_level) {
        let mut items = Vec::new();
        for item in &part.items {
            items.push(all.item(part, item)?);
        }
        parts.push(FilledPart {
            id: part.id.clone(),
            title: part.title.clone(),
            basis: part.basis.clone(),
            annex: part.annex,
            landscape: part.landscape,
            items,
        });
        if !progress(3, PARTS) {
            return Ok(None);
        }
    }
    progress(PARTS, PARTS);
    Ok(Some(FilingFacts {
        key: asked.key.clone(),
        at: asked.now,
        filled: Filled { parts },
        work: all.work,
        measures: [all.measures.met, all.measures.all],
    }))
}

impl Gathering<'_> {
    fn item(&mut self, part: &FilingPart, item: &FilingItem) -> Result<FilledItem, StoreError> {
        let key = format!("{}/{}", part.id, item.id);
        let content = match &item.content {
            ItemContent::Text { what, preset } => {
                let cell = Cell::new(preset.clone().unwrap_or_default(), Origin::Pack);
                FilledContent::Text(cell.asked(key, what.clone()))
            }
            ItemContent::Facts(lines) => FilledContent::Table(facts::table(self, &key, lines)?),
            ItemContent::Devices(columns) => FilledContent::Table(inventory::table(self, columns)),
            ItemContent::Services(columns) => FilledContent::Table(network::services(self, &key, columns)),
            ItemContent::Zones(columns) => FilledContent::Table(network::zones(self, &key, columns)),
            ItemContent::Links(columns) => FilledContent::Table(network::links(self, columns)),
            ItemContent::Places(columns) => FilledContent::Table(network::places(self, columns)),
            ItemContent::Software(columns) => FilledContent::Table(software::table(self, columns)?),
            ItemContent::Accounts(columns) => FilledContent::Table(accounts::table(self, columns)?),
            ItemContent::Systems(columns) => FilledContent::Table(systems::table(self, &key, columns)),
            ItemContent::Measures(columns, groups) => FilledContent::Table(measures::table(self, columns, groups)),
        };
        Ok(FilledItem { id: item.id.clone(), title: item.title.clone(), content })
    }

    /// Who mends what lacks, where nobody nearer is named.
    fn unit(&self) -> String {
        self.asked.settings.unit.clone()
    }
}

#[cfg(test)]
mod tests;

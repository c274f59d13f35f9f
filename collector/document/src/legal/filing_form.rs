//! Filings, measures, zones and levels of a pack as they are written, and their checks.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::filing::{
    CellColumn, CellName, EvidenceKey, FactCell, FactLine, Filing, FilingItem, FilingKind, FilingPart, ItemContent,
    KnownKind, KnownService, LevelBasis, Measure, MeasureGroup, RequiredZone,
};
use super::{LEVELS, Report, Requirement, Sure, Wrong};

/// Most columns of a table: more have no room on paper.
const COLUMNS_MAX: usize = 14;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilingForm {
    pub(super) id: String,
    title: String,
    kind: KindForm,
    heading: Option<String>,
    abbreviation: Option<String>,
    summary: String,
    article: String,
    report: Option<String>,
    #[serde(default)]
    signed: bool,
    sure: Sure,
    #[serde(default)]
    part: Vec<PartForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindForm {
    Dossier,
    Letter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartForm {
    id: String,
    title: String,
    basis: String,
    #[serde(default)]
    annex: bool,
    #[serde(default)]
    landscape: bool,
    #[serde(default)]
    levels: Vec<u8>,
    #[serde(default)]
    item: Vec<ItemForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RowsForm {
    Text,
    Facts,
    Devices,
    Services,
    Zones,
    Links,
    Places,
    Software,
    Accounts,
    Systems,
    Measures,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemForm {
    id: String,
    title: Option<String>,
    rows: RowsForm,
    what: Option<String>,
    preset: Option<String>,
    #[serde(default)]
    columns: Vec<ColumnForm>,
    #[serde(default)]
    lines: Vec<LineForm>,
    #[serde(default)]
    groups: Vec<MeasureGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnForm {
    title: String,
    from: String,
    #[serde(default = "one")]
    width: u16,
}

const fn one() -> u16 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineForm {
    id: String,
    name: String,
    from: String,
    what: Option<String>,
    preset: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasureForm {
    pub(super) id: String,
    group: MeasureGroup,
    what: String,
    basis: String,
    levels: Vec<u8>,
    how: Option<String>,
    evidence: EvidenceKey,
    requirement: Option<String>,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneForm {
    pub(super) id: String,
    name: String,
    levels: Vec<u8>,
    words: Vec<String>,
    basis: String,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelForm {
    pub(super) level: u8,
    text: String,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceForm {
    pub(super) port: String,
    name: String,
    purpose: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceKindForm {
    pub(super) kind: String,
    name: String,
    purpose: Option<String>,
}

/// Whether it can stand in an address, and in the key of a text.
fn is_plain(id: &str) -> bool {
    let plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || matches!(one, '-' | '.');
    !id.is_empty() && id.len() <= 40 && id.chars().all(plain)
}

fn id_of(what: &str, id: &str) -> Result<(), Wrong> {
    if is_plain(id) {
        return Ok(());
    }
    let message = format!("found the id {id:?} of {what}; allowed are 1 to 40 lower case letters, digits, - and .");
    Err((message, "write for example \"overview\""))
}

fn levels_of(what: &str, levels: &[u8]) -> Result<(), Wrong> {
    if levels.iter().all(|level| LEVELS.contains(level)) {
        return Ok(());
    }
    Err((format!("found the levels {levels:?} of {what}; allowed are 1 to 5"), "write for example levels = [2, 3]"))
}

fn columns<C: CellName>(item: &str, forms: Vec<ColumnForm>) -> Result<Vec<CellColumn<C>>, Wrong> {
    if forms.is_empty() || forms.len() > COLUMNS_MAX {
        let message = format!("found {} columns of {item}; allowed are 1 to {COLUMNS_MAX}", forms.len());
        return Err((message, "write columns = [{ title = \"…\", from = \"…\" }, …]"));
    }
    let column = |form: ColumnForm| {
        let from = C::named(&form.from).ok_or_else(|| {
            let all = C::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let message = format!("found a column of {item} from {:?}; allowed are {all}", form.from);
            (message, "correct what fills the column")
        })?;
        Ok(CellColumn { title: form.title, width: form.width.max(1), from })
    };
    forms.into_iter().map(column).collect()
}

fn line(item: &str, form: LineForm) -> Result<FactLine, Wrong> {
    let LineForm { id, name, from, what, preset } = form;
    id_of("a line", &id)?;
    let from = FactCell::named(&from).ok_or_else(|| {
        let all = FactCell::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        (format!("found a line of {item} from {from:?}; allowed are {all}"), "correct what fills the line")
    })?;
    let what = what.unwrap_or_else(|| name.clone());
    Ok(FactLine { id, name, from, what, preset })
}

fn item(form: ItemForm) -> Result<FilingItem, Wrong> {
    let ItemForm { id, title, rows, what, preset, columns: of, lines, groups } = form;
    id_of("an item", &id)?;
    let content = match rows {
        RowsForm::Text => {
            let missing = || (format!("found the text {id} without what is to be written"), "write what = \"…\"");
            ItemContent::Text { what: what.ok_or_else(missing)?, preset }
        }
        RowsForm::Facts => {
            let lines: Vec<FactLine> = lines.into_iter().map(|one| line(&id, one)).collect::<Result<_, _>>()?;
            let different: BTreeSet<&str> = lines.iter().map(|line| line.id.as_str()).collect();
            if lines.is_empty() || different.len() < lines.len() {
                return Err((format!("found {id} without lines, or one of them twice"), "give it lines, each its id"));
            }
            ItemContent::Facts(lines)
        }
        RowsForm::Devices => ItemContent::Devices(columns(&id, of)?),
        RowsForm::Services => ItemContent::Services(columns(&id, of)?),
        RowsForm::Zones => ItemContent::Zones(columns(&id, of)?),
        RowsForm::Links => ItemContent::Links(columns(&id, of)?),
        RowsForm::Places => ItemContent::Places(columns(&id, of)?),
        RowsForm::Software => ItemContent::Software(columns(&id, of)?),
        RowsForm::Accounts => ItemContent::Accounts(columns(&id, of)?),
        RowsForm::Systems => ItemContent::Systems(columns(&id, of)?),
        RowsForm::Measures => ItemContent::Measures(columns(&id, of)?, groups),
    };
    Ok(FilingItem { id, title, content })
}

fn part(form: PartForm) -> Result<FilingPart, Wrong> {
    let PartForm { id, title, basis, annex, landscape, levels, item: items } = form;
    id_of("a part", &id)?;
    levels_of(&id, &levels)?;
    let items: Vec<FilingItem> = items.into_iter().map(item).collect::<Result<_, _>>()?;
    let different: BTreeSet<&str> = items.iter().map(|item| item.id.as_str()).collect();
    if items.is_empty() || different.len() < items.len() {
        return Err((format!("found the part {id} without items, or one of them twice"), "give each an id of its own"));
    }
    Ok(FilingPart { id, title, basis, annex, landscape, levels, items })
}

pub(super) fn filing(form: FilingForm, reports: &[Report]) -> Result<Filing, Wrong> {
    let FilingForm { id, title, kind, heading, abbreviation, summary, article, report, signed, sure, part: parts } =
        form;
    id_of("a filing", &id)?;
    if id.contains('.') {
        return Err((format!("found the id {id:?}; a filing's has no ."), "write for example \"level-dossier\""));
    }
    let kind = match (kind, heading, abbreviation) {
        (KindForm::Letter, None, None) => FilingKind::Letter,
        (KindForm::Letter, _, _) => {
            return Err((format!("found a title of the letter {id}"), "remove heading and abbreviation"));
        }
        (KindForm::Dossier, Some(title), Some(abbreviation)) => FilingKind::Dossier { title, abbreviation },
        (KindForm::Dossier, _, _) => {
            return Err((format!("found {id} without a title"), "write heading and abbreviation"));
        }
    };
    if let Some(report) = &report
        && !reports.iter().any(|one| one.id == *report && one.due.is_some())
    {
        let message = format!("found the report {report:?} of {id}, which is none of this pack that has a day");
        return Err((message, "name a yearly [[report]] with due of the same file, or leave report out"));
    }
    let parts: Vec<FilingPart> = parts.into_iter().map(part).collect::<Result<_, _>>()?;
    let different: BTreeSet<&str> = parts.iter().map(|part| part.id.as_str()).collect();
    if parts.is_empty() || different.len() < parts.len() {
        return Err((format!("found {id} without parts, or one of them twice"), "give it [[filing.part]]"));
    }
    Ok(Filing { id, title, kind, summary, article, report, signed, parts, sure })
}

pub(super) fn measure(form: MeasureForm, requirements: &[Requirement]) -> Result<Measure, Wrong> {
    let MeasureForm { id, group, what, basis, levels, how, evidence, requirement, sure } = form;
    id_of("a measure", &id)?;
    levels_of(&id, &levels)?;
    if levels.is_empty() {
        return Err((format!("found the measure {id} of no level"), "write for example levels = [1, 2, 3]"));
    }
    if evidence != EvidenceKey::People && how.is_none() {
        return Err((format!("found the measure {id} without how it is carried out"), "write how = \"…\""));
    }
    if let Some(of) = &requirement
        && !requirements.iter().any(|one| one.id == *of)
    {
        let message = format!("found the requirement {of:?} of the measure {id}, which this pack has not");
        return Err((message, "name a [[requirement]] of the same file, or leave it out"));
    }
    Ok(Measure { id, group, what, basis, levels, how, evidence, requirement, sure })
}

pub(super) fn zone(form: ZoneForm) -> Result<RequiredZone, Wrong> {
    let ZoneForm { id, name, levels, words, basis, sure } = form;
    id_of("a zone", &id)?;
    levels_of(&id, &levels)?;
    if words.iter().all(|word| word.trim().is_empty()) {
        return Err((format!("found the zone {id} without words"), "say by which words a zone is known as this one"));
    }
    Ok(RequiredZone { id, name, levels, words, basis, sure })
}

pub(super) fn level(form: LevelForm) -> Result<LevelBasis, Wrong> {
    levels_of("a basis", &[form.level])?;
    Ok(LevelBasis { level: form.level, text: form.text, sure: form.sure })
}

pub(super) fn service(form: ServiceForm) -> Result<KnownService, Wrong> {
    let ServiceForm { port, name, purpose } = form;
    let number = port.strip_prefix("tcp/").or_else(|| port.strip_prefix("udp/"));
    if number.and_then(|number| number.parse::<u16>().ok()).is_none() {
        return Err((
            format!("found the port {port:?}; allowed are tcp/ or udp/ and a number"),
            "write for example \"tcp/443\"",
        ));
    }
    Ok(KnownService { port, name, purpose })
}

pub(super) fn kind(form: DeviceKindForm) -> Result<KnownKind, Wrong> {
    let DeviceKindForm { kind, name, purpose } = form;
    id_of("a kind of devices", &kind)?;
    Ok(KnownKind { kind, name, purpose })
}

//! Search from everywhere: what a person most likely wants to go to, by a few letters typed into the head of any page.
//!
//! Pages, devices, incidents, rules, articles and people, a handful of each; while somebody types it is only the list, without the page
//! around it. Who may see what is decided by the store and by the right that each page needs; records are looked through by `search`, and by
//! it alone, so that names of people are found by who may see them only. All that is on record is on that page.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_judge::duty::Plan;
use ioc_judge::{Incident, RuleSet};
use ioc_store::search::{FoundRecord, SearchKind, SearchQuery, WordsQuery, folded};
use ioc_store::template::percent_encoded;
use ioc_store::{AssetField, AssetQuery, DeviceQuery, DeviceSort, Reader, Right, StoreError};

use crate::app::App;
use crate::device::row::{DeviceRow, rows_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::search;
use crate::tone::Tone;

/// Of each sort, so many are shown: whoever wants more types more.
const EACH: usize = 6;
/// Longest text that is looked for, characters.
const TEXT_MAX: usize = 100;
/// Fewer characters than this find nothing but pages and numbers.
const SHORT: usize = 2;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct QuickSearchQuery {
    q: String,
}

/// What was found.
struct Found {
    /// The end of the key of what it is: `page`, `device`, `incident`, `rule`, `article`, `person` or `record`.
    kind: &'static str,
    tone: Option<Tone>,
    title: String,
    /// What tells it from others of its sort; may be empty.
    detail: String,
    link: String,
}

#[derive(Template)]
#[template(path = "quick-search.html")]
struct QuickSearchPage {
    page_context: PageContext,
    q: String,
    found: Vec<Found>,
}

/// A page that is found by its name: its address, the key of what it is called, and the right that it needs; then other words for it, in both
/// languages and without marks.
type Place = (&'static str, &'static str, Option<Right>, &'static str);

const PLACES: &[Place] = &[
    ("/", "overview", None, "trang chu home dashboard"),
    ("/devices", "devices", None, "may chu may tram hosts servers"),
    ("/incidents", "incidents", None, "loi canh bao alerts"),
    ("/incidents/new", "incident-new", Some(Right::Handle), "bao su co open report"),
    ("/duty", "duty-short", None, "lich truc ca truc rota on call"),
    ("/maintenance", "maintenance-short", None, "tam dung silence window"),
    ("/plan", "rooms-short", None, "phong tu rack so do rooms"),
    ("/rooms", "rooms-power", None, "nguon dien ups power"),
    ("/sensors", "sensors-all", None, "nhiet do do am temperature"),
    ("/rules", "rules", None, "quy tac nguong canh bao threshold"),
    ("/jobs", "jobs", None, "cong viec dinh ky cron heartbeat"),
    ("/system-backups", "system-backups", None, "sao luu backup"),
    ("/register/assets", "register-assets", None, "tai san inventory"),
    ("/register/software", "register-software", None, "phan mem ban quyen software"),
    ("/register/accounts", "register-accounts", None, "tai khoan nguoi dung users"),
    ("/register/counts", "register-counts", None, "kiem ke stocktaking"),
    ("/labels", "labels", None, "tem nhan qr in print"),
    ("/reports", "reports", Some(Right::Audit), "bao cao ho so"),
    ("/search", "search-records", None, "tra cuu lich su history"),
    ("/wall", "wall", None, "man hinh ghep display"),
    ("/account", "account", None, "mat khau password ma truy cap token"),
    ("/enrolment/add", "add-machines", Some(Right::Administer), "cai dat agent install token"),
    ("/enrolment", "enrolment", Some(Right::Administer), "ma dang ky duyet may tokens approve"),
    ("/accounts", "accounts", Some(Right::Administer), "nguoi dung phan quyen users roles"),
    ("/admin", "admin", Some(Right::Administer), "he thong cau hinh quy tac settings rules"),
    ("/configuration", "configuration", Some(Right::Administer), "cau hinh kenh email sms don vi channels settings"),
    ("/admin/records", "records", Some(Right::Administer), "luu tru xoa retention"),
    ("/settings", "settings", Some(Right::Administer), "thiet lap agent settings"),
    ("/audit", "audit", Some(Right::Audit), "nhat ky thao tac log"),
    ("/people", "person-data", Some(Right::Administer), "du lieu ca nhan privacy"),
    ("/api", "find-page-api", None, "openapi tich hop integration"),
];

/// Whether all words that were typed stand in a text.
fn holds(text: &str, asked: &str) -> bool {
    let text = folded(text);
    !asked.is_empty() && asked.split(' ').all(|word| text.contains(word))
}

fn places(page_context: &PageContext, person: &Person, asked: &str) -> Vec<Found> {
    let all = PLACES.iter().filter(|(_, _, right, _)| right.is_none_or(|right| person.may(right)));
    let found = all.filter_map(|(address, key, _, words)| {
        let title = page_context.t(key);
        holds(&format!("{title} {words}"), asked).then(|| Found {
            kind: "page",
            tone: None,
            title,
            detail: String::new(),
            link: (*address).to_owned(),
        })
    });
    found.take(EACH).collect()
}

/// A text that is an article of the regulation, such as `18.2` or `5.1a`.
fn article_of(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let known = (1..=2).contains(&digits) && rest.len() <= 6;
    let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    (known && plain && (rest.contains('.') || text.len() != rest.len())).then_some(rest)
}

fn articles(page_context: &PageContext, q: &str) -> Option<Found> {
    let article = article_of(q)?;
    Some(Found {
        kind: "article",
        tone: None,
        title: format!("{} {article}", page_context.t("article")),
        detail: page_context.t("find-article-about"),
        link: format!("/search?article={}", percent_encoded(article)),
    })
}

/// Rules by their words, identifiers and articles.
fn rules(page_context: &PageContext, all: &RuleSet, asked: &str) -> Vec<Found> {
    let named = all.rules().iter().filter(|rule| {
        let title = rule.title.get(page_context.language);
        rule.override_reason.is_empty() && holds(&format!("{title} {} {}", rule.id, rule.article), asked)
    });
    let found = named.take(EACH).map(|rule| Found {
        kind: "rule",
        tone: None,
        title: rule.title.get(page_context.language).to_owned(),
        detail: rule.sentence().get(page_context.language).to_owned(),
        link: format!("/rules/{}", percent_encoded(&rule.id)),
    });
    found.collect()
}

/// Devices by what they are called, their place and tags first, then by what their register has of them: serial number, addresses, model.
fn devices(reader: &dyn Reader, q: &str, now: Timestamp) -> Result<Vec<Found>, StoreError> {
    let query = DeviceQuery { search: q.to_owned(), sort: DeviceSort::Name, limit: EACH, ..DeviceQuery::default() };
    let rows: Vec<DeviceRow> = rows_of(&query, reader, now)?;
    let mut seen: BTreeSet<String> = rows.iter().map(|row| row.record.info.id.to_string()).collect();
    let found = rows.into_iter().map(|row| {
        let info = &row.record.info;
        let parts = [info.id.as_str(), &info.label, &info.place];
        let detail: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Found {
            kind: "device",
            tone: Some(row.tone),
            title: info.name.clone(),
            detail: detail.join(" · "),
            link: format!("/devices/{}", info.id),
        }
    });
    let mut found: Vec<Found> = found.collect();
    if found.len() < EACH {
        let assets = reader.assets(&AssetQuery { search: q.to_owned(), limit: EACH, ..AssetQuery::default() })?;
        for asset in assets {
            let id = asset.device.to_string();
            if found.len() < EACH && seen.insert(id.clone()) {
                let matched = AssetField::ALL.into_iter().filter(|field| !field.is_personal());
                let text =
                    matched.map(|field| asset.text(field)).find(|text| text.to_lowercase().contains(&q.to_lowercase()));
                let title = asset.text(AssetField::Name).to_owned();
                let detail = text.map_or_else(|| id.clone(), |text| format!("{id} · {text}"));
                found.push(Found { kind: "device", tone: None, title, detail, link: format!("/devices/{id}") });
            }
        }
    }
    Ok(found)
}

/// An incident by its number, as it stands in notices: `INC-000017`, `#17`, `17`.
fn numbered(q: &str) -> Option<IncidentId> {
    let lower = q.to_lowercase();
    let digits = ["inc-", "inc", "#"].iter().find_map(|start| lower.strip_prefix(start)).unwrap_or(&lower);
    digits.parse().ok().map(IncidentId)
}

/// Accounts of this collector, for who administers them.
fn people(reader: &dyn Reader, asked: &str) -> Result<Vec<Found>, StoreError> {
    let all = reader.accounts()?.into_iter().filter(|one| holds(&format!("{} {}", one.name, one.full_name), asked));
    let found = all.take(EACH).map(|one| Found {
        kind: "person",
        tone: None,
        title: if one.full_name.is_empty() { one.name.clone() } else { one.full_name.clone() },
        detail: one.name.clone(),
        link: format!("/people?name={}", percent_encoded(&one.name)),
    });
    Ok(found.collect())
}

/// People of the duty plan, who are known in the house.
fn on_duty(plan: &Plan, asked: &str) -> Vec<Found> {
    let named = plan.people.iter().filter(|person| holds(&person.name, asked)).take(EACH);
    let found = named.map(|person| Found {
        kind: "person",
        tone: None,
        title: person.name.clone(),
        detail: String::new(),
        link: "/duty".to_owned(),
    });
    found.collect()
}

fn incident_found(page_context: &PageContext, one: &Incident) -> Found {
    Found {
        kind: "incident",
        tone: Some(Tone::of_incident(one)),
        title: one.title.get(page_context.language).to_owned(),
        detail: format!("{} · {}", one.id, page_context.short(&one.opened_at)),
        link: format!("/incidents/{}", one.id.0),
    }
}

/// Incidents with these words, the newest first.
async fn incidents(app: &App, person: &Person, page_context: &PageContext, q: &str) -> Vec<Found> {
    let words = WordsQuery::parse(&format!("{q}*"));
    if words.is_empty() {
        return Vec::new();
    }
    let query = SearchQuery { words, kinds: vec![SearchKind::Incident], limit: EACH, ..SearchQuery::default() };
    // What cannot be looked through now is no reason to show nothing else; the page of records says why.
    let hits = search::find(app, person, query).await.map(|page| page.hits).unwrap_or_default();
    let found = hits.into_iter().filter_map(|hit| match hit.record {
        FoundRecord::Incident(one) => Some(incident_found(page_context, &one)),
        _ => None,
    });
    found.collect()
}

/// What is found, as a page; as its list alone while somebody types.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<QuickSearchQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let q: String = query.q.trim().chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect();
    let asked = folded(&q);
    let mut found = places(&page_context, &person, &asked);
    let (administers, number) = (person.may(Right::Administer), numbered(&q));
    let is_long = q.chars().count() >= SHORT;
    let (now, typed, words) = (page_context.now, q.clone(), asked.clone());
    let read = app.read(&person.scope, move |reader| {
        let incident = number.map(|number| reader.incident(number)).transpose()?.flatten();
        let devices = if is_long { devices(reader, &typed, now)? } else { Vec::new() };
        let people = if is_long && administers { people(reader, &words)? } else { Vec::new() };
        Ok((incident, devices, people))
    });
    let (incident, devices, people) = match read.await {
        Ok(read) => read,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    found.extend(incident.map(|whole| incident_found(&page_context, &whole.0)));
    found.extend(devices);
    found.extend(people);
    if is_long {
        found.extend(on_duty(&app.config().plan, &asked));
    }
    found.extend(articles(&page_context, &q));
    if is_long {
        found.extend(rules(&page_context, &app.rules(), &asked));
        let known: BTreeSet<String> = found.iter().map(|one| one.link.clone()).collect();
        let more = incidents(&app, &person, &page_context, &q).await;
        found.extend(more.into_iter().filter(|one| !known.contains(&one.link)));
        found.push(Found {
            kind: "record",
            tone: None,
            title: page_context.t_with("find-records", "words", q.clone()),
            detail: String::new(),
            link: format!("/search?q={}", percent_encoded(&q)),
        });
    }
    Ok(show(&QuickSearchPage { page_context, q, found }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_articles_are_known_by_how_they_are_written() {
        assert_eq!(numbered("17"), Some(IncidentId(17)));
        assert_eq!(numbered("#17"), Some(IncidentId(17)));
        assert_eq!(numbered("INC-000017"), Some(IncidentId(17)));
        assert_eq!(numbered("srv-01"), None, "a device's name is no number");
        assert_eq!(numbered("máy"), None);
        for (text, article) in [("18.2", Some("18.2")), ("5.1a", Some("5.1a")), ("điều 17", Some("17")), ("17", None)]
        {
            assert_eq!(article_of(text), article, "{text}");
        }
        assert_eq!(article_of("10.0.0.1"), None, "an address is no article");
        assert_eq!(article_of("srv"), None);
    }

    #[test]
    fn every_page_that_is_found_is_called_something() {
        let texts = crate::i18n::Texts::load();
        for (address, key, _, words) in PLACES {
            for language in ioc_common::language::Language::ALL {
                assert!(texts.has(language, key), "{address}: {key}");
            }
            assert_eq!(folded(words), *words, "{address}: other words are written without marks");
        }
    }

    #[test]
    fn words_are_found_with_and_without_marks() {
        assert!(holds("Sự cố đang mở", "su co") && holds("Bộ lưu điện", &folded("LƯU điện")));
        assert!(!holds("Sự cố", "") && !holds("Sự cố", "phong"));
    }
}

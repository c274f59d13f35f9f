//! What happened on a device: what it says in the reader's language, remarks that people add, the list in the API.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use fluent_bundle::FluentArgs;
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::document;
use ioc_common::language::Language;
use ioc_common::report::LossReason;

use crate::api::{ApiResult, ListQuery, Page, device_id};
use crate::api_types::{self, all};
use crate::app::App;
use crate::i18n::Texts;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_engine::command::Command;
use ioc_store::{EventRecord, Reader};

/// The text of an event; `local` writes a moment, `length` a span of milliseconds.
fn text_of(
    texts: &Texts,
    language: Language,
    event: &EventRecord,
    local: impl Fn(&Timestamp) -> String,
    length: impl Fn(i64) -> String,
) -> String {
    let field = |name: &str| event.fields.get(name);
    let moment = |name: &str| field(name).and_then(|at| at.parse().ok()).map(|at| local(&at));
    let number = |name: &str| field(name).and_then(|count| count.parse::<u64>().ok());
    let mut args = FluentArgs::new();
    let key = match event.name.as_str() {
        "reports.lost" => {
            let (Some(count), Some(until)) = (number("count"), moment("until")) else { return event.text.clone() };
            let key = if field("from").is_some() { "event-text-lost-between" } else { "event-text-lost-before" };
            args.set("count", count);
            args.set("until", until);
            args.set("from", moment("from").unwrap_or_default());
            let whys = LossReason::ALL.into_iter().map(LossReason::as_str).filter_map(|why| Some((why, number(why)?)));
            let whys = whys.map(|(why, count)| {
                format!("{count} {}", texts.get(language, &format!("event-why-{}", why.replace('_', "-"))))
            });
            args.set("why", whys.collect::<Vec<_>>().join(", "));
            key
        }
        "agent.cut_off" => "event-text-cut-off",
        "device.rebooted" => "event-text-rebooted",
        "device.silent" => "event-text-silent",
        "device.back" => "event-text-back",
        "agent.goodbye" => {
            let Some(within_s) = number("return_within_s") else { return event.text.clone() };
            args.set("within", length(i64::try_from(within_s).unwrap_or(i64::MAX).saturating_mul(1000)));
            match field("reason").map(String::as_str) {
                Some("stop") => "event-text-goodbye-stop",
                Some("shutdown") => "event-text-goodbye-shutdown",
                _ => "event-text-goodbye",
            }
        }
        _ => return event.text.clone(),
    };
    texts.with(language, key, &args)
}

impl PageContext {
    /// What an event says.
    pub(crate) fn event_text(&self, event: &EventRecord) -> String {
        text_of(self.texts(), self.language, event, |at| self.local(at), |ms| self.duration(ms))
    }
}

/// What happened on a device, newest first.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<api_types::incident::EventRecord>> {
    let (id, before, limit) = (device_id(&id)?, query.before()?, query.limit());
    let subject = id.to_string();
    let names = |items: &Vec<EventRecord>| items.iter().any(|event| document::is_event_of_people(&event.name));
    let read = move |reader: &dyn Reader| reader.events(&id, before, limit);
    let items = personal_data::read(&app, &person, (&subject, "events"), names, read).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|event| event.number.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

/// What a person says of a device.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemarkBody {
    /// 1 to 1000 characters.
    text: String,
}

/// Keeps what a person says of a device among what happened there.
pub(crate) async fn api_remark(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(body): Json<RemarkBody>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    app.carry_out(&person, Command::Remark { device, text: body.text, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// The same by the page's form.
pub(crate) async fn remark(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(body): Form<RemarkBody>,
) -> PageResult {
    let refuse = |problem| Failure::new(page_context(&app, &person, &headers), problem);
    let device = device_id(&id).map_err(refuse)?;
    let command = Command::Remark { device, text: body.text, actor: person.name.clone() };
    app.carry_out(&person, command).await.map_err(|error| refuse(error.into()))?;
    Ok(Redirect::to(&format!("/devices/{id}#events")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_in(language: Language, name: &str, fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (at, text) = (Timestamp::from_millis(0), "as it was said".to_owned());
        let event = EventRecord { number: 1, at, name: name.to_owned(), text, fields };
        let text =
            text_of(&Texts::load(), language, &event, |at| format!("<{}>", at.as_millis()), |ms| format!("<{ms} ms>"));
        // Fluent sets what is put in apart, for texts that are written the other way round.
        text.replace(['\u{2068}', '\u{2069}'], "")
    }

    #[test]
    fn what_the_collector_says_of_a_device_is_said_in_the_readers_language() {
        let (from, until) = (Timestamp::from_millis(1000).to_string(), Timestamp::from_millis(2000).to_string());
        let mut lost = vec![("count", "3"), ("corrupt", "2"), ("unknown", "1"), ("until", until.as_str())];
        let text = text_in(Language::Vietnamese, "reports.lost", &lost);
        assert_eq!(text, "mất 3 báo cáo lấy trước <2000>: 2 bị hỏng trên đĩa của thiết bị, 1 thiếu, không rõ lý do");
        lost.push(("from", &from));
        let text = text_in(Language::English, "reports.lost", &lost);
        assert!(text.starts_with("3 reports are lost, taken between <1000> and <2000>: 2 damaged"), "{text}");
        for why in LossReason::ALL.map(LossReason::as_str) {
            let text = text_in(Language::Vietnamese, "reports.lost", &[("count", "1"), (why, "1"), ("until", &until)]);
            assert!(!text.contains("event-") && !text.ends_with("1 "), "{text}");
        }
        for language in Language::ALL {
            for (name, fields) in [
                ("agent.cut_off", vec![]),
                ("device.rebooted", vec![]),
                ("device.silent", vec![]),
                ("device.back", vec![]),
                ("agent.goodbye", vec![("return_within_s", "60"), ("reason", "stop")]),
                ("agent.goodbye", vec![("return_within_s", "60"), ("reason", "shutdown")]),
                ("agent.goodbye", vec![("return_within_s", "60"), ("reason", "other")]),
            ] {
                let text = text_in(language, name, &fields);
                assert!(!text.contains("event-") && !text.contains("as it was said"), "{text}");
                assert!(fields.is_empty() || text.contains("<60000 ms>"), "{text}");
            }
        }
        assert_ne!(
            text_in(Language::Vietnamese, "agent.cut_off", &[]),
            text_in(Language::English, "agent.cut_off", &[])
        );
        assert_eq!(text_in(Language::Vietnamese, "usb.attached", &[]), "as it was said", "a device's own words");
        assert_eq!(text_in(Language::Vietnamese, "agent.goodbye", &[]), "as it was said", "of an older collector");
    }
}

//! One rule: what it says, where it stands now, how often it raised and what became of that, how it is different for some; and its change, tried before
//! it is made. As a page and in the API.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_engine::command::CommandError;
use ioc_engine::config::PartInForce;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_judge::{Fault, Rule, RuleCondition};
use ioc_store::FaultQuery;
use ioc_store::configuration::Part;

use super::counted;
use super::form::{RuleForm, is_own, text_without, text_without_rule, whom_of};
use super::list::{self, RuleItem, RuleRow};
use super::preview;
use crate::api::ApiResult;
use crate::app::App;
use crate::configuration;
use crate::device::name::{name_of, names_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, problem_text, refusal_text, show_again};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use crate::report_drafts::Draft;
use crate::rule_previews::PreviewResult;
use crate::tone::Tone;

/// Faults that are listed.
const FAULTS: usize = 50;
/// The page is asked for again so soon while a preview is made, seconds.
const AGAIN_S: &str = "1";

/// A preview, as far as it has come.
pub(super) enum PreviewState {
    Running { done: u32, all: u32 },
    Done(Arc<PreviewResult>),
    Failed(String),
}

impl PreviewState {
    /// What is shown of a preview that was asked for, and why there is none.
    pub(super) fn of(
        page_context: &PageContext,
        asked: Result<Option<Draft<PreviewResult>>, CommandError>,
    ) -> (Option<Self>, Option<String>) {
        match asked {
            Ok(None) => (None, None),
            Ok(Some(Draft::Gathering { done, all })) => (Some(Self::Running { done, all }), None),
            Ok(Some(Draft::Done(result))) => (Some(Self::Done(result)), None),
            Ok(Some(Draft::Failed(why))) => (Some(Self::Failed(problem_text(page_context, &why))), None),
            Err(refused) => (None, Some(refusal_text(page_context, &refused))),
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// The page is asked for again while a preview is made.
pub(super) fn again(mut response: Response, preview: Option<&PreviewState>) -> Response {
    if preview.is_some_and(PreviewState::is_running) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static(AGAIN_S));
    }
    response
}

#[derive(Template)]
#[template(path = "rule.html")]
struct RulePage {
    page_context: PageContext,
    row: RuleRow,
    faults: Vec<Fault>,
    names: HashMap<DeviceId, String>,
    /// The part, as it is in force.
    now: PartInForce,
    typed: RuleForm,
    preview: Option<PreviewState>,
    error: Option<String>,
}

impl RulePage {
    fn rule(&self) -> &Rule {
        &self.row.rule
    }

    fn sentence(&self) -> String {
        self.rule().sentence().get(self.page_context.language).to_owned()
    }

    fn difference(&self, one: &Rule) -> String {
        if one.off {
            self.page_context.t("rule-off")
        } else {
            one.sentence().get(self.page_context.language).to_owned()
        }
    }

    fn scope_text(&self, rule: &Rule) -> String {
        let text = self.page_context.scope_text(&rule.scope);
        if text.is_empty() { self.page_context.t("rule-for-all") } else { text }
    }

    fn name_of<'s>(&'s self, fault: &'s Fault) -> &'s str {
        name_of(&self.names, Some(&fault.device))
    }

    const fn tone(fault: &Fault) -> Tone {
        match fault.severity {
            ioc_judge::Severity::Critical => Tone::Bad,
            ioc_judge::Severity::Warning => Tone::Warning,
            ioc_judge::Severity::Info => Tone::Away,
        }
    }

    fn may_change(&self) -> bool {
        self.page_context.may_administer() && self.now.held_by().is_none()
    }

    fn held_by(&self) -> Option<String> {
        self.now.held_by().map(|path| path.display().to_string())
    }

    fn changes(&self, key: &str) -> bool {
        self.rule().kind.changeable().contains(&key)
    }

    fn is_replayed(&self) -> bool {
        preview::is_replayed(&self.rule().condition)
    }

    /// A limit as it is now, to stand in an empty field.
    fn limit_now(&self, key: &str) -> String {
        let RuleCondition::Number(condition) = &self.rule().condition else { return String::new() };
        let number = match key {
            "raise" => condition.raise.number(),
            "clear" => condition.clear.number(),
            _ => return String::new(),
        };
        format!("{} {}", self.page_context.localized_number(number.to_string()), condition.metric.unit_shown())
    }

    fn is_own(&self) -> bool {
        is_own(&self.now, &self.rule().id)
    }

    fn days_typed(&self) -> u32 {
        preview::days_of(&self.typed.days)
    }

    fn until_of(&self, one: &Rule) -> Option<String> {
        one.until.map(|at| self.page_context.short(&at))
    }

    /// The form that this difference was typed into, to be changed.
    fn edit_address(&self, one: &Rule) -> String {
        let (whom, which) = whom_of(&one.scope);
        format!("?whom={whom}&which={}#change", ioc_store::template::percent_encoded(&which))
    }
}

/// What stands on a rule's page beside its change.
struct Found {
    row: RuleRow,
    faults: Vec<Fault>,
    names: HashMap<DeviceId, String>,
}

async fn found(app: &App, person: &Person, id: &str, now: Timestamp) -> Result<Option<Found>, Problem> {
    let counts = counted(app, person, now).await?;
    let Some(row) = list::rows(&app.rules(), &counts).into_iter().find(|row| row.rule.id == id) else {
        return Ok(None);
    };
    let rule = [row.rule.id.clone()];
    let (mut faults, names) = app
        .read(&person.scope, move |reader| {
            let query = FaultQuery { open: true, rules: &rule, ..FaultQuery::default() };
            let faults = reader.faults(&query, FAULTS)?;
            let names = names_of(faults.iter().map(|fault| &fault.device), reader)?;
            Ok((faults, names))
        })
        .await?;
    personal_data::reveal_faults(app, person, &format!("faults of the rule {id}"), &mut faults).await;
    Ok(Some(Found { row, faults, names }))
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    id: &str,
    (typed, refused): (RuleForm, Option<CommandError>),
) -> PageResult {
    let Found { row, faults, names } = match found(app, person, id, page_context.now).await {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Failure::not_found(page_context)),
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let now = configuration::current(app, Part::Rules);
    let is_again = refused.is_some();
    let preview = if typed.r#do == "preview" && !is_again && page_context.may_administer() {
        let text = typed.text_with(&now, &row.rule, &app.config().timezone).map_err(RefusalReason::invalid);
        text.and_then(|text| preview::look(app, person, &row.rule.id, &typed.days, text)).map(Some)
    } else {
        refused.map_or(Ok(None), Err)
    };
    let (preview, error) = PreviewState::of(&page_context, preview);
    let page = RulePage { page_context, row, faults, names, now, typed, preview, error };
    Ok(again(show_again(&page, is_again), page.preview.as_ref()))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(typed): Query<RuleForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, &id, (typed, None)).await
}

pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(typed): Form<RuleForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let rules = app.rules();
    let Some(rule) = rules.find(&id) else { return Err(Failure::not_found(page_context)) };
    let now = configuration::current(&app, Part::Rules);
    let zone = app.config().timezone.clone();
    let text = match typed.r#do.split_once('-') {
        Some(("remove", number)) => Ok(text_without(&now, &id, number.parse().unwrap_or(usize::MAX))),
        _ if typed.r#do == "delete" => Ok(text_without_rule(&now, &id)),
        _ if typed.is_empty() => Err(RefusalReason::new("rule-refused-nothing", [], "nothing was changed").invalid()),
        _ => typed.text_with(&now, rule, &zone).map_err(RefusalReason::invalid),
    };
    let version = typed.version.parse().unwrap_or(0);
    let saved = match text {
        Ok(text) => configuration::save(&app, &person, Part::Rules, text, version, &typed.why).await,
        Err(refused) => Err(refused),
    };
    match saved {
        Ok(_) if typed.r#do == "delete" => Ok(Redirect::to("/rules").into_response()),
        Ok(_) => Ok(Redirect::to(&format!("/rules/{id}")).into_response()),
        Err(refused) => render(&app, &person, page_context, &id, (typed, Some(refused))).await,
    }
}

/// A rule in the API, with how it is different.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct RuleDetails {
    #[serde(flatten)]
    rule: RuleItem,
    /// How it is different for some, the later before the earlier where both are for a device.
    differences: Vec<Difference>,
    /// The file that holds the rules; null where they can be changed here.
    held_by: Option<String>,
    /// The newest version of the part *rules* that was saved here; 0 before the first.
    version: u64,
}

/// How a rule is different.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Difference {
    /// For which kinds, places, tags or devices.
    scope: crate::api_types::maintenance::Scope,
    /// What it says there, as a sentence, in Vietnamese and English.
    says: std::collections::BTreeMap<&'static str, String>,
    /// `info`, `warning` or `critical`.
    severity: &'static str,
    /// It is off there.
    off: bool,
    /// Why.
    why: String,
    /// When it ends by itself; null where it stays.
    until: Option<Timestamp>,
}

impl From<&Rule> for Difference {
    fn from(rule: &Rule) -> Self {
        let says = rule.sentence();
        Self {
            scope: rule.scope.clone().into(),
            says: [("vi", says.vi.clone()), ("en", says.en.clone())].into(),
            severity: rule.severity.as_str(),
            off: rule.off,
            why: rule.override_reason.clone(),
            until: rule.until,
        }
    }
}

pub(crate) async fn api(State(app): State<App>, person: Person, Path(id): Path<String>) -> ApiResult<RuleDetails> {
    let counts = counted(&app, &person, app.judged_now()).await?;
    let row = list::rows(&app.rules(), &counts).into_iter().find(|row| row.rule.id == id);
    let row = row.ok_or_else(|| Problem::not_found(format!("there is no rule {id:?}")))?;
    let now = configuration::current(&app, Part::Rules);
    let differences = row.different.iter().map(Difference::from).collect();
    let held_by = now.held_by().map(|path| path.display().to_string());
    Ok(Json(RuleDetails { differences, held_by, version: now.version, rule: row.into() }))
}

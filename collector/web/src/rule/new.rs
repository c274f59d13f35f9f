//! A rule of one's own: its form, tried on what is on record before it is kept.

use std::collections::BTreeSet;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};

use ioc_common::metric::{CATALOGUE, Metric};
use ioc_engine::command::CommandError;
use ioc_engine::config::PartInForce;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_judge::{RuleCondition, RuleKind};
use ioc_store::configuration::Part;

use super::details::{PreviewState, again};
use super::form::NewRuleForm;
use super::preview;
use crate::app::App;
use crate::configuration;
use crate::page::context::PageContext;
use crate::page::{PageResult, page_context, show_again};
use crate::person::Person;

/// Kinds that a person can make a rule of: those that look at a number, and those that look into a document.
const KINDS: [RuleKind; 7] = [
    RuleKind::Threshold,
    RuleKind::Rate,
    RuleKind::Stuck,
    RuleKind::Forecast,
    RuleKind::Missing,
    RuleKind::Change,
    RuleKind::Approved,
];

#[derive(Template)]
#[template(path = "rule-new.html")]
struct NewRulePage {
    page_context: PageContext,
    now: PartInForce,
    documents: Vec<String>,
    typed: NewRuleForm,
    preview: Option<PreviewState>,
    error: Option<String>,
}

impl NewRulePage {
    const fn kinds(&self) -> [RuleKind; 7] {
        KINDS
    }

    fn metrics(&self) -> &'static [Metric] {
        CATALOGUE
    }

    fn about(&self, metric: &Metric) -> String {
        let unit = metric.unit_shown();
        let about = metric.about(self.page_context.language);
        if unit.is_empty() { about.to_owned() } else { format!("{about} ({unit})") }
    }

    /// Documents that rules look into.
    fn documents(&self) -> &[String] {
        &self.documents
    }

    fn days_typed(&self) -> u32 {
        preview::days_of(&self.typed.days)
    }

    fn held_by(&self) -> Option<String> {
        self.now.held_by().map(|path| path.display().to_string())
    }
}

fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    (typed, refused): (NewRuleForm, Option<CommandError>),
) -> PageResult {
    let now = configuration::current(app, Part::Rules);
    let is_again = refused.is_some();
    let preview = if typed.r#do == "preview" && !is_again {
        let text = typed.text_with(&now).map_err(RefusalReason::invalid);
        text.and_then(|text| preview::look(app, person, typed.id.trim(), &typed.days, text)).map(Some)
    } else {
        refused.map_or(Ok(None), Err)
    };
    let (preview, error) = PreviewState::of(&page_context, preview);
    let rules = app.rules();
    let of = rules.rules().iter().filter_map(|rule| match &rule.condition {
        RuleCondition::Document(condition) => Some(condition.document.clone()),
        RuleCondition::Number(_) | RuleCondition::Silent | RuleCondition::Budget => None,
    });
    let documents = of.collect::<BTreeSet<String>>().into_iter().collect();
    let page = NewRulePage { page_context, now, documents, typed, preview, error };
    Ok(again(show_again(&page, is_again), page.preview.as_ref()))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(typed): Query<NewRuleForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, (typed, None))
}

pub(crate) async fn make(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(typed): Form<NewRuleForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let now = configuration::current(&app, Part::Rules);
    let version = typed.version.parse().unwrap_or(0);
    let saved = match typed.text_with(&now) {
        Ok(text) => configuration::save(&app, &person, Part::Rules, text, version, &typed.why).await,
        Err(reason) => Err(reason.invalid()),
    };
    match saved {
        Ok(_) => Ok(Redirect::to(&format!("/rules/{}", typed.id.trim())).into_response()),
        Err(refused) => render(&app, &person, page_context, (typed, Some(refused))),
    }
}

//! Gathering a filing, beside everything else; and what is asked for it that is not in the record.

use std::sync::Arc;

use ioc_common::clock::{self, Timestamp};
use ioc_document::legal::{Pack, PackKind};
use ioc_engine::config::Config;
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason};
use ioc_report::filing::{self, FilingFacts, FilingKey, ListedFiling, Question};
use ioc_store::retention::RecordClass;
use ioc_store::scope::AccessScope;
use ioc_store::{AccountRecord, Reader, StoreError};
use jiff::civil::Date;

use super::day_of;
use super::refusals::broken_off;
use crate::app::App;
use crate::problem::Problem;
use crate::report_drafts::{Draft, Kept};

const DAY_MS: i64 = 86_400_000;

/// The packs in force on a day.
pub(super) fn packs(config: &Config, day: Date) -> impl Iterator<Item = &Pack> {
    [PackKind::Regulation, PackKind::Regime].into_iter().filter_map(move |kind| config.legal.in_force(kind, day))
}

/// The filing that an address names.
pub(super) fn find(app: &App, address: &str) -> Result<ListedFiling, Problem> {
    let (config, day) = (app.config(), day_of(app, clock::now()));
    filing::find(packs(&config, day), address).map_err(|error| {
        Problem::explained(RefusalKind::NotFound, RefusalReason::new("report-refused-address", [], error.to_string()))
    })
}

/// What is asked for a filing.
pub(super) fn question(
    reader: &dyn Reader,
    config: &Config,
    listed: ListedFiling,
    now: Timestamp,
    doubted: bool,
) -> Result<Question, StoreError> {
    let days = |ms: i64| u32::try_from(ms / DAY_MS).unwrap_or(u32::MAX);
    // What is kept shortest is what the log can be looked back on.
    let kept = [RecordClass::Events, RecordClass::Audit].into_iter().filter_map(|class| {
        let rule = config.retention.of(class)?;
        Some(days(rule.keep?.as_millis()))
    });
    Ok(Question {
        key: listed.key,
        filing: listed.filing,
        pack: listed.pack,
        level: config.legal.level,
        system: config.site_name.clone(),
        agencies: config.agencies.clone(),
        settings: reader.document_settings()?,
        rules: (*config.rules).clone(),
        zone: config.timezone.clone(),
        now,
        clock_doubted: doubted,
        password_days: u32::try_from(AccountRecord::PASSWORD_LIFE_MS / DAY_MS).unwrap_or(u32::MAX),
        log_days: kept.min(),
        channels: config.channels.len(),
    })
}

/// What is asked for the dossier, where a law in force asks for one: the clause report says how far it is (16.7).
pub(super) fn dossier(
    reader: &dyn Reader,
    config: &Config,
    now: Timestamp,
    doubted: bool,
) -> Result<Option<Question>, StoreError> {
    let moment = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    let day = moment.to_zoned_datetime(config.timezone.clone()).date();
    match filing::find(packs(config, day), &FilingKey::dossier().address()) {
        Ok(listed) => question(reader, config, listed, now, doubted).map(Some),
        Err(_) => Ok(None),
    }
}

/// How a filing's facts stand; they are gathered where there are none, or where they are to be gathered anew. Nobody waits for it here.
pub(super) fn look(app: &App, listed: &ListedFiling, anew: bool) -> Draft<FilingFacts> {
    if let Some(progress) = app.filings.claim(&listed.key, anew, clock::now()) {
        let (app, listed) = (app.clone(), listed.clone());
        tokio::spawn(async move {
            let key = listed.key.clone();
            let turn = app.filings.turn.acquire().await;
            let found = facts_of(&app, listed, move |done, all| {
                progress.tell(done, all);
                true
            });
            let kept = match found.await {
                Ok(facts) => Kept::Done(Arc::new(facts)),
                Err(problem) => Kept::Failed(Box::new(problem), clock::now()),
            };
            app.filings.keep(key, kept);
            drop(turn);
        });
    }
    app.filings.shown(&listed.key)
}

/// Gathers a filing's facts now; who asks waits for it.
pub(super) async fn facts_now(app: &App, listed: ListedFiling) -> Result<Arc<FilingFacts>, Problem> {
    let _turn = app.filings.turn.acquire().await;
    let key = listed.key.clone();
    let facts = Arc::new(facts_of(app, listed, |_, _| true).await?);
    let _ = app.filings.claim(&key, true, facts.at);
    app.filings.keep(key, Kept::Done(Arc::clone(&facts)));
    Ok(facts)
}

async fn facts_of(
    app: &App,
    listed: ListedFiling,
    progress: impl Fn(u32, u32) -> bool + Send + 'static,
) -> Result<FilingFacts, Problem> {
    let (config, now, doubted) = (app.config(), clock::now(), app.is_clock_doubted());
    let found = app
        .read(&AccessScope::EVERYWHERE, move |reader| {
            let asked = question(reader, &config, listed, now, doubted)?;
            filing::gather(reader, &asked, &progress)
        })
        .await?;
    found.ok_or_else(broken_off)
}

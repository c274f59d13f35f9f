//! The register of accounts (article 13): operators and administrators of hosts, of appliances that a person vouches for, and of this collector; what is
//! due; as a page, as files for spreadsheets, in the API. Accounts of this collector are for who reads the audit log.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use jiff::civil::Date;
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;

use super::file::{FILE_ROWS, Listed, Table};
use super::{no_such_device, scope_of};
use crate::api::{ApiResult, Page, device_id, page_limit};
use crate::api_types::account_register::{AccountCoverage, AccountFinding as FindingName, RegisteredAccount as Item};
use crate::api_types::all;
use crate::app::App;
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::report::day_of;
use ioc_document::wording;
use ioc_engine::command::{Command, CommandError, SeenAccount};
use ioc_engine::refusal_field::Field;
use ioc_judge::DeviceInfo;
use ioc_report::review;
use ioc_store::template::percent_encoded;
use ioc_store::{
    AccountAttestation, AccountFinding, AccountLimits, AccountPage, AccountQuery, AccountReview, AccountSource,
    AccountTally, Reader, RegisteredAccount, Right, StoreError,
};

/// What the register is called in the record of who saw it.
pub(super) const REGISTER: &str = "account register";
/// Longest search, characters.
const SEARCH_MAX_CHARS: usize = 100;

/// What the law in force asks of accounts today.
pub(super) fn limits_of(app: &App, now: Timestamp) -> AccountLimits {
    app.config().legal.account_limits(day_of(app, now))
}

/// When the next review is due.
pub(super) fn review_due(app: &App, reader: &dyn Reader, limits: AccountLimits) -> Result<Option<Date>, StoreError> {
    let Some(months) = limits.review_months else { return Ok(None) };
    let signed = reader.signed_account_review()?.and_then(|review| review.signature).map(|signature| signature.at);
    Ok(review::review_due(signed, reader.audit_since()?, months, &app.config().timezone))
}

/// What the list is asked for, as it stands in the address of the page and of its files.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AccountsAddress {
    /// Words to find in name, role, holder, device and place.
    search: String,
    /// A device.
    device: String,
    /// Who holds them.
    holder: String,
    /// Only administrators, where it is filled.
    administrator: String,
    /// What is to be done: a finding, or `due` for any.
    work: String,
    /// Which page, from 1; files are whole.
    page: String,
}

impl AccountsAddress {
    fn page(&self) -> usize {
        self.page.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000)
    }

    /// What it means. What cannot be read says nothing.
    fn query(&self, limits: AccountLimits, now: Timestamp, collector: bool) -> AccountQuery {
        AccountQuery {
            search: self.search.chars().take(SEARCH_MAX_CHARS).collect(),
            device: DeviceId::new(&self.device).ok(),
            holder: self.holder.clone(),
            administrator: !self.administrator.is_empty(),
            due: self.work == "due",
            finding: AccountFinding::parse(&self.work),
            collector,
            limits,
            now,
            after: None,
            skip: (self.page() - 1) * ROWS,
            limit: ROWS,
        }
    }

    /// The same, written the shortest way; without the page.
    fn to_query_string(&self) -> String {
        let all = [
            ("search", &self.search),
            ("device", &self.device),
            ("holder", &self.holder),
            ("administrator", &self.administrator),
            ("work", &self.work),
        ];
        let filled = all.iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect::<Vec<_>>().join("&")
    }

    /// The same for another work.
    fn with_work(&self, work: &str) -> String {
        let other = Self { work: work.to_owned(), ..self.clone() };
        format!("/register/accounts?{}", other.to_query_string())
    }

    fn page_address(&self, page: usize) -> String {
        format!("/register/accounts?{}&page={page}", self.to_query_string())
    }

    fn file_address(&self, kind: &str) -> String {
        format!("/api/v1/account-register.{kind}?{}", self.to_query_string())
    }
}

/// What was ticked and typed, and why it was refused.
#[derive(Default)]
struct Refused {
    ticked: Vec<SeenAccount>,
    holder: String,
    note: String,
    vouched: AttestForm,
    error: Option<CommandError>,
}

#[derive(Template)]
#[template(path = "accounts-register.html")]
struct AccountsRegisterPage {
    page_context: PageContext,
    address: AccountsAddress,
    query: AccountQuery,
    found: AccountPage,
    /// Devices on which an account may be vouched for.
    appliances: Vec<(DeviceId, String)>,
    limits: AccountLimits,
    review_due: Option<Date>,
    open_review: Option<AccountReview>,
    typed: Refused,
    error: Option<String>,
}

impl AccountsRegisterPage {
    fn works(&self) -> Vec<&'static str> {
        ["", "due"].into_iter().chain(AccountFinding::ALL.map(AccountFinding::as_str)).collect()
    }

    /// How many are known by a work, where it is one.
    fn count_of(&self, work: &str) -> Option<u64> {
        AccountFinding::parse(work).map(|finding| self.found.tally.of(finding))
    }

    fn is_plain(&self) -> bool {
        self.address.to_query_string().is_empty()
    }

    fn first(&self) -> usize {
        self.query.skip + 1
    }

    fn last(&self) -> usize {
        self.query.skip + self.found.rows.len()
    }

    fn has_next(&self) -> bool {
        (self.last() as u64) < self.found.total
    }

    fn system(&self, account: &RegisteredAccount) -> String {
        system_of(&self.page_context, account)
    }

    fn role(&self, account: &RegisteredAccount) -> String {
        role_of(&self.page_context, account)
    }

    fn sign_in(&self, account: &RegisteredAccount) -> String {
        sign_in_of(&self.page_context, account)
    }

    fn is_sign_in_known(account: &RegisteredAccount) -> bool {
        account.signed_in || account.last_sign_in_at.is_some()
    }

    fn password(&self, account: &RegisteredAccount) -> String {
        password_of(&self.page_context, account)
    }

    /// Whether who holds it can be written down here: what a person vouches for is vouched for anew.
    fn is_found(account: &RegisteredAccount) -> bool {
        account.source != AccountSource::Attested
    }

    /// How an account is named in the form, with when somebody last said who holds it: whoever says it over that has seen it.
    fn seen(account: &RegisteredAccount) -> String {
        SeenAccount { key: account.key(), said_at: Some(account.said_at) }.written()
    }

    fn is_ticked(&self, account: &RegisteredAccount) -> bool {
        self.typed.ticked.iter().any(|one| one.key == account.key())
    }

    fn findings(&self, findings: &[AccountFinding]) -> String {
        findings_of(&self.page_context, findings)
    }

    /// Where its files lie.
    fn files_address(account: &RegisteredAccount) -> String {
        let device = account.device.as_ref().map_or("", DeviceId::as_str);
        format!("/api/v1/account-register/{device}/{}/files", percent_encoded(&account.name))
    }

    fn days(&self, days: &Option<u32>) -> String {
        match days {
            Some(days) => self.page_context.count("register-accounts-days", u64::from(*days)),
            None => self.page_context.t("register-accounts-no-number"),
        }
    }

    fn due_day(&self) -> Option<String> {
        self.review_due.map(wording::short_date)
    }
}

/// Where an account is, in words.
pub(super) fn system_of(page_context: &PageContext, account: &RegisteredAccount) -> String {
    match &account.device {
        Some(_) => account.device_name.clone(),
        None => page_context.t("register-accounts-collector"),
    }
}

/// Its role, in words.
pub(super) fn role_of(page_context: &PageContext, account: &RegisteredAccount) -> String {
    match account.source {
        AccountSource::Collector => page_context.name("role", &account.role),
        AccountSource::Agent | AccountSource::Attested if account.administrator && account.role.is_empty() => {
            page_context.t("register-accounts-administrator")
        }
        AccountSource::Agent if account.administrator => {
            format!("{}: {}", page_context.t("register-accounts-administrator"), account.role)
        }
        AccountSource::Agent => page_context.t("register-accounts-user"),
        AccountSource::Attested => account.role.clone(),
    }
}

/// When it was signed in with last, in words. What no record says is unknown, never *never*.
pub(super) fn sign_in_of(page_context: &PageContext, account: &RegisteredAccount) -> String {
    match account.last_sign_in_at {
        _ if account.signed_in => page_context.t("register-accounts-signed-in"),
        Some(at) => page_context.short(&at),
        None if account.source == AccountSource::Collector => page_context.t("register-accounts-not-yet"),
        None => page_context.t("register-accounts-unknown"),
    }
}

/// When its password was changed, in words.
pub(super) fn password_of(page_context: &PageContext, account: &RegisteredAccount) -> String {
    match account.password_at {
        _ if account.locked == Some(true) => page_context.t("register-accounts-locked"),
        Some(at) => page_context.short(&at),
        None => page_context.t("register-accounts-unknown"),
    }
}

/// What is to be done about it, in a line.
pub(super) fn findings_of(page_context: &PageContext, findings: &[AccountFinding]) -> String {
    let words = findings.iter().map(|finding| page_context.name("register-accounts-work", finding.as_str()));
    words.collect::<Vec<_>>().join(", ")
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    address: AccountsAddress,
    refused: Refused,
) -> PageResult {
    let limits = limits_of(app, page_context.now);
    let query = address.query(limits, page_context.now, person.may(Right::Audit));
    let scope = scope_of(app, person, REGISTER).await;
    let (asked, with) = (query.clone(), app.clone());
    let (reviews, vouches) = (person.may(Right::Audit), person.may(Right::Handle));
    let found = app.read(&scope, move |reader| {
        let found = reader.registered_accounts(&asked)?;
        let newest = if reviews { reader.account_reviews(None, 1)?.into_iter().next() } else { None };
        let due = review_due(&with, reader, limits)?;
        let appliances = if vouches { appliances(reader)? } else { Vec::new() };
        Ok((found, appliances, newest.filter(|review| review.signature.is_none()), due))
    });
    match found.await {
        Ok((found, appliances, open_review, review_due)) => {
            let error = refused.error.as_ref().map(|error| refusal_text(&page_context, error));
            let again = error.is_some();
            let page = AccountsRegisterPage {
                page_context,
                address,
                query,
                found,
                appliances,
                limits,
                review_due,
                open_review,
                typed: refused,
                error,
            };
            Ok(show_again(&page, again))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Most devices to choose from where an account is vouched for.
const APPLIANCES_MAX: usize = 500;

/// Devices without an agent, by name: on the others nobody's word is needed.
fn appliances(reader: &dyn Reader) -> Result<Vec<(DeviceId, String)>, StoreError> {
    let named = |info: DeviceInfo| {
        let name = if info.name.is_empty() { info.id.to_string() } else { info.name };
        (info.id, name)
    };
    Ok(reader.devices_without_agent(APPLIANCES_MAX)?.into_iter().map(named).collect())
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<AccountsAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, address, Refused::default()).await
}

/// Says who holds the accounts that were ticked: of what is filled in, and nothing else.
pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<AccountsAddress>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let mut refused = Refused::default();
    for (name, text) in pairs {
        match name.as_str() {
            "key" => refused.ticked.push(SeenAccount::read(&text)),
            "holder" => refused.holder = text,
            "note" => refused.note = text,
            _ => {}
        }
    }
    let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let command = Command::DescribeAccounts {
        accounts: refused.ticked.clone(),
        holder: filled(&refused.holder),
        note: filled(&refused.note),
        actor: person.name.clone(),
    };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to(&address.page_address(address.page())).into_response()),
        Err(error) => {
            let refused = Refused { error: Some(error), ..refused };
            render(&app, &person, page_context, address, refused).await
        }
    }
}

/// What a person vouches for, by the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AttestForm {
    device: String,
    name: String,
    role: String,
    administrator: Option<String>,
    holder: String,
    password_day: String,
    gone: Option<String>,
    note: String,
    valid_until: String,
}

pub(crate) async fn attest(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<AttestForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = async {
        let config = app.config();
        let device = DeviceId::new(&form.device).map_err(|_| no_such_device(&form.device).not_found())?;
        let day = form.password_day.trim();
        let password_at = if day.is_empty() {
            None
        } else {
            Some(parse_moment(Field::PasswordAt, &format!("{day}T00:00"), &config)?)
        };
        let attestation = AccountAttestation {
            name: form.name.clone(),
            role: form.role.clone(),
            administrator: form.administrator.is_some(),
            holder: form.holder.clone(),
            password_at,
            gone: form.gone.is_some(),
            note: form.note.trim().to_owned(),
            valid_until: parse_moment(Field::ValidUntil, &form.valid_until, &config)?,
            by: String::new(),
            at: clock::now(),
        };
        app.carry_out(&person, Command::AttestAccount { device, attestation, actor: person.name.clone() }).await
    };
    match done.await {
        Ok(_) => Ok(Redirect::to(&format!("/register/accounts?device={}", form.device)).into_response()),
        Err(error) => {
            let refused = Refused { vouched: form, error: Some(error), ..Refused::default() };
            render(&app, &person, page_context, AccountsAddress::default(), refused).await
        }
    }
}

impl Listed for AccountsAddress {
    const FILE: &'static str = "accounts";

    async fn table(self, app: &App, person: &Person, headers: &HeaderMap) -> Result<Table, Problem> {
        let page_context = page_context(app, person, headers);
        let query = self.query(limits_of(app, page_context.now), page_context.now, person.may(Right::Audit));
        let query = AccountQuery { skip: 0, limit: FILE_ROWS, ..query };
        let scope = scope_of(app, person, REGISTER).await;
        let found = app.read(&scope, move |reader| reader.registered_accounts(&query)).await?;
        let headings = [
            ("register-accounts-key", 22),
            ("register-accounts-system", 24),
            ("register-accounts-name", 18),
            ("register-accounts-role", 22),
            ("register-accounts-holder", 22),
            ("register-accounts-sign-in", 18),
            ("register-accounts-password", 18),
            ("register-accounts-second", 12),
            ("register-accounts-todo", 30),
            ("register-accounts-source", 18),
            ("register-accounts-note", 30),
            ("col-place", 20),
            ("register-accounts-until", 18),
        ];
        let row = |(account, findings): (RegisteredAccount, Vec<AccountFinding>)| {
            let second = match account.second_factor {
                Some(true) => page_context.t("register-accounts-yes"),
                Some(false) => page_context.t("register-accounts-no"),
                None => String::new(),
            };
            vec![
                account.key(),
                system_of(&page_context, &account),
                account.name.clone(),
                role_of(&page_context, &account),
                account.holder.clone(),
                sign_in_of(&page_context, &account),
                password_of(&page_context, &account),
                second,
                findings_of(&page_context, &findings),
                page_context.name("register-accounts-source", account.source.as_str()),
                account.note.clone(),
                account.place.clone(),
                account.valid_until.map(|at| page_context.short(&at)).unwrap_or_default(),
            ]
        };
        Ok(Table {
            name: page_context.t("register-accounts"),
            headings: headings.into_iter().map(|(key, width)| (page_context.t(key), width)).collect(),
            rows: found.rows.into_iter().map(row).collect(),
        })
    }
}

/// Which accounts are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AccountsQuery {
    /// Words to find in name, role, holder, device and place.
    search: String,
    /// Only those on this device.
    device: Option<String>,
    /// Only those of this holder.
    holder: String,
    /// Only administrators.
    administrator: bool,
    /// Only those with something to be done.
    due: bool,
    /// Only those of which this is to be done.
    finding: Option<FindingName>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn api_list(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<AccountsQuery>,
) -> ApiResult<Page<Item>> {
    let (limit, now) = (page_limit(asked.limit), clock::now());
    let query = AccountQuery {
        search: asked.search.chars().take(SEARCH_MAX_CHARS).collect(),
        device: asked.device.as_deref().map(device_id).transpose()?,
        holder: asked.holder,
        administrator: asked.administrator,
        due: asked.due,
        finding: asked.finding.map(AccountFinding::from),
        collector: person.may(Right::Audit),
        limits: limits_of(&app, now),
        now,
        after: Some(asked.cursor.unwrap_or_default()),
        skip: 0,
        limit,
    };
    let scope = scope_of(&app, &person, REGISTER).await;
    let found = app.read(&scope, move |reader| reader.registered_accounts(&query)).await?.rows;
    let next_cursor = found.last().filter(|_| found.len() >= limit).map(|(last, _)| last.key());
    Ok(Json(Page { items: all(found), next_cursor }))
}

pub(crate) async fn api_coverage(State(app): State<App>, person: Person) -> ApiResult<AccountCoverage> {
    let now = clock::now();
    let (limits, with) = (limits_of(&app, now), app.clone());
    let query = AccountQuery { collector: person.may(Right::Audit), limits, now, limit: 0, ..AccountQuery::default() };
    // How many there are says nobody's name.
    let scope = person.scope.clone().without_names();
    let (tally, due): (AccountTally, Option<Date>) = app
        .read(&scope, move |reader| Ok((reader.registered_accounts(&query)?.tally, review_due(&with, reader, limits)?)))
        .await?;
    Ok(Json(AccountCoverage::new(&tally, limits, due.map(|day| day.to_string()))))
}

/// Who holds accounts.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldersBody {
    /// 1 to 2,000 keys: all of them, or none.
    keys: Vec<String>,
    /// Who holds them; an empty text takes out what stands there, null changes nothing.
    #[serde(default)]
    holder: Option<String>,
    /// What there is to say besides, likewise.
    #[serde(default)]
    note: Option<String>,
}

pub(crate) async fn api_change(
    State(app): State<App>,
    person: Person,
    Json(body): Json<HoldersBody>,
) -> Result<StatusCode, Problem> {
    let HoldersBody { keys, holder, note } = body;
    let accounts = keys.into_iter().map(|key| SeenAccount { key, said_at: None }).collect();
    app.carry_out(&person, Command::DescribeAccounts { accounts, holder, note, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_asked_and_nothing_more() {
        let address = AccountsAddress {
            search: "an 1&2".into(),
            device: "SRV 1".into(),
            work: "idle".into(),
            page: "2".into(),
            ..AccountsAddress::default()
        };
        assert_eq!(address.to_query_string(), "search=an%201%262&device=SRV%201&work=idle");
        let query = address.query(AccountLimits::default(), Timestamp::MIN, true);
        assert_eq!((query.device, query.finding, query.skip), (None, Some(AccountFinding::Idle), ROWS));
        let due = AccountsAddress { work: "due".into(), ..AccountsAddress::default() };
        let query = due.query(AccountLimits::default(), Timestamp::MIN, false);
        assert_eq!((query.due, query.finding, query.collector), (true, None, false));
    }
}

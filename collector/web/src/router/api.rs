//! The routes of the API, each with what it takes and gives.

use crate::api::openapi::{self, DescribedRouter};
use crate::api::{ListQuery, Page};
use crate::api_types::access::{AuditHead, AuditKey, AuditRecord, AuditStamp};
use crate::api_types::account_register::{AccountCoverage, AccountReview, RegisteredAccount};
use crate::api_types::action::Action;
use crate::api_types::asset::{Asset, AssetCoverage};
use crate::api_types::authenticity::ValueAuthenticity;
use crate::api_types::deadline::DeadlineItem;
use crate::api_types::device::{DeviceItem, NewDevice, SoftwareItem};
use crate::api_types::enrolment::{RequestRecord, TokenRecord};
use crate::api_types::filing::{Filing, FilingFacts};
use crate::api_types::incident::{EventRecord, Fault, Incident};
use crate::api_types::maintenance::Window;
use crate::api_types::power::Room;
use crate::api_types::product::{Product, ProductCoverage};
use crate::api_types::replay::Replay;
use crate::api_types::report::{Issued, ReportFacts, Reports, Settings};
use crate::api_types::system_backup::{Attestation, Coverage, SystemBackup};
use crate::{
    account, administration, authenticity, device, duty, enrolment, incident, jobs, maintenance, register, report,
    room, search, sign_in, system_backups,
};
use ioc_engine::writer::FILE_MAX_BYTES;

/// Largest set of rules that is tried.
const RULES_MAX_BYTES: usize = 1024 * 1024;
/// Largest body with another system's alerts.
const ALERTS_MAX_BYTES: usize = 1024 * 1024;

/// The API, each route with what it takes and gives.
pub(super) fn routes() -> DescribedRouter {
    let mut all = DescribedRouter::new();
    devices_api(&mut all);
    store_api(&mut all);
    records_api(&mut all);
    entrance_api(&mut all);
    incidents_api(&mut all);
    people_api(&mut all);
    reports_api(&mut all);
    all
}

fn reports_api(all: &mut DescribedRouter) {
    all.get("/reports", report::api::list, "Reports: how each stands, and what is due by the law in force")
        .answers::<Reports>(200);
    all.get("/reports/{report}", report::api::facts, "A report with its facts, gathered now")
        .answers::<ReportFacts>(200);
    all.put("/reports/{report}/texts", report::api::write, "Writes texts into a report: all of these, or none")
        .body::<report::api::TextsBody>()
        .done(204);
    all.post("/reports/{report}/issue", report::api::issue, "Gathers a report's facts and issues a version of it")
        .body::<report::api::IssueBody>()
        .answers::<Issued>(201);
    all.get("/filings", report::filing_api::list, "Filings that the law in force asks for, and how each stands")
        .answers::<Vec<Filing>>(200);
    all.get("/filings/{filing}", report::filing_api::facts, "A filing with its cells and their sources, gathered now")
        .answers::<FilingFacts>(200);
    all.put("/filings/{filing}/texts", report::filing_api::write, "Writes texts into a filing: all of these, or none")
        .body::<report::api::TextsBody>()
        .done(204);
    all.post("/filings/{filing}/issue", report::filing_api::issue, "Gathers a filing anew and issues a version of it")
        .body::<report::api::IssueBody>()
        .answers::<Issued>(201);
    all.get("/issued-reports", report::api::issued_list, "Versions of reports that were issued, newest first")
        .query::<ListQuery>()
        .answers::<Page<Issued>>(200);
    all.get("/issued-reports/{number}", report::api::issued_one, "A version that was issued").answers::<Issued>(200);
    all.get("/issued-reports/{number}/document", report::api::document, "Its document, DOCX")
        .query::<report::issued::DocumentQuery>()
        .file(report::file::DOCX);
    all.put(
        "/issued-reports/{number}/registration",
        report::api::register,
        "Writes down under which number and date it was registered, once",
    )
    .body::<report::api::RegistrationBody>()
    .answers::<Issued>(200);
    all.get("/report-settings", report::api::settings, "What the centre says of itself in documents")
        .answers::<Settings>(200);
    all.put("/report-settings", report::api::set_settings, "Changes that; what is not given is empty from then on")
        .body::<Settings>()
        .done(204);
}

fn devices_api(all: &mut DescribedRouter) {
    all.get("/devices", device::list::api, "Devices, a page of them")
        .query::<device::list::DevicesQuery>()
        .answers::<Page<DeviceItem>>(200);
    all.post("/devices", device::inventory::api_register, "Registers a device without an agent")
        .body::<NewDevice>()
        .done(201);
    all.post_large(
        "/devices/import",
        enrolment::api_import,
        enrolment::TABLE_MAX_BYTES,
        "Takes a table of assets in: all of it, or nothing",
    )
    .query::<enrolment::ImportQuery>()
    .raw_body("text/csv")
    .answers::<enrolment::ImportResult>(200);
    all.get("/devices/{id}", device::details::api, "A device with its newest values, hello and open faults")
        .answers::<device::details::DeviceDetails>(200);
    all.put(
        "/devices/{id}",
        device::inventory::api_describe,
        "Changes what is said of a device; what is not given is empty from then on",
    )
    .body::<NewDevice>()
    .done(204);
    all.patch("/devices/{id}", device::inventory::api_amend, "Changes only what is given of what is said of a device")
        .body::<NewDevice>()
        .done(204);
    all.get(
        "/authenticity",
        authenticity::api,
        "How many of the newest numbers are verified, and on which devices they are not",
    )
    .answers::<ValueAuthenticity>(200);
    all.get("/devices/{id}/documents", device::documents::api, "What surveys found, each whole")
        .answers::<Vec<device::documents::DocumentItem>>(200);
    past_api(all);
    all.get("/devices/{id}/events", device::events::api, "What happened on a device, newest first")
        .query::<ListQuery>()
        .answers::<Page<EventRecord>>(200);
    all.post(
        "/devices/{id}/remarks",
        device::events::api_remark,
        "Writes something down about a device, among what happened there",
    )
    .body::<device::events::RemarkBody>()
    .done(201);
    all.get("/devices/{id}/software", device::software::api, "Its software, a page of it")
        .query::<ListQuery>()
        .answers::<Page<SoftwareItem>>(200);
    all.get("/devices/{id}/history", device::history::api, "Its numbers over time")
        .query::<device::history::HistoryQuery>()
        .answers::<device::history::History>(200);
    all.get("/devices/{id}/history.csv", device::history::csv, "The same as CSV")
        .query::<device::history::HistoryQuery>()
        .file("text/csv");
    all.post_large(
        "/devices/{id}/replay",
        device::replay::api,
        RULES_MAX_BYTES,
        "What a rule would have said of its history",
    )
    .body::<device::replay::ReplayBody>()
    .answers::<Replay>(200);
    all.post("/devices/{id}/revoke", device::inventory::api_revoke, "Takes its right to report, and drops its link")
        .done(204);
    all.post(
        "/devices/{id}/release",
        device::inventory::api_release,
        "Lets it report again whose identity was found on two machines",
    )
    .done(204);
}

fn past_api(all: &mut DescribedRouter) {
    all.get("/devices/{id}/documents/as-of", device::past::as_of::api, "What surveys had found at a moment")
        .query::<device::past::as_of::AsOfQuery>()
        .answers::<Vec<device::past::PastItem>>(200);
    all.get("/devices/{id}/documents/changes", device::past::changes::api, "What changed in them, newest first")
        .query::<device::past::changes::ChangesQuery>()
        .answers::<Page<device::past::changes::ChangeItem>>(200);
    all.get("/devices/{id}/documents/changes.csv", device::past::changes::csv, "The same as CSV")
        .query::<device::past::changes::ChangesQuery>()
        .file("text/csv");
    all.get(
        "/devices/{id}/documents/compare",
        device::past::compare::api,
        "What they said at a moment, held against another moment or another device",
    )
    .query::<device::past::compare::CompareQuery>()
    .answers::<Vec<device::past::compare::ComparedItem>>(200);
}

fn store_api(all: &mut DescribedRouter) {
    all.get(
        "/store",
        administration::store::api,
        "How the store stands: whether it can be written, what it lost, what a look at it found",
    )
    .answers::<administration::store::StoreStatus>(200);
    all.post(
        "/store/confirm",
        administration::store::api_confirm,
        "Confirms what the store lost, so that the collector calls itself ready again",
    )
    .body::<administration::store::Confirmation>()
    .done(204);
    all.get(
        "/backups",
        administration::backups::api,
        "The collector's own backups, what the last restore drill said, what is due",
    )
    .answers::<administration::backups::Backups>(200);
    all.post(
        "/backups",
        administration::backups::api_ask,
        "Makes a backup or holds a restore drill, and answers when it is over",
    )
    .body::<administration::backups::Wish>()
    .answers::<administration::backups::WorkDone>(200);
}

fn records_api(all: &mut DescribedRouter) {
    all.get(
        "/records/retention",
        administration::retention::api_classes,
        "How long each class of records is kept, and how much of it there is",
    )
    .answers::<Vec<administration::retention::ClassStatus>>(200);
    all.post(
        "/records/retention/{class}/begin",
        administration::retention::api_begin,
        "Has a rule that waits for the end of its grace delete from now on",
    )
    .body::<administration::retention::BeginningOfDeletion>()
    .done(204);
    all.get("/records/holds", administration::retention::api_holds, "Legal holds, and how much each keeps")
        .answers::<Vec<administration::retention::HoldItem>>(200);
    all.post("/records/holds", administration::retention::api_set, "Sets a legal hold")
        .body::<administration::retention::NewHold>()
        .answers::<administration::retention::HoldSet>(201);
    all.post("/records/holds/{number}/end", administration::retention::api_end, "Ends a legal hold")
        .body::<administration::retention::EndOfHold>()
        .done(204);
    all.get(
        "/records/deletions",
        administration::retention::api_deletions,
        "The evidence of records that were deleted, the newest first",
    )
    .query::<administration::retention::DeletionsQuery>()
    .answers::<Page<administration::retention::DeletionItem>>(200);
}

fn entrance_api(all: &mut DescribedRouter) {
    all.get("/settings", device::agent_settings::api, "What agents are given to set, and how each stands with it")
        .query::<ListQuery>()
        .answers::<Page<device::agent_settings::SettingsItem>>(200);
    all.get("/rooms", room::power::api, "The power of each room").answers::<Vec<Room>>(200);
    all.get("/tokens", enrolment::api_tokens, "Enrolment tokens, newest first, without their secrets")
        .query::<ListQuery>()
        .answers::<Page<TokenRecord>>(200);
    all.post("/tokens", enrolment::api_create_token, "A new enrolment token, shown once")
        .body::<enrolment::TokenBody>()
        .answers::<enrolment::NewTokenAnswer>(201);
    all.delete("/tokens/{digest}", enrolment::api_end_token, "Ends an enrolment token").done(204);
    all.get("/enrolments", enrolment::api_requests, "Machines that wait to be let in")
        .answers::<Vec<RequestRecord>>(200);
    all.post("/enrolments/{id}", enrolment::api_decide, "Lets a machine in, or refuses it")
        .body::<enrolment::ApprovalDecision>()
        .done(204);
}

fn deadlines_api(all: &mut DescribedRouter) {
    all.get(
        "/deadlines",
        incident::deadlines::api,
        "What is due on incidents: notices that the law asks for, answers of units",
    )
    .query::<incident::deadlines::DeadlinesQuery>()
    .answers::<Page<DeadlineItem>>(200);
    all.get("/incidents/{id}/forms/{clock}", report::notice::api, "The form of a deadline of a serious incident")
        .answers::<report::notice::FormState>(200);
    all.put(
        "/incidents/{id}/forms/{clock}/texts",
        report::notice::api_write,
        "Writes texts into it: all of these, or none",
    )
    .body::<report::api::TextsBody>()
    .done(204);
    all.post("/incidents/{id}/forms/{clock}/issue", report::notice::api_issue, "Issues a version of it")
        .body::<report::api::IssueBody>()
        .answers::<Issued>(201);
}

fn incidents_api(all: &mut DescribedRouter) {
    all.get("/faults", incident::faults::api, "Faults, newest first").query::<ListQuery>().answers::<Page<Fault>>(200);
    all.get("/incidents", incident::list::api, "Incidents, newest first")
        .query::<ListQuery>()
        .answers::<Page<Incident>>(200);
    all.post("/incidents", incident::open::api, "Opens an incident by hand")
        .body::<incident::open::OpenForm>()
        .answers::<incident::open::OpenedIncident>(201);
    all.get("/incidents/{id}", incident::details::api, "An incident with timeline, notices and tickets")
        .answers::<incident::details::IncidentDetails>(200);
    all.post("/incidents/{id}/actions", incident::details::api_act, "Does something with an incident")
        .body::<Action>()
        .done(204);
    all.post_large(
        "/incidents/{id}/files",
        incident::attachments::attach,
        FILE_MAX_BYTES,
        "Adds a file: the body is its content",
    )
    .query::<incident::attachments::FileQuery>()
    .raw_body("application/octet-stream")
    .done(201);
    all.get("/incidents/{id}/files/{sha256}", incident::attachments::file, "Gives a file back")
        .file("application/octet-stream");
    deadlines_api(all);
    all.post_large(
        "/alerts/{source}",
        incident::alerts::api,
        ALERTS_MAX_BYTES,
        "Takes in what another system says: Alertmanager's webhook, with that source's own token",
    )
    .body::<incident::alerts::AlertsBody>()
    .done(204);
    all.get("/heartbeats", jobs::api_list, "Jobs on other systems that report their success, and how they stand")
        .answers::<Vec<jobs::Job>>(200);
    all.post("/heartbeats/{job}", jobs::api_report, "A job reports, with its own token; without a body it succeeded")
        .body::<jobs::HeartbeatBody>()
        .done(204);
    system_backups_api(all);
    assets_api(all);
    software_api(all);
    account_register_api(all);
    all.get("/windows", maintenance::api_list, "Maintenance windows").answers::<Vec<Window>>(200);
    all.post("/windows", maintenance::api_plan, "Plans one").body::<maintenance::WindowBody>().done(201);
    all.delete("/windows/{id}", maintenance::api_end, "Ends one").done(204);
    all.get("/duty", duty::api, "Who is on duty, the next shifts, and gaps").answers::<duty::DutyAnswer>(200);
    all.post("/duty/covers", duty::api_cover, "Someone stands in").body::<duty::CoverBody>().done(201);
    all.post("/duty/swaps", duty::api_swap, "Two shifts change hands, both or neither")
        .body::<duty::SwapForm>()
        .done(201);
    all.delete("/duty/covers/{id}", duty::api_remove_cover, "Nobody stands in any more").done(204);
}

fn system_backups_api(all: &mut DescribedRouter) {
    all.get("/system-backups", system_backups::api_list, "Backups that are expected of systems, and how they stand")
        .query::<system_backups::BackupsQuery>()
        .answers::<Page<SystemBackup>>(200);
    all.post("/system-backups", system_backups::api_expect, "States which backup is expected of devices")
        .body::<system_backups::ExpectationBody>()
        .done(204);
    all.get(
        "/system-backups/coverage",
        system_backups::api_coverage,
        "Of how many devices they are stated and in order",
    )
    .answers::<Coverage>(200);
    all.get("/system-backups/unstated", system_backups::api_unstated, "Devices of which nobody has stated any")
        .query::<ListQuery>()
        .answers::<Page<system_backups::UnstatedDevice>>(200);
    all.delete("/system-backups/{device}/{kind}", system_backups::api_withdraw, "Withdraws a statement").done(204);
    all.get(
        "/system-backups/{device}/{kind}/attestations",
        system_backups::api_attestations,
        "What people attested of one, the newest first",
    )
    .answers::<Vec<Attestation>>(200);
    all.post(
        "/system-backups/{device}/{kind}/attestations",
        system_backups::api_attest,
        "A person says how one stands that nothing can look at",
    )
    .body::<system_backups::AttestationBody>()
    .done(201);
    all.post_large(
        "/system-backups/{device}/{kind}/files",
        system_backups::evidence::api_add,
        FILE_MAX_BYTES,
        "Adds a file that shows what was attested last: the body is its content",
    )
    .query::<incident::attachments::FileQuery>()
    .raw_body("application/octet-stream")
    .done(201);
    all.get("/system-backups/{device}/{kind}/files/{sha256}", system_backups::evidence::api_file, "Gives it back")
        .file("application/octet-stream");
}

fn assets_api(all: &mut DescribedRouter) {
    all.get("/assets", register::assets::api_list, "The asset register, by identifier")
        .query::<register::assets::AssetsQuery>()
        .answers::<Page<Asset>>(200);
    all.patch(
        "/assets",
        register::assets::api_change_many,
        "Writes down what is so of several assets: all of it, or nothing",
    )
    .body::<register::assets::ChangesBody>()
    .done(204);
    all.get("/assets.csv", register::file::csv::<register::assets::AssetsAddress>, "The asset register as CSV")
        .query::<register::assets::AssetsAddress>()
        .file("text/csv");
    all.get(
        "/assets.xlsx",
        register::file::xlsx::<register::assets::AssetsAddress>,
        "The asset register as a workbook",
    )
    .query::<register::assets::AssetsAddress>()
    .file(register::file::WORKBOOK);
    all.get("/assets/coverage", register::assets::api_coverage, "How far the asset register is filled")
        .answers::<AssetCoverage>(200);
    all.post_large(
        "/assets/import",
        register::import::api,
        register::import::TABLE_MAX_BYTES,
        "Takes a table into the asset register: all of it, or nothing",
    )
    .query::<register::import::ImportQuery>()
    .raw_body("text/csv")
    .answers::<register::import::ImportAnswer>(200);
    all.get("/assets/imports", register::import::api_list, "Tables that were taken in, the newest first")
        .answers::<Vec<register::import::ImportItem>>(200);
    all.post("/assets/imports/{number}/undo", register::import::api_undo, "Puts back what an import changed").done(204);
    all.get(
        "/assets/attestations",
        register::asset::api_attested,
        "What people attested of machines, the newest first",
    )
    .query::<register::asset::AttestedQuery>()
    .answers::<Page<register::asset::AttestedItem>>(200);
    all.get("/assets/{id}", register::asset::api, "One row of the asset register, with what people attested")
        .answers::<register::asset::AssetAnswer>(200);
    all.patch("/assets/{id}", register::asset::api_change, "Writes down what is so of an asset: only what is given")
        .body::<register::asset::ChangeBody>()
        .done(204);
    all.post(
        "/assets/{id}/attestations",
        register::asset::api_attest,
        "A person says how a machine is protected that no agent looks at",
    )
    .body::<register::asset::AttestationBody>()
    .done(201);
}

fn account_register_api(all: &mut DescribedRouter) {
    all.get("/account-register", register::accounts::api_list, "The register of accounts, by key")
        .query::<register::accounts::AccountsQuery>()
        .answers::<Page<RegisteredAccount>>(200);
    all.patch(
        "/account-register",
        register::accounts::api_change,
        "Says who holds accounts that are found by themselves: of all of these, or of none",
    )
    .body::<register::accounts::HoldersBody>()
    .done(204);
    all.get(
        "/account-register.csv",
        register::file::csv::<register::accounts::AccountsAddress>,
        "The register of accounts as CSV",
    )
    .query::<register::accounts::AccountsAddress>()
    .file("text/csv");
    all.get(
        "/account-register.xlsx",
        register::file::xlsx::<register::accounts::AccountsAddress>,
        "The register of accounts as a workbook",
    )
    .query::<register::accounts::AccountsAddress>()
    .file(register::file::WORKBOOK);
    all.get(
        "/account-register/coverage",
        register::accounts::api_coverage,
        "How many accounts there are, and what is to be done about how many",
    )
    .answers::<AccountCoverage>(200);
    all.post(
        "/account-register/attestations",
        register::account_attestation::api_attest,
        "A person vouches for an account of an appliance that nothing can look at",
    )
    .body::<register::account_attestation::AttestationBody>()
    .done(201);
    all.post_large(
        "/account-register/{device}/{account}/files",
        register::account_attestation::api_add_file,
        FILE_MAX_BYTES,
        "Adds a file that shows what was vouched for last: the body is its content",
    )
    .query::<incident::attachments::FileQuery>()
    .raw_body("application/octet-stream")
    .done(201);
    all.get(
        "/account-register/{device}/{account}/files/{sha256}",
        register::account_attestation::api_file,
        "Gives it back, to who may see people",
    )
    .file("application/octet-stream");
    all.get("/account-reviews", register::account_review::api_list, "Reviews of all accounts, the newest first")
        .answers::<Vec<AccountReview>>(200);
    all.post("/account-reviews", register::account_review::api_open, "Opens a review of all accounts as they stand")
        .answers::<register::account_review::OpenedReview>(201);
    all.get("/account-reviews/{number}", register::account_review::api, "A review with its accounts")
        .answers::<register::account_review::ReviewAnswer>(200);
    all.put(
        "/account-reviews/{number}/lines",
        register::account_review::api_write,
        "Says what becomes of accounts in a review that is open: of all of these, or of none",
    )
    .body::<register::account_review::LinesBody>()
    .done(204);
    all.post(
        "/account-reviews/{number}/signature",
        register::account_review::api_sign,
        "A leader signs a review as they have seen it, and issues its document",
    )
    .body::<register::account_review::SignBody>()
    .answers::<register::account_review::SignedReview>(201);
}

fn software_api(all: &mut DescribedRouter) {
    all.get("/software", register::software::api_list, "The software register: products across machines, by key")
        .query::<register::software::ProductsQuery>()
        .answers::<Page<Product>>(200);
    all.patch("/software", register::software::api_change, "Says what is so of products: of all of these, or of none")
        .body::<register::software::ProductsBody>()
        .done(204);
    all.get("/software/coverage", register::software::api_coverage, "How far the software register is filled")
        .answers::<ProductCoverage>(200);
    all.get("/software/product", register::product::api, "One product, with the machines that it is or was on")
        .query::<register::product::ProductAddress>()
        .answers::<register::product::ProductAnswer>(200);
    all.get(
        "/software.csv",
        register::file::csv::<register::software::SoftwareAddress>,
        "The software register as CSV",
    )
    .query::<register::software::SoftwareAddress>()
    .file("text/csv");
    all.get(
        "/software.xlsx",
        register::file::xlsx::<register::software::SoftwareAddress>,
        "The software register as a workbook",
    )
    .query::<register::software::SoftwareAddress>()
    .file(register::file::WORKBOOK);
    all.get("/software.cdx.json", register::cyclonedx::site, "The products of the site in CycloneDX 1.6")
        .file(register::cyclonedx::CYCLONEDX);
    all.get(
        "/devices/{id}/software.cdx.json",
        register::cyclonedx::device,
        "The packages of a machine in CycloneDX 1.6",
    )
    .file(register::cyclonedx::CYCLONEDX);
}

fn audit_api(all: &mut DescribedRouter) {
    all.get("/audit", administration::audit::api, "The audit log in order, each record with its hash")
        .query::<administration::audit::AuditQuery>()
        .answers::<Page<AuditRecord>>(200);
    all.get(
        "/audit/heads",
        administration::audit::heads,
        "Signed heads of the audit log, in the order of their records",
    )
    .query::<administration::audit::HeadsQuery>()
    .answers::<Page<AuditHead>>(200);
    all.get(
        "/audit/stamps",
        administration::audit::stamps,
        "What a time stamping authority said of signed heads, in the order of their records",
    )
    .query::<administration::audit::HeadsQuery>()
    .answers::<Page<AuditStamp>>(200);
    all.get("/audit/keys", administration::audit::keys, "The keys that signed heads of the audit log")
        .answers::<Vec<AuditKey>>(200);
    all.get(
        "/audit/witnesses",
        administration::audit::witnesses,
        "What each device witnessed of the audit log last, and whether it is the one here",
    )
    .query::<ListQuery>()
    .answers::<Page<administration::audit::WitnessItem>>(200);
    all.post(
        "/records/exports",
        administration::records::api_exported,
        "Keeps on record that records were taken out for an investigation",
    )
    .body::<administration::records::ExportedRecords>()
    .done(204);
}

fn people_api(all: &mut DescribedRouter) {
    all.post("/session", sign_in::password::api_sign_in, "Signs in: sets a cookie")
        .body::<sign_in::password::Credentials>()
        .done(204);
    all.delete("/session", sign_in::password::api_sign_out, "Signs out").done(204);
    all.post("/session/confirm", sign_in::confirm::api, "Shows again who one is, before accounts are changed")
        .body::<sign_in::confirm::ConfirmForm>()
        .done(204);
    all.get("/search", search::api, "What is on record with these words in it, the newest first")
        .query::<search::SearchForm>()
        .answers::<search::SearchAnswer>(200);
    all.get("/search.csv", search::csv, "The same as CSV").query::<search::SearchForm>().file("text/csv");
    audit_api(all);
    all.get("/accounts", account::accounts::api_list, "All accounts")
        .answers::<Vec<account::accounts::AccountItem>>(200);
    all.get(
        "/people",
        account::personal_data_of::api,
        "All that is kept of one person; each time it is asked is recorded",
    )
    .query::<account::personal_data_of::PersonQuery>()
    .answers::<account::personal_data_of::PersonData>(200);
    all.get("/people.csv", account::personal_data_of::csv, "The same as CSV")
        .query::<account::personal_data_of::PersonQuery>()
        .file("text/csv");
    all.post("/accounts", account::accounts::api_add, "A new account; its first password is shown once")
        .body::<account::accounts::NewAccountForm>()
        .answers::<account::accounts::NewPassword>(201);
    all.patch("/accounts/{name}", account::accounts::api_change, "Changes an account")
        .body::<account::accounts::ChangeForm>()
        .done(204);
    all.post("/accounts/{name}/reset", account::accounts::api_reset, "A new password, shown once")
        .answers::<account::accounts::NewPassword>(200);
    all.delete(
        "/accounts/{name}/second-factor",
        account::accounts::api_remove_second_factor,
        "Takes an account's second factor away: its owner has lost it",
    )
    .done(204);
    all.post("/account/password", account::my_account::api_password, "Changes one's own password")
        .body::<account::my_account::PasswordForm>()
        .done(204);
    all.post(
        "/account/second-factor",
        account::my_account::api_second_factor,
        "One's own second factor: start, confirm, recovery, off",
    )
    .body::<account::my_account::SecondFactorForm>()
    .answers::<account::my_account::SecondFactorAnswer>(200);
    all.post("/account/tokens", account::my_account::api_token, "A token of one's own, shown once")
        .body::<account::my_account::TokenForm>()
        .answers::<account::my_account::NewApiToken>(201);
    all.get("/clock", administration::clock::api, "The machine's clock beside the time by which the collector goes")
        .answers::<administration::clock::ClockAnswer>(200);
    all.post(
        "/clock/confirm",
        administration::clock::api_confirm,
        "A person says that the machine's clock is right after a step of it",
    )
    .body::<administration::clock::ConfirmForm>()
    .done(204);
    all.get("/openapi.json", openapi::openapi, "This description").object(200);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The requests of the page's table, as `GET /devices/{id}`: each in code, in the first column.
    fn on_the_page() -> BTreeSet<String> {
        let page = include_str!("../../../../docs/api.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        let codes = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let requests = codes.filter_map(|code| code.split_once(" /").filter(|(method, _)| !method.contains(' ')));
        requests.map(|(method, path)| format!("{method} /{}", path.split(['?', ' ']).next().unwrap_or(path))).collect()
    }

    #[test]
    fn the_page_of_the_api_has_every_route_and_no_other() {
        let (_, docs) = routes().finish();
        let (there, written) = (docs.requests(), on_the_page());
        let missing: Vec<&String> = there.difference(&written).collect();
        let gone: Vec<&String> = written.difference(&there).collect();
        assert!(missing.is_empty(), "docs/api.md lacks {missing:?}");
        assert!(gone.is_empty(), "docs/api.md has what is not there: {gone:?}");
    }
}

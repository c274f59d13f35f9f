//! The routes of the API, each with what it takes and gives.

use super::api_registers;
use crate::api::openapi::{self, DescribedRouter};
use crate::api::{ListQuery, Page};
use crate::api_types::access::{AuditHead, AuditKey, AuditRecord, AuditStamp};
use crate::api_types::action::Action;
use crate::api_types::authenticity::ValueAuthenticity;
use crate::api_types::deadline::DeadlineItem;
use crate::api_types::device::{DeviceItem, NewDevice, SoftwareItem};
use crate::api_types::enrolment::{RequestRecord, TokenRecord};
use crate::api_types::incident::{EventRecord, Fault, Incident};
use crate::api_types::maintenance::Window;
use crate::api_types::power::Room;
use crate::api_types::replay::Replay;
use crate::api_types::report::Issued;
use crate::api_types::system_backup::{Attestation, AttestedBackup, Coverage, SystemBackup};
use crate::register::{count_api, count_form};
use crate::{
    account, administration, authenticity, configuration, dashboard, device, duty, enrolment, incident, jobs,
    maintenance, report, room, rule, search, sign_in, system_backups,
};
use ioc_engine::writer::FILE_MAX_BYTES;

/// Largest set of rules that is tried.
const RULES_MAX_BYTES: usize = 1024 * 1024;
/// Largest body with another system's alerts.
const ALERTS_MAX_BYTES: usize = 1024 * 1024;

/// The API, each route with what it takes and gives.
pub(super) fn routes(mut all: DescribedRouter) -> DescribedRouter {
    devices_api(&mut all);
    store_api(&mut all);
    records_api(&mut all);
    entrance_api(&mut all);
    incidents_api(&mut all);
    people_api(&mut all);
    api_registers::reports_api(&mut all);
    configuration_api(&mut all);
    counts_api(&mut all);
    all
}

fn configuration_api(all: &mut DescribedRouter) {
    use configuration::api::{ApplyBody, ImportBody, PartItem, PlanItem, TEXTS_MAX_BYTES, TextBody, VersionItem};
    all.get("/configuration", configuration::api::list, "The parts of the configuration, and who says what each is")
        .answers::<Vec<PartItem>>(200);
    all.post_large(
        "/configuration",
        configuration::api::apply,
        TEXTS_MAX_BYTES,
        "Gives parts new texts: all of them, or none",
    )
    .body::<ApplyBody>()
    .answers::<Vec<PlanItem>>(200);
    all.post("/configuration/import", configuration::api::import, "Takes parts over from the files that hold them")
        .body::<ImportBody>()
        .answers::<Vec<PartItem>>(200);
    all.get("/configuration/{part}", configuration::api::one, "A part with its text; its tag is its version")
        .answers::<PartItem>(200);
    all.put_large(
        "/configuration/{part}",
        configuration::api::put,
        TEXTS_MAX_BYTES,
        "Gives it a new text, on the version that If-Match names",
    )
    .body::<TextBody>()
    .answers::<PartItem>(200);
    all.post_large(
        "/configuration/{part}/check",
        configuration::api::check_one,
        TEXTS_MAX_BYTES,
        "Checks the whole configuration with such a text, and says what would change",
    )
    .body::<TextBody>()
    .answers::<Vec<PlanItem>>(200);
    all.get("/configuration/{part}/versions", configuration::api::versions, "The texts it was given, newest first")
        .query::<ListQuery>()
        .answers::<Page<VersionItem>>(200);
    all.get("/configuration/{part}/versions/{number}", configuration::api::version, "One of them")
        .answers::<VersionItem>(200);
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
    dashboards_api(all);
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
    all.get("/devices/{id}/chart", device::chart_data::api, "The same for charts: as many points as there is room for")
        .query::<device::chart_data::ChartDataQuery>()
        .answers::<device::chart_data::ChartData>(200);
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

fn dashboards_api(all: &mut DescribedRouter) {
    all.get("/dashboards", dashboard::api::list, "Dashboards that whoever asks sees, by name")
        .answers::<Vec<dashboard::api::DashboardItem>>(200);
    all.post("/dashboards", dashboard::api::make, "Makes a dashboard")
        .body::<dashboard::api::DashboardBody>()
        .answers::<dashboard::api::DashboardSaved>(201);
    all.get("/dashboards/{number}", dashboard::api::single, "One of them")
        .answers::<dashboard::api::DashboardItem>(200);
    all.put("/dashboards/{number}", dashboard::api::change, "Changes a dashboard in the version that was seen")
        .body::<dashboard::api::DashboardBody>()
        .done(204);
    all.delete("/dashboards/{number}", dashboard::api::remove, "Takes a dashboard out in the version that was seen")
        .query::<dashboard::api::VersionQuery>()
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
    all.get("/records/duty-book", administration::records::api_duty_book, "The duty book, newest first")
        .query::<ListQuery>()
        .answers::<Page<administration::records::DutyBookEntry>>(200);
    all.get(
        "/records/stand-ins",
        administration::records::api_stand_ins,
        "Who stands or stood in on a rota, newest first, those that were taken back, too",
    )
    .query::<ListQuery>()
    .answers::<Page<administration::records::StandIn>>(200);
    all.get(
        "/records/windows",
        administration::records::api_windows,
        "Maintenance windows, those that are over or were taken out of the plan, too",
    )
    .answers::<Vec<administration::records::RecordedWindow>>(200);
    all.get(
        "/records/inventory-counts",
        count_api::api_records,
        "Inventory takings as they are on record, newest first, with all that was ticked and found",
    )
    .query::<ListQuery>()
    .answers::<Page<count_api::CountRecord>>(200);
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

fn counts_api(all: &mut DescribedRouter) {
    all.get("/inventory-counts", count_api::api_list, "Inventory takings, newest first")
        .query::<ListQuery>()
        .answers::<Page<count_api::CountItem>>(200);
    all.post("/inventory-counts", count_api::api_open, "Opens an inventory taking")
        .body::<count_form::OpenBody>()
        .answers::<count_api::CountOpened>(201);
    all.get("/inventory-counts/{number}", count_api::api, "An inventory taking with its assets")
        .answers::<count_api::CountDetails>(200);
    all.post("/inventory-counts/{number}/ticks", count_api::api_tick, "Says what was found of an asset")
        .body::<count_form::TickBody>()
        .done(204);
    all.post("/inventory-counts/{number}/finds", count_api::api_find, "Writes down what is not in the register")
        .body::<count_form::FindBody>()
        .done(204);
    all.post(
        "/inventory-counts/{number}/finds/{find}/settled",
        count_api::api_settle_find,
        "Says what became of something that is not in the register",
    )
    .body::<count_form::SettleFindBody>()
    .done(204);
    all.post("/inventory-counts/{number}/close", count_api::api_close, "Closes it: its minutes are issued")
        .body::<count_form::CloseBody>()
        .answers::<count_api::CountClosed>(200);
    all.post("/inventory-counts/settled", count_api::api_settle, "Says what became of an asset that was not found")
        .body::<count_form::SettleBody>()
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
    all.get("/faults", incident::faults::api, "Faults, newest first")
        .query::<incident::faults::FaultsQuery>()
        .answers::<Page<Fault>>(200);
    all.get("/incidents", incident::list::api, "Incidents, newest first")
        .query::<ListQuery>()
        .answers::<Page<Incident>>(200);
    all.post("/incidents", incident::open::api, "Opens an incident by hand")
        .body::<incident::open::OpenForm>()
        .answers::<incident::open::OpenedIncident>(201);
    all.get("/incidents.csv", incident::list::csv, "Incidents by month, state, severity, place and person, as a table")
        .file("text/csv");
    all.post(
        "/incidents/actions",
        incident::many::api,
        "Does the same with many incidents, and says of each what became of it",
    )
    .body::<incident::many::ManyActions>()
    .answers::<incident::many::ManyResults>(200);
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
    all.get(
        "/rules",
        rule::list::api,
        "The rules, with what each says, where it stands and how often it raised in 30 days",
    )
    .query::<rule::list::RulesQuery>()
    .answers::<Vec<rule::list::RuleItem>>(200);
    all.get("/rules/{id}", rule::details::api, "One rule, with how it is different for some")
        .answers::<rule::details::RuleDetails>(200);
    all.get("/heartbeats", jobs::api_list, "Jobs on other systems that report their success, and how they stand")
        .answers::<Vec<jobs::Job>>(200);
    all.post("/heartbeats/{job}", jobs::api_report, "A job reports, with its own token; without a body it succeeded")
        .body::<jobs::HeartbeatBody>()
        .done(204);
    system_backups_api(all);
    api_registers::assets_api(all);
    api_registers::floor_plans_api(all);
    api_registers::shifts_api(all);
    api_registers::software_api(all);
    api_registers::account_register_api(all);
    api_registers::account_reviews_api(all);
    all.get("/windows", maintenance::api_list, "Maintenance windows").answers::<Vec<Window>>(200);
    all.post("/windows", maintenance::api_plan, "Plans one").body::<maintenance::WindowBody>().done(201);
    all.delete("/windows/{id}", maintenance::api_end, "Ends one").done(204);
    all.get("/duty", duty::api, "Who is on duty, the next shifts, and gaps").answers::<duty::DutyAnswer>(200);
    all.post("/duty/covers", duty::api_cover, "Someone stands in").body::<duty::CoverBody>().done(201);
    all.post("/duty/swaps", duty::api_swap, "Two shifts change hands, both or neither")
        .body::<duty::SwapForm>()
        .done(201);
    all.delete("/duty/covers/{id}", duty::api_remove_cover, "Nobody stands in any more").done(204);
    duty_plan_api(all);
}

fn duty_plan_api(all: &mut DescribedRouter) {
    all.get(
        "/duty/calendar",
        duty::calendar::api,
        "Who is on duty at any hour of a month, where nobody is, who is twice",
    )
    .query::<duty::calendar::CalendarQuery>()
    .answers::<duty::calendar::CalendarAnswer>(200);
    all.get("/duty/who", duty::who::api, "Who would be told of a fault of this severity on a device at a moment")
        .query::<duty::who::WhoQuery>()
        .answers::<duty::who::WhoAnswer>(200);
    all.get("/duty/feeds", duty::feeds::api_list, "One's own calendars to subscribe to")
        .answers::<Vec<duty::feeds::FeedItem>>(200);
    all.post("/duty/feeds", duty::feeds::api_make, "Makes one; its address is shown once")
        .body::<duty::feeds::FeedForm>()
        .answers::<duty::feeds::FeedMade>(201);
    all.delete("/duty/feeds/{digest}", duty::feeds::api_end, "Ends one of one's own").done(204);
    all.get("/duty/turns", duty::turns::api_list, "Turns that people asked each other to take, the newest first")
        .answers::<Vec<duty::turns::RequestItem>>(200);
    all.post("/duty/turns", duty::turns::api_ask, "Asks somebody to take a turn of one's own, or to swap two")
        .body::<duty::turns::AskBody>()
        .done(201);
    all.post("/duty/turns/{number}/answer", duty::turns::api_answer, "Agrees to take a turn, or declines")
        .body::<duty::turns::AnswerForm>()
        .done(204);
    all.post("/duty/contacts", duty::contacts::api_check, "Sends a code to a contact, or gives it back")
        .body::<duty::contacts::CheckForm>()
        .done(204);
    all.post("/duty/turns/{number}/withdraw", duty::turns::api_withdraw, "Takes back that one asked").done(204);
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
    all.get(
        "/system-backups/attestations",
        system_backups::api_attested,
        "What people attested of all of them, the newest first",
    )
    .query::<system_backups::AttestedQuery>()
    .answers::<Page<AttestedBackup>>(200);
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
    all.get(
        "/system-backups/{device}/{kind}/files/{sha256}",
        system_backups::evidence::api_file,
        "Gives it back, to who may see people",
    )
    .file("application/octet-stream");
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
        let docs = routes(DescribedRouter::described()).docs();
        let (there, written) = (docs.requests(), on_the_page());
        let missing: Vec<&String> = there.difference(&written).collect();
        let gone: Vec<&String> = written.difference(&there).collect();
        assert!(missing.is_empty(), "docs/api.md lacks {missing:?}");
        assert!(gone.is_empty(), "docs/api.md has what is not there: {gone:?}");
    }
}

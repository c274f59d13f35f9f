//! Which noun writes which change of a commit.
//!
//! The list is whole: a change that is added has nowhere to go until its noun writes it, and the compiler says so.

use super::commit::Commit;
use super::{
    account, account_register, asset, audit, audit_head, audit_stamp, certificate, clock, configuration, dashboard,
    device, document, duty, enrolment, event, evidence, expected_backup, fault, floor, hold, incident, inventory_count,
    job, maintenance, number_limit, outbox, product, report, retention, sample, software, table_import, ticket,
};
use crate::Change;
use crate::sql;

/// Writes all changes of a commit, in their order, but for legal holds, which come first: whatever else the commit deletes, wherever it stands in
/// it, asks them. What is beyond its number goes last, in the time that is left.
pub(crate) fn apply_all(commit: &mut Commit<'_>, changes: &[Change]) -> sql::Result<()> {
    // One on a device that comes in with this commit has nothing to keep yet.
    let is_first =
        |commit: &Commit<'_>, change: &Change| matches!(change, Change::Hold(hold) if hold::is_on_known(commit, hold));
    let first: Vec<bool> = changes.iter().map(|change| is_first(commit, change)).collect();
    for wanted in [true, false] {
        for (change, _) in changes.iter().zip(&first).filter(|(_, is_first)| **is_first == wanted) {
            apply(commit, change)?;
        }
    }
    number_limit::take_off(commit)
}

/// Writes a change.
#[allow(clippy::too_many_lines, reason = "one line or two per change; splitting it would hide that the list is whole")]
pub(super) fn apply(commit: &mut Commit<'_>, change: &Change) -> sql::Result<()> {
    match change {
        Change::Sample { device, position, at, layout, row, newest } => {
            sample::append(commit, device, (*position, *at), (*layout, row), *newest)
        }
        Change::Watermark { device, position, last_heard, last_sample, clock_error_ms } => {
            commit.set_watermark(device, *position, (*last_heard, *last_sample), *clock_error_ms)
        }
        Change::Entrance { device, broker_until } => device::put_entrance(commit, device, *broker_until),
        Change::Layout(layout) => sample::put_layout(commit, layout),
        Change::Device { info, at } => device::put(commit, info, *at),
        Change::Revoked { device, at } => device::revoke(commit, device, *at),
        Change::Presence { device, presence } => device::put_presence(commit, device, presence),
        Change::Hello { device, at, boot_id, fingerprint, interval_s, keep_alive_s, body } => {
            let made = (boot_id.as_str(), fingerprint.as_str());
            device::put_hello(commit, device, *at, made, (*interval_s, *keep_alive_s), body)
        }
        Change::Losses { device, ledger } => device::put_losses(commit, device, ledger),
        Change::Document { device, name, at, body } => document::put(commit, device, name, *at, body),
        Change::Comparison { device, rule, comparison } => document::put_comparison(commit, device, rule, comparison),
        Change::Event { device, at, name, text, fields } => event::put(commit, device, *at, name, text, fields),
        Change::EventsPruned { device, keep } => number_limit::of_events(commit, device, *keep),
        Change::Software { device, at, report } => software::put(commit, device, *at, report),
        Change::SoftwareCleared { device } => software::clear(commit, device),
        Change::Fault(fault) => fault::put(commit, fault),
        Change::Incident(incident) => incident::put(commit, incident),
        Change::Step(step) => incident::put_step(commit, step),
        Change::Attachment { incident, sha256, content } => incident::attach(commit, *incident, sha256, content),
        Change::Outbox(entry) => outbox::put(commit, entry),
        Change::Delivery(delivery) => outbox::record_delivery(commit, delivery),
        Change::TicketDue { system, incident } => ticket::mark_due(commit, system, *incident),
        Change::TicketSystems(systems) => ticket::end_others(commit, systems),
        Change::Ticket(record) => ticket::update(commit, record),
        Change::Window(window) => maintenance::put(commit, window),
        Change::WindowGone { id, at } => maintenance::end(commit, *id, *at),
        Change::Cover(cover) => duty::put_cover(commit, cover),
        Change::CoverGone(id) => duty::end_cover(commit, *id),
        Change::Handover(entry) => duty::put_handover(commit, entry),
        Change::DutyFeed(feed) => duty::put_feed(commit, feed),
        Change::DutyFeedEnded { digest, at } => duty::end_feed(commit, digest, *at),
        Change::ContactCheck(check) => duty::put_contact_check(commit, check),
        Change::RequestedTurn(request) => duty::put_request(commit, request),
        Change::Job(record) => job::put(commit, record),
        Change::JobGone(name) => job::remove(commit, name),
        Change::ExpectedBackup(backup) => expected_backup::put(commit, backup),
        Change::ExpectedBackupGone { device, kind } => expected_backup::remove(commit, device, *kind),
        Change::BackupAttested { device, kind, attestation } => {
            expected_backup::attest(commit, device, *kind, attestation)
        }
        Change::BackupEvidence { device, kind, file, content } => {
            evidence::BACKUP.put(commit, (device, kind.as_str()), file, content)
        }
        Change::Asset(row) => asset::put(commit, row),
        Change::AssetAttested { device, attestation } => asset::attest(commit, device, attestation),
        Change::AssetEvidence { device, area, file, content } => {
            evidence::ASSET.put(commit, (device, area), file, content)
        }
        Change::TableImport(import) => table_import::put(commit, import),
        Change::TableImportUndone { number, at, by } => table_import::undo(commit, *number, *at, by),
        Change::TableImportLeft { number, left } => table_import::put_left(commit, *number, *left),
        Change::AccountWord { device, name, word } => account_register::put_word(commit, device.as_ref(), name, word),
        Change::AccountAttested { device, attestation } => account_register::attest(commit, device, attestation),
        Change::AccountEvidence { device, name, file, content } => {
            evidence::ACCOUNT.put(commit, (device, name), file, content)
        }
        Change::AccountReviewLines { review, first, lines } => {
            account_register::put_lines(commit, *review, *first, lines)
        }
        Change::AccountReviewOpened(review) => account_register::open_review(commit, review),
        Change::AccountReviewLine { review, line, said } => account_register::put_line(commit, *review, *line, said),
        Change::AccountReviewSigned { review, signature } => account_register::sign_review(commit, *review, signature),
        Change::InventoryCount(count) => inventory_count::put(commit, count),
        Change::InventoryTick { count, tick } => inventory_count::tick(commit, *count, tick),
        Change::InventoryFind { count, find } => inventory_count::put_find(commit, *count, find),
        Change::Product(one) => product::put(commit, one),
        Change::ProductUses { device, list, catalogue, uses, at } => {
            product::put_uses(commit, device, (list, catalogue), uses, *at)
        }
        Change::DocumentSettings(settings) => report::put_settings(commit, settings),
        Change::ReportText(text) => report::put_text(commit, text),
        Change::ReportIssued { issued, content, source } => report::issue(commit, issued, content, source),
        Change::ReportRegistered { number, registration, content } => {
            report::register(commit, *number, registration, content)
        }
        Change::Token(token) => enrolment::put_token(commit, token),
        Change::TokenUsed { digest, at, device: _ } => enrolment::use_token(commit, digest, *at),
        Change::TokenEnded { digest, at } => enrolment::end_token(commit, digest, *at),
        Change::Request(request) => enrolment::put_request(commit, request),
        Change::RequestSeen { id, at } => enrolment::see_request(commit, id, *at),
        Change::RequestGone(id) => enrolment::finish_request(commit, id),
        Change::RequestsPruned { before, delete } => enrolment::prune_requests(commit, *before, *delete),
        Change::Certificate { device, serial, at, expires_at, revoke_previous } => {
            certificate::put(commit, device, serial, *at, *expires_at, *revoke_previous)
        }
        Change::Account(account) => account::put(commit, account),
        Change::View(view) => account::put_view(commit, view),
        Change::Dashboard(one) => dashboard::put(commit, one),
        Change::DashboardGone(number) => dashboard::remove(commit, *number),
        Change::FloorPlan(plan) => floor::put(commit, plan),
        Change::FloorPicture { room, content } => floor::put_picture(commit, room, content),
        Change::Session(session) => account::put_session(commit, session),
        Change::SessionsEnded { account, except } => account::end_sessions(commit, account, except),
        Change::SessionConfirmed { digest, at, second_factor } => {
            account::confirm_session(commit, digest, *at, *second_factor)
        }
        Change::SecondFactorEnded { account } => account::end_second_factor(commit, account),
        Change::SessionEnded { digest } => account::end_session(commit, digest),
        Change::LossConfirmed => commit.confirm_loss(),
        Change::Clock(mark) => clock::put_mark(commit, mark),
        Change::ClockStepped { at, by_ms } => clock::step(commit, *at, *by_ms),
        Change::RetentionRule(rule) => retention::put_rule(commit, rule),
        Change::Configuration(version) => configuration::put(commit, version),
        Change::Hold(hold) => hold::put(commit, hold),
        Change::HoldEnded { number, end } => hold::end(commit, *number, end),
        Change::Expired(expiry) => retention::expire(commit, expiry),
        Change::NumbersDeleted { deleted, at, rule } => retention::put_numbers(commit, deleted, *at, rule),
        Change::Audit(entry) => audit::append(commit, entry),
        Change::AuditKey(key) => audit_head::put_key(commit, key),
        Change::AuditHead { head, tree } => audit_head::put(commit, head, tree),
        Change::AuditStamp(stamp) => audit_stamp::put(commit, stamp),
    }
}

//! Carrying out commands.

use std::collections::{BTreeSet, HashMap};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::device::UPLINK_DEPTH_MAX;
use ioc_judge::{DeviceInfo, Input};

use super::reports::RegistrationAsked;
use super::{CloseCause, Engine, pending};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, Command, CommandError};
use crate::inventory::device::{check_device, with_fields};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::Change;
use ioc_store::compaction::CompactionResult;
use ioc_store::{NewDevice, SavedView};

/// How long rows of history are deleted in one go, about, microseconds.
const FORGET_US: u64 = 2000;
/// Least and most rows that are deleted in one go; it begins with the least.
pub(super) const FORGET_ROWS_MIN: usize = 64;
const FORGET_ROWS_MAX: usize = 4096;
/// Most lists of devices that a person keeps.
const VIEWS_MAX: usize = 20;

/// What a person wrote, without what cannot be shown.
pub(super) fn checked_text(text: &str, most: usize) -> Result<String, CommandError> {
    let text: String = text.trim().chars().filter(|c| !c.is_control() || *c == '\n').collect();
    if text.is_empty() || text.chars().count() > most {
        let english = format!("text: allowed are 1 to {most} characters");
        let args = [Field::Text.word(), ("least", Word::count(1)), ("most", Word::count(most))];
        return Err(RefusalReason::new("refusal-length", args, english).invalid());
    }
    Ok(text)
}

impl Engine {
    #[allow(
        clippy::too_many_lines,
        reason = "a line or two for each command; splitting it would hide that the list is whole"
    )]
    pub(super) fn carry_out(&mut self, command: Command, now: Timestamp) -> Result<Answer, CommandError> {
        match command {
            Command::NewToken { info, life, actor } => self.new_token(info, life, &actor, now),
            Command::EndToken { digest, actor } => self.end_token(digest, &actor, now),
            Command::Enrol { request, peer } => self.enrol(&request, &peer, now),
            Command::DecideRequest { id, approved, actor } => self.decide_request(&id, approved, &actor, now),
            Command::Import { devices, actor } => self.import(devices, &actor, now),
            Command::Revoke { device, actor } => self.revoke(&device, &actor, now),
            Command::Release { device, actor } => self.release(&device, &actor, now),
            Command::Describe { info, fields, actor } => self.describe(info, fields.as_deref(), &actor, now),
            Command::Remark { device, text, actor } => self.remark(device, &text, &actor, now),
            Command::Register { info, actor } => self.register(info, &actor, now),
            Command::Act { incident, action, actor } => self.act(incident, action, &actor, now),
            Command::Attach { incident, name, content, actor } => self.attach(incident, &name, content, &actor, now),
            Command::Open { manual, actor } => self.open(manual, &actor, now),
            Command::Alerts { source, alerts } => self.alerts(&source, alerts, now),
            Command::JobReported { job, failed, message } => self.job_reported(&job, failed, &message, now),
            Command::ExpectBackup { devices, kind, expected, actor } => {
                self.expect_backup(&devices, kind, &expected, &actor, now)
            }
            Command::WithdrawBackup { device, kind, actor } => self.withdraw_backup(&device, kind, &actor, now),
            Command::AttestBackup { device, kind, attestation, actor } => {
                self.attest_backup(&device, kind, attestation, &actor, now)
            }
            Command::AddBackupEvidence { device, kind, name, content, actor } => {
                self.add_backup_evidence(&device, kind, (&name, content), &actor, now)
            }
            Command::ChangeAssets { changes, actor } => self.change_assets(changes, &actor, now),
            Command::AttestAsset { device, attestation, actor } => self.attest_asset(&device, attestation, &actor, now),
            Command::AddAssetEvidence { device, area, name, content, actor } => {
                self.add_asset_evidence((&device, &area), (&name, content), &actor, now)
            }
            Command::ImportAssets { rows, actor } => self.import_assets(&rows, &actor),
            Command::ImportAccounts { rows, actor } => self.import_accounts(rows, &actor),
            Command::ImportProducts { rows, actor } => self.import_products(rows, &actor),
            Command::UndoImport { register, number, actor } => self.undo_import(register, number, &actor, now),
            Command::ChangeProducts { products, fields, was, keep, actor } => {
                self.change_products(&products, fields, (&was, &keep), &actor, now)
            }
            Command::DescribeAccounts { accounts, holder, note, actor } => {
                self.describe_accounts(&accounts, (holder.as_deref(), note.as_deref()), &actor, now)
            }
            Command::AttestAccount { device, attestation, actor } => {
                self.attest_account(&device, attestation, &actor, now)
            }
            Command::AddAccountEvidence { device, account, name, content, actor } => {
                self.add_account_evidence((&device, &account), (&name, content), &actor, now)
            }
            Command::OpenAccountReview { actor } => self.open_account_review(&actor, now),
            Command::WriteAccountReview { review, lines, was, actor } => {
                self.write_account_review(review, (&lines, &was), &actor, now)
            }
            Command::SignAccountReview { review, seen, content, source, actor } => {
                self.sign_account_review(review, &seen, (content, source), &actor, now)
            }
            Command::OpenCount { place, actor } => self.open_count(&place, &actor, now),
            Command::TickAsset { count, tick, seen, actor } => self.tick_asset(count, tick, seen, &actor, now),
            Command::AddFind { count, thing, actor } => self.add_find(count, &thing, &actor, now),
            Command::SettleFind { count, find, remark, actor } => self.settle_find(count, find, &remark, &actor, now),
            Command::CloseCount { closing, actor } => self.close_count(*closing, &actor),
            Command::SettleCounted { device, remark, actor } => self.settle_counted(&device, &remark, &actor, now),
            Command::GroupSoftware { device, list, catalogue, products, made_at } => {
                self.group_software(&device, (list, catalogue), products, made_at, now)
            }
            Command::PlanWindow { window, overrule, actor } => self.plan_window(window, overrule, &actor, now),
            Command::EndWindow { id, actor } => self.end_window(id, &actor, now),
            Command::Cover { covers, instead_of, actor } => self.cover(covers, &instead_of, &actor, now),
            Command::Uncover { id, actor } => self.uncover(id, &actor, now),
            Command::NewDutyFeed { subject, language, actor } => self.new_duty_feed(&subject, language, &actor, now),
            Command::EndDutyFeed { digest, actor } => self.end_duty_feed(&digest, &actor, now),
            Command::AskTurn { asked, actor } => self.ask_turn(asked, &actor, now),
            Command::AnswerTurn { number, agreed, answer, actor, by_link } => {
                self.answer_turn((number, agreed), &answer, (&actor, by_link.as_deref()), now)
            }
            Command::WithdrawTurn { number, actor } => self.withdraw_turn(number, &actor, now),
            Command::Handover(entry) => self.hand_over(entry, now),
            Command::SignShift(shift) => self.sign_shift(*shift, now),
            Command::SetFloorPicture { room, content, actor } => self.set_floor_picture((&room, content), &actor, now),
            Command::PlaceOnFloor { room, version, places, actor } => {
                self.place_on_floor((&room, version, places), &actor, now)
            }
            Command::Resend { key, actor } => self.resend(&key, &actor, now),
            Command::TestContact { person, actor } => self.test_contact(&person, &actor, now),
            Command::SendContactCode { person, channel, address, actor } => {
                self.send_contact_code((&person, &channel, &address), &actor, now)
            }
            Command::VerifyContact { person, channel, address, code, actor } => {
                self.verify_contact((&person, &channel, &address), &code, &actor, now)
            }
            Command::CheckDuty => self.check_duty(now),
            Command::CheckReports => {
                self.check_account_register(now)?;
                self.check_reports(now)
            }
            Command::Account(intent) => self.person(*intent, now),
            Command::ConfirmClock { step_s, actor } => self.confirm_clock(step_s, &actor),
            Command::Note(entry) => {
                self.batch.changes.push(Change::Audit(entry));
                Ok(Answer::Done)
            }
            Command::SaveView(view) => self.save_view(view),
            Command::SaveDashboard { dashboard, administers, actor } => {
                self.save_dashboard(*dashboard, administers, &actor, now)
            }
            Command::RemoveDashboard { number, version, administers, actor } => {
                self.remove_dashboard((number, version), administers, &actor, now)
            }
            Command::Delivered(deliveries) => {
                self.record_deliveries(deliveries, now);
                Ok(Answer::Done)
            }
            Command::FallBack(keys) => self.fall_back_all(&keys, now),
            Command::Ticket { record, events } => self.ticket(*record, events, now),
            Command::RecordIntegrityCheck { findings, full } => self.record_integrity_check(findings, full, now),
            Command::BackgroundTask { task, failing } => self.record_background_task(task, failing.as_deref(), now),
            Command::KeepStamp(stamp) => self.keep_stamp(stamp),
            Command::SetHold { target, from, until, reason, name, actor } => {
                self.set_hold(target, (from, until), &reason, (&name, &actor), now)
            }
            Command::EndHold { number, reason, name, actor } => self.end_hold(number, &reason, (&name, &actor), now),
            Command::BeginDeletion { class, reason, name, actor } => {
                self.begin_deletion(class, &reason, (&name, &actor), now)
            }
            Command::DeletionsAhead(all) => self.announce_deletions(&all, now),
            Command::Expire { class, records, holds_seen, commits_seen, first_alone, exported } => {
                self.expire((class, records), (holds_seen, commits_seen), (first_alone, exported), now)
            }
            Command::NumbersDeleted(deleted) => self.numbers_deleted(deleted, now),
            Command::SetDocumentSettings { settings, seen, actor } => {
                self.set_document_settings(&settings, &seen, &actor, now)
            }
            Command::WriteReport { report, texts, was, actor } => {
                self.write_report(&report, (&texts, &was), &actor, now)
            }
            Command::IssueReport { report, title, content, source, actor } => {
                self.issue_report(&report, &title, (content, source), &actor, now)
            }
            Command::RegisterReport { number, registered, date, kind, content, reason, seen, all_the_same, actor } => {
                let asked = RegistrationAsked { number, registered, date, kind, content, reason, seen, all_the_same };
                self.register_report(asked, &actor, now)
            }
            Command::AwaitCommit => Ok(Answer::Done),
            Command::ConfirmLoss { reason, actor } => self.confirm_loss(&reason, &actor, now),
            Command::SetConfiguration { changes, reason, actor } => {
                self.set_configuration(changes, &reason, &actor, now)
            }
            Command::ImportConfiguration { parts, reason, actor } => {
                self.import_configuration(&parts, &reason, &actor, now)
            }
            Command::Reload(config) => self.reload(*config, now),
            Command::ForgetRows { folded } => self.forget_rows(folded, now),
        }
    }

    fn end_window(&mut self, id: u64, actor: &str, now: Timestamp) -> Result<Answer, CommandError> {
        self.decide(Input::EndWindow(id), now)?;
        self.record(now, actor, AuditLogAction::WindowEnded, &id.to_string(), "");
        Ok(Answer::Done)
    }

    fn uncover(&mut self, id: u64, actor: &str, now: Timestamp) -> Result<Answer, CommandError> {
        self.decide(Input::RemoveCover(id), now)?;
        self.record(now, actor, AuditLogAction::CoverRemoved, &id.to_string(), "");
        Ok(Answer::Done)
    }

    fn fall_back_all(&mut self, keys: &[String], now: Timestamp) -> Result<Answer, CommandError> {
        // All of them, whatever becomes of one.
        let carried: Vec<_> = keys.iter().map(|key| self.fall_back(key, now)).collect();
        let carried = carried.into_iter().collect::<Result<(), _>>();
        carried.map(|()| Answer::Done).map_err(CommandError::unread)
    }

    fn save_view(&mut self, view: SavedView) -> Result<Answer, CommandError> {
        let known = self.reader.views(&view.account).map_err(CommandError::unread)?;
        let names = pending::view_names_after(known, &view.account, &self.batch.changes);
        if !view.query.is_empty() && !names.contains(&view.name) && names.len() >= VIEWS_MAX {
            let english = format!("allowed are {VIEWS_MAX} lists; forget one first");
            return Err(RefusalReason::new("refusal-views", [("most", Word::count(VIEWS_MAX))], english).conflict());
        }
        self.batch.changes.push(Change::View(view));
        Ok(Answer::Done)
    }

    pub(super) fn revoke(&mut self, device: &DeviceId, actor: &str, now: Timestamp) -> Result<Answer, CommandError> {
        if self.state.device(device).is_none() {
            return Err(RefusalReason::no_device(device).not_found());
        }
        self.end_ways_in(&BTreeSet::from([device.clone()]), now)?;
        self.take_out(device, actor, now);
        // A job's fault goes with it; the job is as late as before.
        self.check_jobs(now);
        Ok(Answer::Done)
    }

    /// Takes a device out, whose ways in have ended.
    pub(super) fn take_out(&mut self, device: &DeviceId, actor: &str, now: Timestamp) {
        // Faults and incidents end first, while the device is still known.
        self.judge(Input::Removed(device), now);
        self.allowlist.expel(device);
        self.budgets.forget(device);
        self.batch.touched.remove(device);
        self.batch.changes.push(Change::Revoked { device: device.clone(), at: now });
        self.record(now, actor, AuditLogAction::DeviceRevoked, device.as_str(), "");
        self.forget_expected_backups(device);
        self.forget_asset(device);
        self.batch.disconnects.push((device.clone(), CloseCause::Revoked));
    }

    fn describe(
        &mut self,
        new: NewDevice,
        fields: Option<&[String]>,
        actor: &str,
        now: Timestamp,
    ) -> Result<Answer, CommandError> {
        let known = DeviceId::new(&new.device).ok().and_then(|id| self.state.device(&id));
        let new = match (fields, known) {
            (Some(fields), Some(known)) => with_fields(&known.info, fields, &new)?,
            _ => new,
        };
        let mut info = check_device(new)?;
        self.check_uplink(&info)?;
        let Some(known) = self.state.device(&info.id) else {
            return Err(RefusalReason::no_device(&info.id).not_found());
        };
        // Whoever may not see people sends back the mark that stood in their place: what is written down stays.
        for (name, was) in [(&mut info.officer, &known.info.officer), (&mut info.leader, &known.info.leader)] {
            if name == ioc_common::document::HIDDEN {
                name.clone_from(was);
            }
        }
        // Who speaks for a sensor is not for people to say.
        info.parent.clone_from(&known.info.parent);
        self.persist_described(info, actor, now);
        Ok(Answer::Done)
    }

    /// An uplink is a device that is known, and no device is behind itself.
    pub(super) fn check_uplink(&self, info: &DeviceInfo) -> Result<(), CommandError> {
        self.check_uplink_among(info, &HashMap::new())
    }

    /// The same while these are new or described anew, too.
    pub(super) fn check_uplink_among(
        &self,
        info: &DeviceInfo,
        new: &HashMap<&DeviceId, &DeviceInfo>,
    ) -> Result<(), CommandError> {
        let mut above = info.uplink.clone();
        for _ in 0..UPLINK_DEPTH_MAX {
            let Some(id) = above.take() else { return Ok(()) };
            if id == info.id {
                let english = format!("uplink: {id} would be behind itself");
                let args = [("device", Word::text(id.as_str()))];
                return Err(RefusalReason::new("refusal-uplink-itself", args, english).invalid());
            }
            let known = new.get(&id).copied();
            let Some(device) = known.or_else(|| self.state.device(&id).map(|device| &device.info)) else {
                let english = format!("uplink: there is no device {id}; register it first");
                let args = [("device", Word::text(id.as_str()))];
                return Err(RefusalReason::new("refusal-uplink-missing", args, english).invalid());
            };
            above.clone_from(&device.uplink);
        }
        let english = format!("uplink: allowed are {UPLINK_DEPTH_MAX} above each other");
        let args = [("most", Word::text(UPLINK_DEPTH_MAX.to_string()))];
        Err(RefusalReason::new("refusal-uplink-depth", args, english).invalid())
    }

    /// Deletes rows that are folded, in pieces that take so long that a commit is never held up noticeably.
    fn forget_rows(&mut self, folded: CompactionResult, now: Timestamp) -> Result<Answer, CommandError> {
        let (limit, started) = (self.forget_limit, clock::boottime_us());
        let rows = self.store.forget_rows(folded.through, limit);
        let rows = rows.map_err(CommandError::unread)?;
        let took_us = clock::boottime_us() - started;
        if took_us > FORGET_US {
            self.forget_limit = (limit / 2).max(FORGET_ROWS_MIN);
        } else if rows == limit && took_us < FORGET_US / 2 {
            self.forget_limit = (limit * 2).min(FORGET_ROWS_MAX);
        }
        if rows == limit {
            return Err(RefusalReason::new("refusal-more", [], "there is more").conflict());
        }
        // A record of every deletion (article 6.3), and of every loss.
        if folded.gone.deleted > 0 {
            self.record(
                now,
                "",
                AuditLogAction::HistoryPruned,
                "",
                &format!("{} chunks past their time", folded.gone.deleted),
            );
        }
        if folded.gone.corrupt > 0 {
            let what = format!("{} rows or chunks could not be read", folded.gone.corrupt);
            self.record(now, "", AuditLogAction::HistoryCorrupt, "", &what);
        }
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests;

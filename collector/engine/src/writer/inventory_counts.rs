//! Inventory takings (article 6.1): opened, ticked by whoever walks around, closed with minutes. What was not found, stands somewhere else or has no label is a
//! fault of its device until it is found again or somebody says what became of it; so is, of the centre, what was found and is not in the register.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Alert, InformationSource, Input, Severity, Text};
use ioc_store::Change;
use ioc_store::inventory_count::{
    COUNT_REPORT, CountClosing, FINDS_MAX, Find, FindSettled, InventoryCount, MEMBERS_MAX, Member, Tick, TickState,
};
use ioc_store::scope::AccessScope;

use super::commands::checked_text;
use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, CountToClose, FoundThing, Piecework};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Longest text of a line, characters.
const LINE_MAX_CHARS: usize = 300;
/// Longest remark, characters.
const REMARK_MAX_CHARS: usize = 2000;
/// Most inventory takings that are open at once.
const OPEN_MAX: usize = 50;
/// Ticks that are looked at in one cycle of the engine while a taking is closed: each may raise a fault, which takes about a tenth of a millisecond.
const PIECE: usize = 100;
/// The name of the fault of the centre while something is not in the register; it stands in the store.
const UNREGISTERED: &str = "inventory-unregistered";

fn line(field: Field, text: &str) -> Result<String, CommandError> {
    let text = text.trim();
    if text.chars().count() > LINE_MAX_CHARS || text.chars().any(char::is_control) {
        return Err(field.line(0, LINE_MAX_CHARS).invalid());
    }
    Ok(text.to_owned())
}

/// A text that may be empty.
fn remark(text: &str) -> Result<String, CommandError> {
    if text.trim().is_empty() { Ok(String::new()) } else { checked_text(text, REMARK_MAX_CHARS) }
}

/// Names of the faults of assets that were not found as they should be; they stand in the store.
pub const COUNTED_FAULTS: [&str; 3] = [LABEL, ELSEWHERE, NOT_FOUND];
const LABEL: &str = "inventory/label";
const ELSEWHERE: &str = "inventory/elsewhere";
const NOT_FOUND: &str = "inventory/not-found";

/// The name of the fault of an asset that was counted so; none where it is as it should be.
const fn fault_name(state: TickState) -> Option<&'static str> {
    match state {
        TickState::Found => None,
        TickState::LabelMissing => Some(LABEL),
        TickState::Elsewhere => Some(ELSEWHERE),
        TickState::NotFound => Some(NOT_FOUND),
    }
}

/// There is no such inventory taking.
#[must_use]
pub fn no_count(number: u64) -> RefusalReason {
    let english = format!("there is no inventory taking {number}");
    RefusalReason::new("register-refused-no-count", [("number", Word::Count(number))], english)
}

/// Somebody ticked or found something since whoever closes a taking looked at it.
#[must_use]
pub fn ticked_since() -> RefusalReason {
    let english = "assets were ticked since; look at the minutes, then close it";
    RefusalReason::new("register-refused-count-since", [], english)
}

/// Nobody is named who was in the commission.
#[must_use]
pub fn no_members(found: usize) -> RefusalReason {
    let english = format!("members: found {found}; allowed are 1 to {MEMBERS_MAX}");
    let args = [("found", Word::count(found)), ("most", Word::count(MEMBERS_MAX))];
    RefusalReason::new("register-refused-members", args, english)
}

/// Where an asset is has to be said.
fn place_missing() -> CommandError {
    RefusalReason::new("register-refused-found-where", [], "place: say where it is").invalid()
}

/// A taking that is being closed: what was ticked is looked at in pieces, and the minutes are issued once all of it was. A restart in between leaves it open,
/// with some of its faults raised, and it is closed anew.
#[derive(Debug)]
pub(super) struct ClosingJob {
    closing: CountToClose,
    members: Vec<Member>,
    actor: String,
    /// How many were found in each way, in the order of [`TickState::ALL`].
    ticked: [u64; 4],
    /// What is still to be looked at.
    left: VecDeque<Tick>,
    /// Who waits for it.
    reply: Option<oneshot::Sender<CommandResult>>,
}

impl ClosingJob {
    pub(super) fn answers(&mut self, reply: oneshot::Sender<CommandResult>) {
        self.reply = Some(reply);
    }
}

impl Engine {
    /// An inventory taking as it will be after what is decided and not committed yet.
    fn count_now(&self, number: u64) -> Result<InventoryCount, CommandError> {
        let of_batch = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::InventoryCount(count) if count.number == number => Some((**count).clone()),
            _ => None,
        });
        let found = match of_batch {
            Some(count) => Some(count),
            None => self.reader.inventory_count(number).map_err(CommandError::unread)?,
        };
        found.ok_or_else(|| no_count(number).not_found())
    }

    fn open_count_now(&self, number: u64) -> Result<InventoryCount, CommandError> {
        let count = self.count_now(number)?;
        if count.closed.is_some() {
            let english = format!("inventory taking {number} is closed; open another one");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-count-closed", args, english).conflict());
        }
        if self.piecework.closing.as_ref().is_some_and(|job| job.closing.number == number) {
            let english = format!("inventory taking {number} is being closed; look at it in a moment");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-count-closing", args, english).conflict());
        }
        Ok(count)
    }

    /// What is ticked in it, by device, as above.
    fn ticks_now(&self, number: u64) -> Result<Vec<Tick>, CommandError> {
        let mut ticks = self.reader.inventory_ticks(number).map_err(CommandError::unread)?;
        for change in &self.batch.changes {
            if let Change::InventoryTick { count, tick } = change
                && *count == number
            {
                ticks.retain(|one| one.device != tick.device);
                ticks.push(tick.clone());
            }
        }
        ticks.sort_by(|a, b| a.device.cmp(&b.device));
        Ok(ticks)
    }

    /// Whether a device was ticked in another taking since.
    fn is_counted_since(&self, number: u64, tick: &Tick) -> Result<bool, CommandError> {
        let kept = self.reader.inventory_ticks_of(&tick.device).map_err(CommandError::unread)?;
        let is_newer = |count: u64, other: &Tick| count != number && other.at > tick.at;
        let of_batch = self.batch.changes.iter().any(|change| match change {
            Change::InventoryTick { count, tick: other } => other.device == tick.device && is_newer(*count, other),
            _ => false,
        });
        Ok(of_batch || kept.iter().any(|(count, other)| is_newer(*count, other)))
    }

    /// What was found in it and is not in the register, as above.
    fn finds_now(&self, number: u64) -> Result<Vec<Find>, CommandError> {
        let mut finds = self.reader.inventory_finds(number).map_err(CommandError::unread)?;
        for change in &self.batch.changes {
            if let Change::InventoryFind { count, find } = change
                && *count == number
            {
                finds.retain(|one| one.number != find.number);
                finds.push((**find).clone());
            }
        }
        finds.sort_by_key(|find| find.number);
        Ok(finds)
    }

    pub(super) fn open_count(&mut self, place: &str, actor: &str, now: Timestamp) -> CommandResult {
        let place = line(Field::Place, place)?;
        let of_batch: Vec<InventoryCount> = self
            .batch
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::InventoryCount(count) => Some((**count).clone()),
                _ => None,
            })
            .collect();
        let mut open = self.reader.inventory_counts(true, None, OPEN_MAX).map_err(CommandError::unread)?;
        open.retain(|count| of_batch.iter().all(|one| one.number != count.number));
        open.extend(of_batch.iter().filter(|one| one.closed.is_none()).cloned());
        if let Some(same) = open.iter().find(|count| count.place == place) {
            let english = format!("inventory taking {} of this place is open; go on with it", same.number);
            let args = [("number", Word::Count(same.number))];
            return Err(RefusalReason::new("register-refused-count-open", args, english).conflict());
        }
        if open.len() >= OPEN_MAX {
            let english = format!("allowed are {OPEN_MAX} that are open; close one first");
            let args = [("most", Word::count(OPEN_MAX))];
            return Err(RefusalReason::new("register-refused-counts-many", args, english).conflict());
        }
        let newest = self.reader.inventory_counts(false, None, 1).map_err(CommandError::unread)?;
        let last = newest.iter().chain(&of_batch).map(|one| one.number).max().unwrap_or(0);
        let count = InventoryCount {
            number: last + 1,
            place: place.clone(),
            opened_at: now,
            opened_by: actor.to_owned(),
            closed: None,
        };
        let said = if place.is_empty() { "all places" } else { place.as_str() };
        self.record(now, actor, AuditLogAction::InventoryOpened, &count.number.to_string(), said);
        let answer = Answer::Count(count.number);
        self.batch.changes.push(Change::InventoryCount(Box::new(count)));
        self.batch.visible = true;
        Ok(answer)
    }

    pub(super) fn tick_asset(
        &mut self,
        number: u64,
        tick: Tick,
        seen: Option<Timestamp>,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let count = self.open_count_now(number)?;
        let Some(known) = self.state.device(&tick.device) else {
            return Err(RefusalReason::no_device(&tick.device).not_found());
        };
        // What the register has at another place is counted here only where it was found here.
        let place_of = std::slice::from_ref(&count.place);
        let outside = !count.place.is_empty() && !AccessScope::of(place_of).holds(&known.info.place);
        if outside && tick.state != TickState::Elsewhere {
            let (device, place) = (&tick.device, &known.info.place);
            let english = format!("{device} stands at {place:?} by the register, and {:?} is counted", count.place);
            let args = [("device", Word::text(device.as_str())), ("place", Word::text(place.as_str()))];
            return Err(RefusalReason::new("register-refused-count-outside", args, english).conflict());
        }
        let before = self.ticks_now(number)?.into_iter().find(|one| one.device == tick.device);
        if before.as_ref().map(|one| one.at) != seen {
            let english = before.map_or_else(
                || "nobody has ticked it by now; look at it, then say it again".to_owned(),
                |one| format!("{} ticked it {} by now; look at it, then say it again", one.by, one.state.as_str()),
            );
            return Err(RefusalReason::new("register-refused-ticked-since", [], english).conflict());
        }
        let (place, remark) = (line(Field::Place, &tick.place)?, remark(&tick.remark)?);
        let place = if outside && place.is_empty() { count.place } else { place };
        if tick.state == TickState::Elsewhere && place.is_empty() {
            return Err(place_missing());
        }
        let tick = Tick { place, remark, by: actor.to_owned(), at: now, ..tick };
        let was = before.map_or("not counted", |one| one.state.as_str());
        let detail = format!("{number}: {was} -> {} {} {}", tick.state.as_str(), tick.place, tick.remark);
        self.record(now, actor, AuditLogAction::InventoryTicked, tick.device.as_str(), detail.trim());
        if tick.state == TickState::Found {
            self.end_counted(&tick.device, None, "Kiểm kê đã thấy.", "An inventory has found it.", now);
        }
        self.batch.changes.push(Change::InventoryTick { count: number, tick });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Something stands there that the register does not have.
    pub(super) fn add_find(&mut self, number: u64, thing: &FoundThing, actor: &str, now: Timestamp) -> CommandResult {
        let count = self.open_count_now(number)?;
        let FoundThing { what, label, serial, place, remark: said } = thing;
        let (what, label, serial) =
            (line(Field::Name, what)?, line(Field::Label, label)?, line(Field::Serial, serial)?);
        if what.is_empty() {
            return Err(RefusalReason::new("register-refused-found-what", [], "what: say what it is").invalid());
        }
        let place = line(Field::Place, place)?;
        let place = if place.is_empty() { count.place } else { place };
        if place.is_empty() {
            return Err(place_missing());
        }
        let finds = self.finds_now(number)?;
        if finds.len() >= FINDS_MAX {
            let english = format!("allowed are {FINDS_MAX} things that are not in the register; register them first");
            let args = [("most", Word::count(FINDS_MAX))];
            return Err(RefusalReason::new("register-refused-found-many", args, english).conflict());
        }
        let next = finds.last().map_or(1, |last| last.number.saturating_add(1));
        let remark = remark(said)?;
        let detail = format!("{number}/{next}: {what}; label {label:?}, serial {serial:?}, at {place}; {remark}");
        self.record(now, actor, AuditLogAction::InventoryFound, &number.to_string(), &detail);
        let find =
            Find { number: next, what, label, serial, place, remark, by: actor.to_owned(), at: now, settled: None };
        self.batch.changes.push(Change::InventoryFind { count: number, find: Box::new(find) });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Somebody says what became of something that is not in the register.
    pub(super) fn settle_find(
        &mut self,
        number: u64,
        find: u32,
        said: &str,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let said = checked_text(said, REMARK_MAX_CHARS)?;
        let closed = self.count_now(number)?.closed.is_some();
        let found = self.finds_now(number)?.into_iter().find(|one| one.number == find && one.settled.is_none());
        let Some(mut found) = found else {
            let english = format!("nothing is to be settled of find {find} of inventory taking {number}");
            return Err(RefusalReason::new("register-refused-nothing-counted", [], english).not_found());
        };
        let detail = format!("{number}/{find} {}: {said}", found.what);
        found.settled = Some(FindSettled { at: now, by: actor.to_owned(), remark: said });
        self.record(now, actor, AuditLogAction::InventorySettled, &number.to_string(), &detail);
        self.batch.changes.push(Change::InventoryFind { count: number, find: Box::new(found) });
        self.batch.visible = true;
        if closed {
            self.check_finds(None, now)?;
        }
        Ok(Answer::Done)
    }

    /// Raises the fault of the centre while something that was found is not in the register, and ends it. `closing` is a taking that is closed in this batch,
    /// with how many of its finds are work.
    fn check_finds(&mut self, closing: Option<u64>, now: Timestamp) -> Result<(), CommandError> {
        let kept = self.reader.open_inventory_finds().map_err(CommandError::unread)?;
        // What this batch settles of takings that were closed before it: it can be settled but once.
        let mut settled = 0;
        for change in &self.batch.changes {
            if let Change::InventoryFind { count, find } = change
                && find.settled.is_some()
            {
                let count = self.reader.inventory_count(*count).map_err(CommandError::unread)?;
                settled += u64::from(count.is_some_and(|count| count.closed.is_some()));
            }
        }
        let open = kept.saturating_sub(settled) + closing.unwrap_or(0);
        if open == 0 {
            if self.state.has_self_fault(UNREGISTERED) {
                let why = Text::new("Đã ghi xử lý hết.", "It was said of all of it what became of it.");
                self.decide(Input::SelfFault { key: UNREGISTERED, incident: None, why }, now)?;
            }
            return Ok(());
        }
        let title = (
            "Kiểm kê thấy tài sản chưa có trong danh mục (Điều 6.1)",
            "An inventory found assets that are not in the register (article 6.1)",
        );
        let advice = (
            "Mở trang Kiểm kê, đợt đã kết thúc: đăng ký từng tài sản hoặc ghi đã xử lý thế nào. Thông báo này tự hết khi đã ghi hết.",
            "Open Inventory taking, the one that was closed: register each asset, or write down what became of it. This ends by itself once that is done.",
        );
        let why = Text::new(
            format!("{open} tài sản thấy khi kiểm kê chưa có trong danh mục."),
            format!("{open} assets that an inventory found are not in the register."),
        );
        self.raise_self_fault_of(Severity::Info, UNREGISTERED, (title, advice), why, now);
        Ok(())
    }

    pub(super) fn close_count(&mut self, closing: CountToClose, actor: &str) -> CommandResult {
        let number = closing.number;
        self.open_count_now(number)?;
        if let Some(job) = &self.piecework.closing {
            let number = job.closing.number;
            let english = format!("inventory taking {number} is being closed; look at it in a moment");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-count-closing", args, english).conflict());
        }
        let members = closing.members.iter();
        let members = members
            .map(|one| Ok(Member { name: line(Field::Members, &one.name)?, title: line(Field::Members, &one.title)? }))
            .collect::<Result<Vec<_>, CommandError>>()?;
        let members: Vec<Member> = members.into_iter().filter(|one| !one.name.is_empty()).collect();
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return Err(no_members(members.len()).invalid());
        }
        let closing = CountToClose { remark: remark(&closing.remark)?, ..closing };
        let (ticks, finds) = (self.ticks_now(number)?, self.finds_now(number)?);
        let is_seen =
            ticks.iter().map(|tick| (&tick.device, tick.at)).eq(closing.ticks.iter().map(|(device, at)| (device, *at)));
        if !is_seen || finds.len() as u64 != closing.finds {
            return Err(ticked_since().conflict());
        }
        let ticked = TickState::ALL.map(|state| ticks.iter().filter(|tick| tick.state == state).count() as u64);
        let (left, actor) = (ticks.into(), actor.to_owned());
        self.piecework.closing = Some(ClosingJob { closing, members, actor, ticked, left, reply: None });
        Ok(Answer::Begun(Piecework::CountClosing))
    }

    /// Looks at what was ticked next in a taking that is being closed; closes it after the last.
    pub(super) fn work_on_closing(&mut self, now: Timestamp) {
        let Some(mut job) = self.piecework.closing.take() else { return };
        self.batch.urgent = true;
        let piece: Vec<Tick> = job.left.drain(..job.left.len().min(PIECE)).collect();
        let looked = self.raise_all_counted(job.closing.number, &piece, now);
        if looked.is_ok() && !job.left.is_empty() {
            self.piecework.closing = Some(job);
            return;
        }
        let reply = job.reply.take();
        let outcome = looked.and_then(|()| self.end_closing(job, now));
        self.batch.answers.extend(reply.map(|reply| (reply, outcome)));
    }

    fn raise_all_counted(&mut self, number: u64, piece: &[Tick], now: Timestamp) -> Result<(), CommandError> {
        for tick in piece {
            // What a newer taking says of it stands, whichever is closed first.
            if !self.is_counted_since(number, tick)? {
                self.raise_counted(number, tick, now);
            }
        }
        Ok(())
    }

    /// All that was ticked was looked at: the minutes are issued, and the taking is closed.
    fn end_closing(&mut self, job: ClosingJob, now: Timestamp) -> CommandResult {
        let ClosingJob { closing, members, actor, ticked, .. } = job;
        let CountToClose { number, remark, assets, title, content, source, .. } = closing;
        let (count, finds) = (self.count_now(number)?, self.finds_now(number)?);
        let issued = self.issue_report(&format!("{COUNT_REPORT}{number}"), &title, (content, source), &actor, now)?;
        let Answer::Report(minutes) = issued else {
            return Err(CommandError::Unavailable("the minutes were not issued".to_owned()));
        };
        let states = TickState::ALL.iter().zip(ticked).map(|(state, n)| format!("{} {n}", state.as_str()));
        let states = states.collect::<Vec<_>>().join(", ");
        let found = finds.len() as u64;
        let detail = format!("{assets} assets: {states}; {found} not in the register; minutes {minutes}");
        self.record(now, &actor, AuditLogAction::InventoryClosed, &number.to_string(), &detail);
        let closed = CountClosing { at: now, by: actor, members, remark, minutes, assets, ticked, finds: found };
        self.batch.changes.push(Change::InventoryCount(Box::new(InventoryCount { closed: Some(closed), ..count })));
        self.batch.visible = true;
        let work = finds.iter().filter(|find| find.settled.is_none()).count() as u64;
        self.check_finds(Some(work), now)?;
        Ok(Answer::Report(minutes))
    }

    /// Somebody says what became of an asset that an inventory did not find as it should be.
    pub(super) fn settle_counted(
        &mut self,
        device: &DeviceId,
        said: &str,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let said = checked_text(said, REMARK_MAX_CHARS)?;
        let mut names = TickState::ALL.into_iter().filter_map(fault_name);
        if !names.any(|name| self.state.has_fault_of(device, name, device.as_str())) {
            let english = format!("nothing of an inventory is to be settled of {device}");
            return Err(RefusalReason::new("register-refused-nothing-counted", [], english).not_found());
        }
        self.end_counted(device, None, &said, &said, now);
        self.record(now, actor, AuditLogAction::InventorySettled, device.as_str(), &said);
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    fn raise_counted(&mut self, number: u64, tick: &Tick, now: Timestamp) {
        self.end_counted(&tick.device, fault_name(tick.state), "Kiểm kê lại.", "It was counted again.", now);
        let Some(name) = fault_name(tick.state) else { return };
        let (vi, en) = match tick.state {
            TickState::NotFound => ("Kiểm kê không thấy (Điều 6.1)", "An inventory did not find it (article 6.1)"),
            TickState::Elsewhere => {
                ("Kiểm kê thấy ở nơi khác (Điều 6.1)", "An inventory found it elsewhere (article 6.1)")
            }
            TickState::LabelMissing | TickState::Found => {
                ("Kiểm kê thấy thiếu nhãn (Điều 6.1)", "An inventory found it without label (article 6.1)")
            }
        };
        let where_is = if tick.place.is_empty() { String::new() } else { format!(" {}.", tick.place) };
        let remark = if tick.remark.is_empty() { String::new() } else { format!(" {}", tick.remark) };
        let alert = Alert {
            title: Text::new(vi, en),
            reason: Text::new(
                format!("Đợt kiểm kê {number}.{where_is}{remark}"),
                format!("Inventory taking {number}.{where_is}{remark}"),
            ),
            firing: true,
            ..counted_alert(&tick.device, name, now)
        };
        self.judge(Input::Alert(alert), now);
    }

    /// Ends what inventories said of a device, but for one name.
    fn end_counted(&mut self, device: &DeviceId, but: Option<&str>, vi: &str, en: &str, now: Timestamp) {
        for name in TickState::ALL.into_iter().filter_map(fault_name).filter(|name| Some(*name) != but) {
            if self.state.has_fault_of(device, name, device.as_str()) {
                let alert = Alert { over: Text::new(vi, en), ..counted_alert(device, name, now) };
                self.judge(Input::Alert(alert), now);
            }
        }
    }
}

fn counted_alert(device: &DeviceId, name: &str, now: Timestamp) -> Alert {
    Alert {
        device: device.clone(),
        name: name.to_owned(),
        // Alerts of one name and fingerprint are the same one, whatever device they name.
        fingerprint: device.to_string(),
        // It is work, and wakes nobody.
        severity: Severity::Info,
        title: Text::default(),
        reason: Text::default(),
        since: now,
        firing: false,
        over: Text::default(),
        source: InformationSource::Person,
        matter: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::tests::{Machine, Rig};
    use super::*;
    use crate::command::Command;

    fn device() -> DeviceId {
        DeviceId::new("ups-1").expect("good")
    }

    fn tick(rig: &mut Rig, count: u64, state: TickState) {
        let (place, remark, by) = (String::new(), String::new(), String::new());
        let tick = Tick { device: device(), state, place, remark, by, at: Timestamp::from_millis(0) };
        rig.command(Command::TickAsset { count, tick, seen: None, actor: "lan".into() }).expect("ticked");
    }

    fn closing(rig: &Rig, number: u64) -> Command {
        let ticks = rig.reader.inventory_ticks(number).expect("reads");
        let closing = CountToClose {
            number,
            members: vec![Member { name: "Lan".into(), title: String::new() }],
            remark: String::new(),
            assets: 1,
            ticks: ticks.into_iter().map(|tick| (tick.device, tick.at)).collect(),
            finds: 0,
            title: "Biên bản".into(),
            content: b"PK".to_vec(),
            source: "{}".into(),
        };
        Command::CloseCount { closing: Box::new(closing), actor: "lan".into() }
    }

    fn close(rig: &mut Rig, number: u64) {
        let command = closing(rig, number);
        rig.command(command).expect("closed");
    }

    #[test]
    fn a_large_taking_is_closed_in_pieces_and_stands_still_meanwhile() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        rig.command(Command::OpenCount { place: String::new(), actor: "lan".into() }).expect("opened");
        let devices: Vec<DeviceId> =
            (0..PIECE + 20).map(|n| DeviceId::new(&format!("d-{n:03}")).expect("good")).collect();
        let ticked = |device: &DeviceId| Command::TickAsset {
            count: 1,
            tick: Tick {
                device: device.clone(),
                state: TickState::NotFound,
                place: String::new(),
                remark: String::new(),
                by: String::new(),
                at: Timestamp::from_millis(0),
            },
            seen: None,
            actor: "lan".into(),
        };
        for device in &devices {
            rig.register(device.as_str());
            rig.command(ticked(device)).expect("ticked");
        }
        rig.register("late");
        let (sender, mut receiver) = oneshot::channel();
        let message = super::super::EngineMessage::Command(Box::new(closing(&rig, 1)), sender);
        rig.engine.run_once(&mut vec![message]);
        assert!(receiver.try_recv().is_err(), "no commit waits for all of it");
        assert!(rig.reader.inventory_count(1).expect("reads").is_some_and(|count| count.closed.is_none()));
        let late = DeviceId::new("late").expect("good");
        let (sender, mut refused) = oneshot::channel();
        rig.engine.take(super::super::EngineMessage::Command(Box::new(ticked(&late)), sender), rig.engine.time.now());
        while rig.engine.has_more() {
            rig.engine.run_once(&mut Vec::new());
        }
        let refused = refused.try_recv().expect("answered").expect_err("it is being closed");
        assert!(refused.to_string().contains("is being closed"), "{refused}");
        assert!(matches!(receiver.try_recv().expect("answered"), Ok(Answer::Report(_))));
        let closed = rig.reader.inventory_count(1).expect("reads").and_then(|count| count.closed).expect("closed");
        assert_eq!(closed.ticked[3], devices.len() as u64);
        let stands = |device: &DeviceId| rig.engine.state.has_fault_of(device, "inventory/not-found", device.as_str());
        assert!(devices.iter().all(stands), "each is work");
        assert_eq!(rig.reader.issued_reports(None, None, 9).expect("reads").len(), 1);
    }

    #[test]
    fn closing_an_older_taking_raises_nothing_that_a_newer_one_has_found() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let info = ioc_store::NewDevice {
            device: "ups-1".into(),
            name: "UPS".into(),
            kind: "ups".into(),
            place: "Kho".into(),
            ..ioc_store::NewDevice::default()
        };
        rig.command(Command::Register { info, actor: "lan".into() }).expect("registered");
        for place in ["", "Kho"] {
            rig.command(Command::OpenCount { place: place.into(), actor: "lan".into() }).expect("opened");
        }
        let stands = |rig: &Rig| rig.engine.state.has_fault_of(&device(), "inventory/not-found", "ups-1");
        tick(&mut rig, 1, TickState::NotFound);
        machine.pass(60_000);
        tick(&mut rig, 2, TickState::Found);
        close(&mut rig, 2);
        close(&mut rig, 1);
        assert!(!stands(&rig), "it was found since");
        rig.command(Command::OpenCount { place: String::new(), actor: "lan".into() }).expect("opened");
        machine.pass(60_000);
        tick(&mut rig, 3, TickState::NotFound);
        close(&mut rig, 3);
        assert!(stands(&rig), "the newest word counts");
    }
}

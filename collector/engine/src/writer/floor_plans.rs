//! Floor plans: a picture of a room that somebody uploads, and where on it devices stand.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_store::floor::{
    FLOOR_DEVICES_MAX, FLOOR_EDGE, FLOOR_PICTURE_MAX_BYTES, FLOOR_SIDE_MAX_PX, FloorPicture, FloorPlace, FloorPlan,
    picture_of,
};
use ioc_store::{Change, place};

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Longest name of a room, characters.
const ROOM_MAX_CHARS: usize = 100;
/// Places that are written into the audit log, of those that changed.
const LOGGED_MAX: usize = 50;

/// What changed between two plans, as the audit log has it.
fn difference(before: &[FloorPlace], after: &[FloorPlace]) -> String {
    let of = |places: &[FloorPlace]| {
        places.iter().map(|one| (one.device.as_str().to_owned(), (one.x, one.y))).collect::<BTreeMap<_, _>>()
    };
    let (was, is) = (of(before), of(after));
    let said = |at: Option<&(u16, u16)>| {
        at.map_or_else(|| "-".to_owned(), |(x, y)| format!("{}.{} % {}.{} %", x / 10, x % 10, y / 10, y % 10))
    };
    let devices = was.keys().chain(is.keys().filter(|device| !was.contains_key(*device)));
    let changed: Vec<String> = devices
        .filter(|device| was.get(*device) != is.get(*device))
        .map(|device| format!("{device}: {} -> {}", said(was.get(device)), said(is.get(device))))
        .collect();
    let more = changed.len().saturating_sub(LOGGED_MAX);
    let mut text = changed.into_iter().take(LOGGED_MAX).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text = format!("{text}; {more} more");
    }
    text
}

fn room_of(room: &str) -> Result<String, CommandError> {
    let room = room.trim();
    if room.chars().any(char::is_control) || !(1..=ROOM_MAX_CHARS).contains(&room.chars().count()) {
        return Err(Field::Place.line(1, ROOM_MAX_CHARS).invalid());
    }
    Ok(room.to_owned())
}

impl Engine {
    /// The plan of a room with what is not committed yet; an empty one where there is none.
    fn floor_plan(&self, room: &str) -> Result<FloorPlan, CommandError> {
        let pending = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::FloorPlan(plan) if plan.room == room => Some((**plan).clone()),
            _ => None,
        });
        let kept = match pending {
            Some(plan) => Some(plan),
            None => self.reader.floor_plan(room).map_err(CommandError::unread)?,
        };
        let none = || FloorPlan { room: room.to_owned(), version: 0, picture: None, places: Vec::new() };
        Ok(kept.unwrap_or_else(none))
    }

    /// A picture of a room, in place of that which was there.
    pub(super) fn set_floor_picture(
        &mut self,
        (room, content): (&str, Vec<u8>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let room = room_of(room)?;
        if content.len() > FLOOR_PICTURE_MAX_BYTES {
            let most = FLOOR_PICTURE_MAX_BYTES >> 20;
            let english = format!("found {} bytes; allowed are {most} MiB", content.len());
            return Err(RefusalReason::new("refusal-floor-large", [("most", Word::count(most))], english).invalid());
        }
        let Some((format, width, height)) = picture_of(&content) else {
            let english = "the file is no picture in PNG, JPEG or WebP, whatever it is called; SVG can hold scripts and is not taken";
            return Err(RefusalReason::new("refusal-floor-picture", [], english).invalid());
        };
        if width > FLOOR_SIDE_MAX_PX || height > FLOOR_SIDE_MAX_PX {
            let english = format!("found {width} x {height} pixels; allowed are {FLOOR_SIDE_MAX_PX} a side");
            let args = [("most", Word::count(FLOOR_SIDE_MAX_PX as usize))];
            return Err(RefusalReason::new("refusal-floor-wide", args, english).invalid());
        }
        let mut plan = self.floor_plan(&room)?;
        let picture = FloorPicture { sha256: sha256_hex(&content), format, width, height };
        let shown =
            |one: &FloorPicture| format!("{} {}x{} {}", one.format.media_type(), one.width, one.height, one.sha256);
        let was = plan.picture.as_ref().map_or_else(|| "-".to_owned(), shown);
        self.record(now, actor, AuditLogAction::FloorPictured, &room, &format!("{was} -> {}", shown(&picture)));
        plan.version += 1;
        plan.picture = Some(picture);
        self.batch.visible = true;
        self.batch.changes.push(Change::FloorPicture { room, content });
        self.batch.changes.push(Change::FloorPlan(Box::new(plan)));
        Ok(Answer::Done)
    }

    /// Where devices stand on a room's picture: all of them, in the version that whoever asks has seen.
    pub(super) fn place_on_floor(
        &mut self,
        (room, version, places): (&str, u64, Vec<FloorPlace>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let room = room_of(room)?;
        let mut plan = self.floor_plan(&room)?;
        if plan.version != version {
            let english = "somebody has changed the plan since you looked; look again, and do it once more";
            return Err(RefusalReason::new("refusal-floor-changed", [], english).conflict());
        }
        if places.len() > FLOOR_DEVICES_MAX {
            let english = format!("found {} devices; allowed are {FLOOR_DEVICES_MAX}", places.len());
            let args = [("most", Word::count(FLOOR_DEVICES_MAX))];
            return Err(RefusalReason::new("refusal-floor-many", args, english).invalid());
        }
        let mut seen = BTreeSet::new();
        for one in &places {
            let name = one.device.as_str().to_owned();
            let known = self.reader.device(&one.device).map_err(CommandError::unread)?;
            let is_here = known.is_some_and(|known| place::parts(&known.info.place).0 == room);
            if !is_here || one.x > FLOOR_EDGE || one.y > FLOOR_EDGE || !seen.insert(name.clone()) {
                let english =
                    format!("{name}: it is not in this room, is named twice, or lies beyond the picture (0 to 100 %)");
                let args = [("device", Word::text(name))];
                return Err(RefusalReason::new("refusal-floor-elsewhere", args, english).invalid());
            }
        }
        let detail = difference(&plan.places, &places);
        if detail.is_empty() {
            return Ok(Answer::Done);
        }
        self.record(now, actor, AuditLogAction::FloorPlaced, &room, &detail);
        plan.version += 1;
        plan.places = places;
        self.batch.visible = true;
        self.batch.changes.push(Change::FloorPlan(Box::new(plan)));
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::id::DeviceId;

    use super::*;

    #[test]
    fn the_log_says_what_moved_from_where_to_where() {
        let at = |device: &str, x, y| FloorPlace { device: DeviceId::new(device).expect("an id"), x, y };
        let before = [at("a", 255, 100), at("b", 1, 1)];
        assert_eq!(difference(&before, &before), "");
        let after = [at("c", 1000, 0), at("a", 255, 105)];
        assert_eq!(
            difference(&before, &after),
            "a: 25.5 % 10.0 % -> 25.5 % 10.5 %; b: 0.1 % 0.1 % -> -; c: - -> 100.0 % 0.0 %"
        );
        let many: Vec<FloorPlace> = (0..60).map(|number| at(&format!("d{number}"), 1, 1)).collect();
        assert!(difference(&[], &many).ends_with("; 10 more"));
    }
}

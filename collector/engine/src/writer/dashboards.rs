//! Dashboards: what people put together to look at. Who keeps one changes it, and who administers; of two who change it at once the second is told.
//!
//! What a panel names need not be there: devices come and go, and whoever looks sees only what is within their reach.

use ioc_common::clock::Timestamp;
use ioc_common::layout::Series;
use ioc_common::metric;
use ioc_store::Change;
use ioc_store::dashboard::{
    DASHBOARDS_MAX, DASHBOARDS_OWN_MAX, Dashboard, PANEL_DEVICES_MAX, PANEL_WIDTH_MAX, PANELS_MAX, Panel, PanelKind,
};

use super::{CommandResult, Engine, pending};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Longest name of a dashboard, title of a panel and name of a room, characters.
const NAME_MAX_CHARS: usize = 100;
/// Longest name of a series.
const SERIES_MAX_CHARS: usize = 300;

/// A text of one line without blanks around it.
fn line(field: Field, text: &str, most: usize, least: usize) -> Result<String, CommandError> {
    let text = text.trim();
    if text.chars().any(char::is_control) || !(least..=most).contains(&text.chars().count()) {
        return Err(field.line(least, most).invalid());
    }
    Ok(text.to_owned())
}

/// A panel as it is kept; `place` is its place, from 1.
fn checked_panel(panel: Panel, place: usize) -> Result<Panel, CommandError> {
    let refuse = |key: &'static str, english: &str| {
        let english = format!("panel {place}: {english}");
        Err(RefusalReason::new(key, [("panel", Word::count(place))], english).invalid())
    };
    let mut devices = if panel.kind.wants_devices() { panel.devices } else { Vec::new() };
    devices.dedup();
    if panel.kind.wants_devices() && devices.is_empty() {
        return refuse("refusal-dashboard-devices", "found no device; name the one that it is of");
    }
    if devices.len() > PANEL_DEVICES_MAX {
        return refuse("refusal-dashboard-many", "found too many devices; allowed are 12");
    }
    let metric = if panel.kind.wants_metric() {
        line(Field::Series, &panel.metric, SERIES_MAX_CHARS, 0)?
    } else {
        String::new()
    };
    if panel.kind.wants_metric() {
        let series = Series::new(&metric, "");
        match metric::find(series.metric()) {
            None => return refuse("refusal-dashboard-metric", "the metric is not in the catalogue (docs/metrics.md)"),
            // Numbers of people are for who has their reading on record, not for boards.
            Some(known) if known.is_personal() => {
                return refuse("refusal-dashboard-personal", "numbers of people do not stand on dashboards");
            }
            Some(_) => {}
        }
    }
    let room =
        if panel.kind == PanelKind::Room { line(Field::Place, &panel.room, NAME_MAX_CHARS, 0)? } else { String::new() };
    if panel.kind == PanelKind::Room && room.is_empty() {
        return refuse("refusal-dashboard-room", "found no room; name the one that it is of");
    }
    let title = line(Field::Text, &panel.title, NAME_MAX_CHARS, 0)?;
    Ok(Panel { kind: panel.kind, title, devices, metric, room, width: panel.width.clamp(1, PANEL_WIDTH_MAX) })
}

fn missing(number: u64) -> CommandError {
    let english = format!("there is no dashboard {number}");
    let args = [("which", Word::text(number.to_string()))];
    RefusalReason::new("refusal-thing-missing", args, english).not_found()
}

/// Whether `actor` may change this one, which they have seen in this version.
fn may_change(known: &Dashboard, version: u64, administers: bool, actor: &str) -> Result<(), CommandError> {
    if known.owner != actor && !administers {
        return Err(RefusalReason::role().forbidden());
    }
    if known.version != version {
        let english = format!("{} has changed it since you looked; look again, and do it once more", known.by);
        return Err(
            RefusalReason::new("refusal-dashboard-changed", [("by", Word::text(&known.by))], english).conflict()
        );
    }
    Ok(())
}

impl Engine {
    /// As they will be once what is decided is committed.
    fn dashboards(&self) -> Result<Vec<Dashboard>, CommandError> {
        let kept = self.reader.dashboards().map_err(CommandError::unread)?;
        Ok(pending::dashboards_after(kept, &self.batch.changes))
    }

    pub(super) fn save_dashboard(
        &mut self,
        wanted: Dashboard,
        administers: bool,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let all = self.dashboards()?;
        let known = all.iter().find(|one| one.number == wanted.number && wanted.number != 0);
        let (number, version, owner) = match known {
            Some(known) => {
                may_change(known, wanted.version, administers, actor)?;
                (known.number, known.version + 1, known.owner.clone())
            }
            None if wanted.number != 0 => return Err(missing(wanted.number)),
            None => {
                let own = all.iter().filter(|one| one.owner == actor).count();
                let most = if own >= DASHBOARDS_OWN_MAX { DASHBOARDS_OWN_MAX } else { DASHBOARDS_MAX };
                if own >= DASHBOARDS_OWN_MAX || all.len() >= DASHBOARDS_MAX {
                    let english = format!("allowed are {most} dashboards; take one out first");
                    let reason = RefusalReason::new("refusal-dashboards", [("most", Word::count(most))], english);
                    return Err(reason.conflict());
                }
                // A number is never given twice while a higher one stands.
                (all.iter().map(|one| one.number).max().unwrap_or(0) + 1, 1, actor.to_owned())
            }
        };
        if wanted.panels.len() > PANELS_MAX {
            let english = format!("found {} panels; allowed are {PANELS_MAX}", wanted.panels.len());
            let reason = RefusalReason::new("refusal-dashboard-panels", [("most", Word::count(PANELS_MAX))], english);
            return Err(reason.invalid());
        }
        let panels = wanted.panels.into_iter().zip(1..).map(|(panel, place)| checked_panel(panel, place));
        let mut roles = wanted.roles;
        roles.dedup();
        let made = Dashboard {
            number,
            version,
            owner,
            roles,
            name: line(Field::Name, &wanted.name, NAME_MAX_CHARS, 1)?,
            panels: panels.collect::<Result<_, _>>()?,
            by: actor.to_owned(),
            at: now,
        };
        let text = |one: &Dashboard| serde_json::to_string(one).unwrap_or_default();
        let detail = known.map_or_else(|| text(&made), |known| format!("{} -> {}", text(known), text(&made)));
        self.record(now, actor, AuditLogAction::DashboardSaved, &number.to_string(), &detail);
        self.batch.visible = true;
        self.batch.changes.push(Change::Dashboard(Box::new(made)));
        Ok(Answer::Dashboard(number))
    }

    pub(super) fn remove_dashboard(
        &mut self,
        (number, version): (u64, u64),
        administers: bool,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let all = self.dashboards()?;
        let known = all.iter().find(|one| one.number == number).ok_or_else(|| missing(number))?;
        may_change(known, version, administers, actor)?;
        let was = serde_json::to_string(known).unwrap_or_default();
        self.record(now, actor, AuditLogAction::DashboardRemoved, &number.to_string(), &was);
        self.batch.visible = true;
        self.batch.changes.push(Change::DashboardGone(number));
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::writer::time::tests::{Machine, Rig};

    fn panel(kind: PanelKind, devices: &[&str], metric: &str) -> Panel {
        let devices = devices.iter().map(|id| id.parse().expect("valid")).collect();
        Panel { kind, title: " Máy ".into(), devices, metric: metric.into(), room: "Phòng máy".into(), width: 9 }
    }

    fn wanted(number: u64, version: u64, panels: Vec<Panel>) -> Dashboard {
        let (owner, by) = (String::new(), String::new());
        Dashboard { number, version, name: "Ca đêm".into(), owner, roles: Vec::new(), panels, by, at: Timestamp::MIN }
    }

    #[test]
    fn a_dashboard_is_its_owners_and_the_second_of_two_editors_is_told() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let save = |rig: &mut Rig, dashboard: Dashboard, administers: bool, actor: &str| {
            let dashboard = Box::new(dashboard);
            rig.command(Command::SaveDashboard { dashboard, administers, actor: actor.into() })
        };
        let chart = panel(PanelKind::Chart, &["srv-1", "srv-1"], "cpu.busy");
        save(&mut rig, wanted(0, 0, vec![chart.clone()]), false, "lan").expect("saved");
        let kept = rig.reader.dashboards().expect("reads").remove(0);
        assert_eq!((kept.number, kept.version, kept.owner.as_str()), (1, 1, "lan"));
        assert_eq!((kept.panels[0].title.as_str(), kept.panels[0].width, kept.panels[0].devices.len()), ("Máy", 4, 1));
        assert!(kept.panels[0].room.is_empty(), "a chart is of no room");
        let refused = save(&mut rig, wanted(1, 1, Vec::new()), false, "minh").expect_err("another's");
        assert!(refused.to_string().contains("role"), "{refused}");
        save(&mut rig, wanted(1, 1, Vec::new()), true, "admin").expect("who administers may");
        let refused = save(&mut rig, wanted(1, 1, vec![chart]), false, "lan").expect_err("somebody was faster");
        assert!(refused.to_string().contains("admin has changed it"), "{refused}");
        let kept = rig.reader.dashboards().expect("reads").remove(0);
        assert_eq!((kept.version, kept.owner.as_str(), kept.panels.len()), (2, "lan", 0));
        let remove = |rig: &mut Rig, version: u64| {
            rig.command(Command::RemoveDashboard { number: 1, version, administers: false, actor: "lan".into() })
        };
        remove(&mut rig, 1).expect_err("changed since");
        remove(&mut rig, 2).expect("removed");
        remove(&mut rig, 2).expect_err("gone");
        let log = rig.reader.audit(0, 99).expect("reads");
        let told: Vec<&str> =
            log.iter().map(|one| one.action.as_str()).filter(|action| action.starts_with("dash")).collect();
        assert_eq!(told, ["dashboard.saved", "dashboard.saved", "dashboard.removed"]);
        assert!(log.iter().any(|one| one.detail.contains("} -> {")), "old and new");
    }

    #[test]
    fn a_panel_says_what_it_is_of() {
        for (one, why) in [
            (panel(PanelKind::Chart, &[], "cpu.busy"), "no device"),
            (panel(PanelKind::Number, &["srv-1"], "cpu.bussy"), "catalogue"),
            (panel(PanelKind::Chart, &["srv-1"], "account.idle|lan"), "people"),
            (Panel { room: " ".into(), ..panel(PanelKind::Room, &[], "") }, "no room"),
            (Panel { title: "x\ny".into(), ..panel(PanelKind::Incidents, &[], "") }, "characters"),
        ] {
            let refused = checked_panel(one, 3).expect_err(why).to_string();
            assert!(refused.contains(why), "{refused}");
        }
        let many: Vec<String> = (0..13).map(|n| format!("srv-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(checked_panel(panel(PanelKind::State, &many, ""), 1).is_err());
        assert!(checked_panel(panel(PanelKind::Number, &["srv-1"], "fs.used_pct|/var"), 1).is_ok());
    }
}

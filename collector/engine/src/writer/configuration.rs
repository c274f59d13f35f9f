//! The configuration that people set on pages, by API and on the command line: checked as a whole, kept as versions, and in force from the same commit.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::config::{CONFIG_MAX_BYTES, ConfigError};
use ioc_store::Change;
use ioc_store::configuration::{ConfigurationVersion, Part, WHY_MAX_CHARS};

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::config::Config;
use crate::configuration::{PartChange, audited};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

impl Engine {
    /// Gives parts new texts: all of them, or none.
    pub(super) fn set_configuration(
        &mut self,
        changes: Vec<PartChange>,
        reason: &str,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let reason = checked_reason(reason)?;
        let mut versions: Vec<ConfigurationVersion> = Vec::new();
        for PartChange { part, text, version } in changes {
            self.check_change(part, text.as_deref(), version)?;
            let known = self.config.stored().get(&part);
            let said = known.and_then(|version| version.text.as_deref());
            if versions.iter().any(|one| one.part == part) {
                let english = format!("found the part {} twice; allowed is once", part.as_str());
                return Err(RefusalReason::new("refusal-configuration-twice", [part_word(part)], english).invalid());
            }
            // What says the same is no version of its own.
            if said == text.as_deref() {
                continue;
            }
            let (who, why) = (actor.to_owned(), reason.to_owned());
            versions.push(ConfigurationVersion { part, number: version + 1, text, at: now, who, why });
        }
        if versions.is_empty() {
            return Ok(Answer::Done);
        }
        let config = self.config.with_versions(&versions).map_err(|error| faulty(&error))?;
        for version in versions {
            let (before, after) = (self.config.part(version.part), config.part(version.part));
            let detail = format!(
                "version {} → {}: {reason}\n{}",
                before.version,
                version.number,
                audited(&before.text, &after.text)
            );
            self.record(now, actor, AuditLogAction::ConfigChanged, version.part.as_str(), detail.trim_end());
            self.batch.changes.push(Change::Configuration(Box::new(version)));
        }
        self.take_config(config, now)
    }

    /// Takes parts from the files that hold them, as their next versions. The files hold them until they say nothing of them any more; then these are
    /// in force, and that the whole holds with them is known by now.
    pub(super) fn import_configuration(
        &mut self,
        parts: &[Part],
        reason: &str,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let reason = checked_reason(reason)?;
        if let Some(part) = parts.iter().find(|part| self.config.held_by(**part).is_none()) {
            let english = format!("no file holds the part {}; there is nothing to take over", part.as_str());
            return Err(RefusalReason::new("refusal-configuration-free", [part_word(*part)], english).conflict());
        }
        let versions = parts.iter().map(|part| {
            let held = self.config.part(*part);
            let (who, why) = (actor.to_owned(), reason.to_owned());
            ConfigurationVersion { part: *part, number: held.version + 1, text: Some(held.text), at: now, who, why }
        });
        let versions: Vec<ConfigurationVersion> = versions.collect();
        let config = self.config.with_imported(&versions).map_err(|error| faulty(&error))?;
        for version in versions {
            let detail = format!("version {}, from its file: {reason}", version.number);
            self.record(now, actor, AuditLogAction::ConfigChanged, version.part.as_str(), &detail);
            self.batch.changes.push(Change::Configuration(Box::new(version)));
        }
        self.take_config(config, now)
    }

    fn check_change(&self, part: Part, text: Option<&str>, seen: u64) -> Result<(), CommandError> {
        if let Some(file) = self.config.held_by(part) {
            let file = file.display().to_string();
            let english = format!("the part {} is held by {file}; change it there, and reload", part.as_str());
            let args = [part_word(part), ("file", Word::text(file))];
            return Err(RefusalReason::new("refusal-configuration-held", args, english).conflict());
        }
        let known = self.config.stored().get(&part);
        let newest = known.map_or(0, |version| version.number);
        if newest != seen {
            let who = known.map(|version| version.who.clone()).unwrap_or_default();
            let english = format!(
                "the part {} is at version {newest} by now, saved by {who}, and you have seen version {seen}; look at what changed, then save again",
                part.as_str()
            );
            let args = [
                part_word(part),
                ("version", Word::Count(newest)),
                ("seen", Word::Count(seen)),
                ("who", Word::text(who)),
            ];
            return Err(RefusalReason::new(CHANGED_SINCE, args, english).conflict());
        }
        let bytes = text.map_or(0, str::len);
        if bytes as u64 > CONFIG_MAX_BYTES {
            let english = format!("found {bytes} bytes; allowed are {CONFIG_MAX_BYTES}");
            let args = [("found", Word::count(bytes)), ("most", Word::Count(CONFIG_MAX_BYTES))];
            return Err(RefusalReason::new("refusal-configuration-large", args, english).invalid());
        }
        Ok(())
    }

    /// Takes a configuration that was read again from its files. What was set on pages meanwhile stays.
    pub(super) fn reload(&mut self, config: Config, now: Timestamp) -> CommandResult {
        let config = if self.config.stored().is_empty() {
            config
        } else {
            config.following(&self.config).map_err(|error| faulty(&error))?
        };
        self.record(now, "", AuditLogAction::ConfigReloaded, "collector.toml", "");
        self.take_config(config, now)
    }

    /// Goes by another configuration from now on; others do once it is committed.
    fn take_config(&mut self, config: Config, now: Timestamp) -> CommandResult {
        let mut out = Vec::new();
        if config.rules != self.config.rules {
            self.state.replace_rules(Arc::clone(&config.rules), now, &mut out);
        }
        self.state.replace_plan(Arc::new(config.plan.clone()));
        self.batch.config = Some(Arc::new(config.clone()));
        self.batch.visible = true;
        self.config = config;
        self.send_all_settings(now);
        self.watch_jobs(now);
        self.watch_retention(now);
        self.watch_tickets();
        self.check_assets(now);
        self.take_effects(out, now);
        self.check_duty(now)
    }
}

/// The key of the refusal of whoever has seen another version than is there.
pub const CHANGED_SINCE: &str = "refusal-configuration-since";

fn checked_reason(reason: &str) -> Result<&str, CommandError> {
    let reason = reason.trim();
    let length = reason.chars().count();
    if length == 0 || length > WHY_MAX_CHARS || reason.chars().any(char::is_control) {
        return Err(Field::Reason.line(1, WHY_MAX_CHARS).invalid());
    }
    Ok(reason)
}

fn part_word(part: Part) -> (&'static str, Word) {
    ("part", Word::named("configuration-part", part.as_str()))
}

/// A configuration that does not hold, with the place and the mend. What it says is English, as all errors of configurations are.
pub fn faulty(error: &ConfigError) -> CommandError {
    let place = if error.line == 0 { String::new() } else { format!(":{}:{}", error.line, error.column) };
    let args = [
        ("place", Word::text(format!("{}{place}", error.path.display()))),
        ("message", Word::text(error.message.clone())),
        ("mend", Word::text(error.mend.clone())),
    ];
    RefusalReason::new("refusal-configuration-faulty", args, error.to_string()).invalid()
}

#[cfg(test)]
mod tests;

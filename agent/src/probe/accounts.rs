//! Accounts (article 13): who can sign in, who may act as administrator, and when each password was changed.
//!
//! The shadow file's hashes are looked at only for being there, locked or empty; they never leave [`parse_shadow`].

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Account, Accounts};

use crate::machine::{Found, Machine, Surveyed, unknown};

/// Most accounts of one host that are reported.
const ACCOUNTS_MAX: usize = 200;
/// Groups whose members may act as administrator where sudo is set up as the distributions do.
const ADMINISTRATOR_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];
const DAY_MS: i64 = 86_400_000;

/// Makes the survey.
///
/// # Errors
/// *Unknown* when the list of accounts cannot be read.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let passwd = machine.text("/etc/passwd").map_err(|error| unknown(&error))?;
    let group = machine.text_if("/etc/group").unwrap_or_default();
    let login = machine.text_if("/etc/login.defs").unwrap_or_default();
    let (shadow, why) = match machine.text("/etc/shadow") {
        Ok(text) => (parse_shadow(&text), String::new()),
        Err(error) => (BTreeMap::new(), error.to_string()),
    };
    let mut rights = sudo_rights(machine);
    let groups = parse_groups(&group);
    let mut accounts = Accounts { unknown: why, ..Accounts::default() };
    for user in parse_passwd(&passwd) {
        let member = |name: &str| {
            groups.get(name).is_some_and(|(gid, members)| *gid == user.gid || members.contains(&user.name))
        };
        let mut by = Vec::new();
        if user.uid == 0 {
            by.push("uid 0".to_owned());
        }
        by.extend(ADMINISTRATOR_GROUPS.iter().filter(|name| member(name)).map(|name| format!("group {name}")));
        by.extend(rights.remove(&user.name).into_iter().flatten());
        let from_groups: Vec<String> = rights
            .iter()
            .filter_map(|(whom, files)| Some((whom.strip_prefix('%')?, files)))
            .filter(|(name, _)| !ADMINISTRATOR_GROUPS.contains(name) && member(name))
            .flat_map(|(name, files)| files.iter().map(move |file| format!("{file} %{name}")))
            .collect();
        by.extend(from_groups);
        let human = user.uid >= uid_min(&login) && user.uid < 65_000;
        let administrator = !by.is_empty();
        if !(user.can_sign_in && human || administrator) {
            continue;
        }
        let secret = shadow.get(&user.name);
        accounts.accounts.push(Account {
            name: user.name,
            administrator,
            by,
            locked: secret.map(|secret| secret.locked),
            empty_password: secret.map(|secret| secret.empty),
            changed_at: secret.and_then(|secret| secret.changed_at),
            max_age_days: secret.and_then(|secret| secret.max_age_days),
            expires_at: secret.and_then(|secret| secret.expires_at),
        });
        if accounts.accounts.len() >= ACCOUNTS_MAX {
            break;
        }
    }
    accounts.accounts.sort_by(|a, b| a.name.cmp(&b.name));
    Found::of(&accounts, machine.now)
}

struct User {
    name: String,
    uid: u32,
    gid: u32,
    can_sign_in: bool,
}

/// Reads passwd(5). Real names are left where they are: they are not needed.
fn parse_passwd(text: &str) -> Vec<User> {
    let lines = text.lines().filter(|line| !line.starts_with(['+', '-', '#']));
    lines
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, _, shell] = fields.as_slice() else { return None };
            let can_sign_in = !["nologin", "false", "sync", "shutdown", "halt"].iter().any(|no| shell.ends_with(no));
            Some(User { name: (*name).to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, can_sign_in })
        })
        .collect()
}

fn uid_min(login_defs: &str) -> u32 {
    let mut lines = login_defs.lines().filter_map(|line| line.strip_prefix("UID_MIN"));
    lines.next().and_then(|value| value.trim().parse().ok()).unwrap_or(1000)
}

/// Group number and members, by name (group(5)).
fn parse_groups(text: &str) -> BTreeMap<&str, (u32, BTreeSet<String>)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let (name, gid, members) = (fields.next()?, fields.nth(1)?.parse().ok()?, fields.next().unwrap_or(""));
            Some((name, (gid, members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())))
        })
        .collect()
}

/// What is taken from a line of the shadow file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secret {
    /// The password is locked, or there never was one that could be typed.
    pub locked: bool,
    /// There is none: anyone may sign in.
    pub empty: bool,
    /// When it was changed.
    pub changed_at: Option<Timestamp>,
    /// After how many days a new one is asked for.
    pub max_age_days: Option<u32>,
    /// When the account ends.
    pub expires_at: Option<Timestamp>,
}

/// Reads shadow(5): dates and states, never a hash.
#[must_use]
pub fn parse_shadow(text: &str) -> BTreeMap<String, Secret> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let (name, hash) = (*fields.first()?, *fields.get(1)?);
            let number =
                |place: usize| fields.get(place)?.parse::<i64>().ok().filter(|days| (0..4_000_000).contains(days));
            let day = |place: usize| number(place).map(|days| Timestamp::from_millis(days * DAY_MS));
            // "0" asks for a new password at the next sign-in; when the old one was set is not known then.
            let changed_at = day(2).filter(|at| at.as_millis() > 0);
            // 99999 is how "never" has always been written.
            let max_age_days = number(4).filter(|days| *days < 10_000).and_then(|days| u32::try_from(days).ok());
            let secret = Secret {
                locked: hash.starts_with(['!', '*']) || hash == "x",
                empty: hash.is_empty(),
                changed_at,
                max_age_days,
                expires_at: day(7),
            };
            Some((name.to_owned(), secret))
        })
        .collect()
}

/// Who is named in sudoers(5), with the file; `%` marks groups.
fn sudo_rights(machine: &Machine<'_>) -> BTreeMap<String, Vec<String>> {
    let mut rights: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut files = vec!["/etc/sudoers".to_owned()];
    // Names with a dot or a tilde are not read by sudo.
    let own = machine.names("/etc/sudoers.d");
    files.extend(own.iter().filter(|name| !name.contains(['.', '~'])).map(|name| format!("/etc/sudoers.d/{name}")));
    for path in files {
        let Some(text) = machine.text_if(&path) else { continue };
        let file = path.trim_start_matches("/etc/");
        for whom in parse_sudoers(&text) {
            let files = rights.entry(whom).or_default();
            if !files.iter().any(|known| known == file) {
                files.push(file.to_owned());
            }
        }
    }
    rights
}

/// The users and groups that a sudoers file gives rights to.
#[must_use]
pub fn parse_sudoers(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut whom = Vec::new();
    for line in joined.lines().map(str::trim) {
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let no_rule = first.is_empty()
            || first.starts_with(['#', '@'])
            || first.starts_with("Defaults")
            || first.ends_with("_Alias")
            || !rest.contains('=');
        if !no_rule {
            whom.extend(first.split(',').filter(|name| *name != "root").map(str::to_owned));
        }
    }
    whom
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    fn host() -> Captured {
        Captured::new(&[
            (
                "/etc/passwd",
                "root:x:0:0:root:/:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nan:x:1000:1000:Nguyễn Văn An,,,:/home/an:/bin/bash\n\
                 binh:x:1001:1001::/home/binh:/bin/sh\nops:x:1002:1002::/home/ops:/bin/sh\ndeploy:x:998:998::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
            ),
            ("/etc/group", "root:x:0:\nsudo:x:27:an\nops:x:1002:\nhelp:x:50:binh\n"),
            (
                "/etc/shadow",
                "root:!:19000:0:99999:7:::\nan:$y$j9T$SECRETHASH:20700:0:90:7:::\nbinh::20000:0:99999:7::20800:\nops:*:0:0:99999:7:::\ndeploy:!*:19000::::::\n",
            ),
            (
                "/etc/sudoers",
                "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
            ),
            ("/etc/sudoers.d/help", "%help ALL=/usr/bin/systemctl, \\\n /bin/true\ndeploy ALL=NOPASSWD: ALL\n"),
            ("/etc/sudoers.d/old.bak", "ops ALL=ALL\n"),
        ])
    }

    #[test]
    fn people_and_administrators_with_dates_and_without_secrets() {
        let captured = host();
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        let text = found.document.as_ref().expect("a document").text().to_owned();
        assert!(!text.contains("SECRETHASH") && !text.contains("Nguyễn"), "{text}");
        let accounts: Accounts = found.read();
        let names: Vec<(&str, bool)> =
            accounts.accounts.iter().map(|one| (one.name.as_str(), one.administrator)).collect();
        assert_eq!(names, [("an", true), ("binh", true), ("deploy", true), ("ops", false), ("root", true)]);
        assert_eq!(accounts.accounts[1].by, ["sudoers.d/help %help"]);
        assert_eq!(accounts.accounts[2].by, ["sudoers.d/help"]);
        assert_eq!(accounts.accounts[0].max_age_days, Some(90));
        assert_eq!(found.number("account.password_age", "an"), 81.0);
        assert_eq!(found.number("account.empty_passwords", ""), 1.0);
        assert_eq!(found.number("account.administrators", ""), 4.0);
        assert!(!found.numbers.iter().any(|(metric, who, _)| *metric == "account.password_age" && who == "root"));
    }

    #[test]
    fn dates_that_may_not_be_read_are_unknown_not_good() {
        let captured = host();
        let _ = std::fs::remove_file(captured.machine("2026-11-24T00:00:00Z").path("/etc/shadow"));
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        let accounts: Accounts = found.read();
        assert!(accounts.unknown.contains("/etc/shadow"), "{accounts:?}");
        assert!(found.number("account.password_age", "an").is_nan());
    }
}

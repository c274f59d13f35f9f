//! Accounts (article 13): who can sign in, who may act as administrator, when each password was changed, and when each was signed in with last.
//!
//! The shadow file's hashes are looked at only for being there, locked or empty; they never leave [`parse_shadow`].

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Account, Accounts, Findings};

use super::sessions::redact_wtmp;
use super::sign_ins::{self, LASTLOG, SignIns, WTMP};
use super::sudoers::{Principal, SudoUser, Sudoers};
use super::tree::Tree;
use crate::capture_rule::{CaptureRule, CapturedFiles, redact_fields};
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Accounts::PROBE,
    deadline_s: 10,
    watch: &["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/sudoers", "/etc/sudoers.d"],
    privileged: true,
    needs: Some("/etc/shadow and /etc/sudoers (CAP_DAC_READ_SEARCH of the helper unit)"),
    whole_memo: None,
    programs: &[],
    captured: CapturedFiles::whole(&[
        "/etc/group",
        "/etc/login.defs",
        "/etc/sudoers",
        "/etc/sudoers.d/*",
        "/etc/sudoers.d",
        "/usr/etc/sudoers",
        "/etc/hostname",
        "/etc/nsswitch.conf",
    ])
    .in_part(&[
        CaptureRule::redacted("/etc/passwd", redact_passwd),
        CaptureRule::redacted("/etc/shadow", redact_shadow),
        CaptureRule::redacted(LASTLOG, sign_ins::redact_lastlog),
        CaptureRule::redacted(WTMP, redact_wtmp),
    ]),
    processes: &[],
    card: Card {
        article: "13.1, 13.2",
        vi: "Tài khoản, quyền quản trị, ngày đổi mật khẩu, lần đăng nhập gần nhất",
        en: "Accounts, administrators, dates of passwords, last sign-ins",
        reads: "`/etc/passwd`, `/etc/group`, `/etc/shadow` (dates and states, never a hash), `/etc/sudoers` and what it includes; `/var/log/lastlog`, \
                `/var/log/wtmp` and who is signed in now, as sessions reads it. What none of these says is unknown, not never: Debian 13 keeps neither \
                file, and its databases (`lastlog2.db`, `wtmp.db`) are not read",
        cost: "0.5 ms",
    },
    read: survey,
};

/// Most accounts of one host that are reported.
const ACCOUNTS_MAX: usize = 200;
/// Groups that the distributions give rights to, whether they are there or not.
const ADMINISTRATOR_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];
/// Most names whose accounts lie elsewhere that are said.
const ELSEWHERE_MAX: usize = 20;
/// Where sudo's configuration lies; the second is where SUSE's own lies until there is the first.
const SUDOERS: [&str; 2] = ["/etc/sudoers", "/usr/etc/sudoers"];
const DAY_MS: i64 = 86_400_000;

/// Without real names and home directories.
fn redact_passwd(bytes: &[u8]) -> Vec<u8> {
    redact_fields(bytes, |fields| {
        for place in [4, 5] {
            if let Some(field) = fields.get_mut(place) {
                *field = "";
            }
        }
    })
}

/// Without hashes of passwords: each becomes a word. Locked and empty stay what they are.
fn redact_shadow(bytes: &[u8]) -> Vec<u8> {
    redact_fields(bytes, |fields| {
        if let Some(hash) = fields.get_mut(1)
            && !hash.is_empty()
        {
            *hash = if hash.starts_with(['!', '*']) { &hash[..1] } else { "$redacted" };
        }
    })
}

/// Makes the survey.
///
/// # Errors
/// *Unknown* when `/etc/passwd` is missing or may not be read.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let passwd = Tree::text(context, "/etc/passwd").map_err(|why| unknown(&why))?;
    let passwd = passwd.ok_or_else(|| unknown(&"/etc/passwd: is not there"))?;
    let login = context.text_if("/etc/login.defs").unwrap_or_default();
    let mut said = Vec::new();
    let shadow =
        match Tree::text(context, "/etc/shadow").and_then(|text| text.ok_or("/etc/shadow: is not there".into())) {
            Ok(text) => Some(parse_shadow(&text)),
            Err(why) => {
                said.push(why);
                None
            }
        };
    let mut administrators_known = true;
    let group = Tree::text(context, "/etc/group").unwrap_or_else(|why| {
        said.push(format!("administrators: {why}"));
        administrators_known = false;
        None
    });
    let groups = parse_groups(group.as_deref().unwrap_or_default());
    let host = context.text_if("/proc/sys/kernel/hostname").or_else(|| context.text_if("/etc/hostname"));
    let host = host.unwrap_or_default();
    let main = SUDOERS.into_iter().find(|path| context.exists(path));
    let sudoers = main.map_or(Ok(None), |main| Sudoers::read(context, main, &host)).unwrap_or_else(|why| {
        said.push(format!("administrators: {why}"));
        administrators_known = false;
        None
    });
    let now: String = context.now.to_string().chars().filter(char::is_ascii_digit).take(14).chain(['Z']).collect();
    let users = parse_passwd(&passwd);
    let (mut all, mut uids) = (Vec::new(), BTreeMap::new());
    for user in &users {
        let own = groups.iter().filter(|(_, (gid, members))| *gid == user.gid || members.contains(&user.name));
        let mut own: Vec<(u32, &str)> = own.map(|(name, (gid, _))| (*gid, *name)).collect();
        if !own.iter().any(|(gid, _)| *gid == user.gid) {
            // A group without a name.
            own.push((user.gid, ""));
        }
        let mut by = Vec::new();
        if user.uid == 0 {
            by.push("uid 0".to_owned());
        } else if let Some(sudoers) = &sudoers {
            let grant = sudoers.grant(&SudoUser { name: &user.name, uid: user.uid, groups: own.clone() }, &host, &now);
            by.extend(grant.by.into_iter().filter_map(|(file, principal)| by_rule(user, file, principal)));
            if by.is_empty()
                && let Some(why) = grant.perhaps
            {
                said.push(format!("administrators: {}: {why}", user.name));
                administrators_known = false;
            }
        } else {
            // Without sudo, or where its rules could not be read, what the distributions give these groups.
            let given = ADMINISTRATOR_GROUPS.iter().filter(|given| own.iter().any(|(_, name)| name == *given));
            by.extend(given.map(|name| format!("group {name}")));
        }
        by.dedup();
        // 65534 is nobody's, 65535 no number (systemd, UIDS-GIDS).
        let human = user.uid >= uid_min(&login) && !matches!(user.uid, 65_534 | 65_535);
        let administrator = !by.is_empty();
        if !(user.can_sign_in && human || administrator) {
            continue;
        }
        let secret = user.secret.as_ref().or_else(|| shadow.as_ref()?.get(&user.name));
        uids.insert(user.name.clone(), user.uid);
        all.push(account(user, by, secret));
    }
    SignIns::read(context, &uids, &mut said).tell(&mut all);
    if let Some(sudoers) = &sudoers {
        said.extend(sudoers.notes.iter().cloned());
        said.extend(elsewhere(context, sudoers, &users, &groups));
    }
    let count = |which: fn(&Account) -> bool| u32::try_from(all.iter().filter(|one| which(one)).count()).ok();
    let mut accounts = Accounts {
        people: count(|_| true),
        administrators: count(|one| one.administrator).filter(|_| administrators_known),
        empty_passwords: count(|one| one.empty_password == Some(true)).filter(|_| shadow.is_some()),
        ..Accounts::default()
    };
    // Where there are too many, administrators are named first.
    all.sort_by(|a, b| b.administrator.cmp(&a.administrator).then_with(|| a.name.cmp(&b.name)));
    if all.len() > ACCOUNTS_MAX {
        said.push(format!("{} accounts, of which {ACCOUNTS_MAX} are listed", all.len()));
        all.truncate(ACCOUNTS_MAX);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    accounts.accounts = all;
    accounts.unknown = said.join("; ");
    SurveyFindings::of(&accounts, context.now)
}

/// Why a user is an administrator by a rule of sudo, in the words of the page.
fn by_rule(user: &User, file: String, principal: Principal) -> Option<String> {
    match principal {
        // Everybody is who can sign in.
        Principal::All if !user.can_sign_in => None,
        Principal::Group(name) if ADMINISTRATOR_GROUPS.contains(&name.as_str()) => Some(format!("group {name}")),
        Principal::Name(_) => Some(file),
        Principal::Alias(name) if name == user.name => Some(file),
        principal => Some(format!("{file} {principal}")),
    }
}

fn account(user: &User, by: Vec<String>, secret: Option<&ShadowEntry>) -> Account {
    Account {
        name: user.name.clone(),
        administrator: !by.is_empty(),
        by,
        locked: secret.map(|secret| secret.locked),
        empty_password: secret.map(|secret| secret.empty),
        changed_at: secret.and_then(|secret| secret.changed_at),
        max_age_days: secret.and_then(|secret| secret.max_age_days),
        expires_at: secret.and_then(|secret| secret.expires_at),
        // When it was signed in with is read for all of them together.
        last_sign_in_at: None,
        signed_in: None,
    }
}

/// Whom sudo's rules name that no file of this machine can resolve: accounts and groups of a domain, netgroups, groups of plug-ins.
fn elsewhere(
    context: &SurveyContext<'_>,
    sudoers: &Sudoers,
    users: &[User],
    groups: &BTreeMap<&str, (u32, BTreeSet<String>)>,
) -> Option<String> {
    // Where only files are asked, a name that is not in them is nobody's.
    let only_files = context.text_if("/etc/nsswitch.conf").is_some_and(|text| {
        let asked = text.lines().filter(|line| line.starts_with("passwd:") || line.starts_with("group:"));
        let mut asked = asked.flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1));
        asked.all(|source| source.starts_with('[') || matches!(source, "files" | "systemd" | "altfiles" | "extrausers"))
    });
    let foreign = |name: &str| !only_files || name.contains(['\\', '@', ' ']);
    let named = sudoers.principals().into_iter().filter(|principal| match principal {
        Principal::All => false,
        Principal::Alias(name) | Principal::Name(name) => foreign(name) && !users.iter().any(|user| user.name == *name),
        Principal::Id(uid) => !only_files && !users.iter().any(|user| user.uid == *uid),
        Principal::Group(name) => {
            foreign(name) && !groups.contains_key(name.as_str()) && !ADMINISTRATOR_GROUPS.contains(&name.as_str())
        }
        Principal::GroupId(gid) => {
            !only_files && !groups.values().any(|(known, _)| known == gid) && !users.iter().any(|user| user.gid == *gid)
        }
        Principal::Netgroup(_) | Principal::NonUnix(_) => true,
    });
    let mut named: Vec<String> = named.map(|principal| principal.to_string()).collect();
    named.sort();
    let more = named.len().saturating_sub(ELSEWHERE_MAX);
    named.truncate(ELSEWHERE_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| {
        format!(
            "administrators: sudoers also names {}{more}: who that is is not in this machine's files",
            named.join(", ")
        )
    })
}

struct User {
    name: String,
    uid: u32,
    gid: u32,
    can_sign_in: bool,
    /// What stands here in place of the shadow file.
    secret: Option<ShadowEntry>,
}

/// Reads passwd(5). Real names are left where they are: they are not needed.
fn parse_passwd(text: &str) -> Vec<User> {
    let lines = text.lines().filter(|line| !line.starts_with(['+', '-', '#']));
    lines
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, hash, uid, gid, _, _, shell] = fields.as_slice() else { return None };
            let can_sign_in = !["nologin", "false", "sync", "shutdown", "halt"].iter().any(|no| shell.ends_with(no));
            let secret = (*hash != "x").then(|| ShadowEntry {
                locked: hash.starts_with(['!', '*']),
                empty: hash.is_empty(),
                ..ShadowEntry::default()
            });
            Some(User { name: (*name).to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, can_sign_in, secret })
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
pub struct ShadowEntry {
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
pub fn parse_shadow(text: &str) -> BTreeMap<String, ShadowEntry> {
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
            let secret = ShadowEntry {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    fn host() -> CapturedMachine {
        CapturedMachine::new(&[
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

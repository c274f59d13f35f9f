//! Patches (article 9.2): what apt or dnf would install, by the distribution's own word.
//!
//! For apt nothing is started and no lock is taken (`apt`): the package lists are read as apt reads them, with its priorities
//! (apt_preferences(5)) and dpkg's order of versions (deb-version(7)), which costs a tenth of `apt-get -s upgrade`. dnf's
//! metadata are a database of its own, so dnf is asked, from its cache (`dnf`). Other package managers are not read, and that is said.

mod apt;
mod apt_conf;
mod dnf;
mod kernels;
mod pattern;
mod phased;
mod pins;
pub mod support;

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Findings, Patches, UPDATES_MAX, Update};

pub use dnf::{parse_check_update, parse_updateinfo};
use kernels::Kernels;

use super::facts::os_release;
use crate::capture_rule::{CaptureExtent, CaptureRule, CapturedFiles, whole_if};
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Patches::PROBE,
    deadline_s: 200,
    watch: &[
        "/var/lib/dpkg/status",
        "/var/lib/apt/lists",
        "/var/lib/apt/periodic/update-success-stamp",
        "/run/reboot-required",
        "/etc/apt/preferences",
        "/etc/apt/preferences.d",
        "/etc/apt/apt.conf.d",
        "/etc/ioc-watch/support.toml",
        "/var/lib/rpm/rpmdb.sqlite",
        "/var/lib/rpm/Packages",
        "/var/lib/rpm/Packages.db",
        "/usr/lib/sysimage/rpm/Packages.db",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    ],
    privileged: false,
    needs: Some("package lists that are fetched by someone else; dnf on Enterprise Linux"),
    whole_memo: None,
    programs: &["dnf", "dnf5"],
    captured: CapturedFiles::whole(&[
        "/etc/apt/preferences",
        "/etc/apt/preferences.d/*",
        "/etc/apt/apt.conf.d/*",
        "/etc/apt/apt.conf",
        "/etc/ioc-watch/support.toml",
        "/etc/dnf/automatic.conf",
        "/etc/dnf/plugins/versionlock.list",
        "/etc/dnf/versionlock.toml",
        "/var/lib/dpkg/status",
        "/var/lib/apt/lists",
        "/var/lib/apt/periodic/update-success-stamp",
        "/run/reboot-required",
        "/run/reboot-required.pkgs",
    ])
    .in_part(&[
        CaptureRule::by_path("/var/lib/apt/lists/*", |path| {
            // What is on offer and by whom: descriptions and icons are most of what lies there.
            whole_if(path.contains("_Packages") || path.ends_with("Release"))
        }),
        CaptureRule::by_path("/boot/vmlinuz-*", |_| CaptureExtent::Start(0)),
    ]),
    processes: &[],
    card: Card {
        article: "9.2",
        vi: "Bản vá chưa cài, khởi động lại, hết hỗ trợ",
        en: "Pending patches, reboot needed, end of support",
        reads: "apt: `/var/lib/dpkg/status`, `/var/lib/apt/lists`, apt_preferences(5), without starting apt and without a lock. dnf 4 and 5: `dnf -C check-update` and `updateinfo`. \
            `/boot`, os-release(5), `config/support.toml` or `/etc/ioc-watch/support.toml`. zypper, apk and pacman are not read: what is pending there is unknown",
        cost: "250 ms for 60,000 packages on offer",
    },
    read: survey,
};

const STATUS: &str = "/var/lib/dpkg/status";
const LISTS: &str = "/var/lib/apt/lists";
/// Programs of the dnf family that are asked; the first one that is there.
const DNF: [&str; 2] = ["dnf", "dnf5"];
/// Distributions by their os-release(5), ID or ID_LIKE, whose package managers are not read.
const NOT_READ: [(&str, &str); 10] = [
    ("suse", "zypper"),
    ("opensuse", "zypper"),
    ("sles", "zypper"),
    ("alpine", "apk"),
    ("arch", "pacman"),
    ("gentoo", "portage"),
    ("void", "xbps"),
    ("nixos", "nix"),
    ("photon", "tdnf"),
    ("rhel", "yum"),
];

/// Makes the survey.
///
/// # Errors
/// *Absent* without a package manager, *unknown* when its state or its lists may not be read, are damaged or were cut.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let mut patches = if context.exists(STATUS) {
        apt::survey(context)?
    } else if let Some(program) = DNF.into_iter().find(|program| context.has(program)) {
        dnf::survey(context, program)?
    } else {
        not_read(context).ok_or_else(|| absent(&format!("neither {STATUS} nor dnf")))?
    };
    let memo = remember(&mut patches.updates, context.memo, context.now);
    patches.updates.sort_by(|a, b| b.security.cmp(&a.security).then_with(|| a.name.cmp(&b.name)));
    patches.pending = patches.pending.map(|_| count(&patches.updates, |_| true));
    patches.security = patches.security.map(|_| count(&patches.updates, |update| update.security == Some(true)));
    reboot(context, &mut patches);
    match support::end(context) {
        Ok(end) => patches.end_of_life = end,
        Err(why) => patches.unknown.push(why),
    }
    let mut found = SurveyFindings::of(&patches, context.now)?;
    if patches.updates.len() > UPDATES_MAX {
        // The numbers know all; the document names the first ones.
        patches.updates.truncate(UPDATES_MAX);
        found.document = SurveyFindings::of(&patches, context.now)?.document;
    }
    found.memo = memo;
    Ok(found)
}

/// What is said of a machine whose package manager is not read: when its support ends, and which kernel runs.
fn not_read(context: &SurveyContext<'_>) -> Option<Patches> {
    let os = support::release_file(context);
    let (id, like) = (os_release(&os, "ID"), os_release(&os, "ID_LIKE"));
    let is = |name: &str| id == name || id.starts_with(&format!("{name}-")) || like.split(' ').any(|like| like == name);
    let (_, manager) =
        NOT_READ.iter().find(|(name, _)| is(name)).or_else(|| is("fedora").then_some(&("fedora", "dnf")))?;
    let why = match *manager {
        "yum" | "dnf" => format!(
            "updates: {id} is there, and no dnf that could be asked; mend: install dnf, or allow it in [commands]"
        ),
        manager => format!(
            "updates: {manager} of {id} is not read by this agent, so nobody knows what is pending; mend: watch it otherwise"
        ),
    };
    Some(Patches { manager: (*manager).to_owned(), unknown: vec![why], ..Patches::default() })
}

fn count(updates: &[Update], which: impl Fn(&Update) -> bool) -> u32 {
    u32::try_from(updates.iter().filter(|update| which(update)).count()).unwrap_or(u32::MAX)
}

/// Since when each update is known: the lists do not tell when it came out, so it is remembered from survey to survey.
fn remember(updates: &mut [Update], memo: &str, now: Timestamp) -> String {
    let before: BTreeMap<String, i64> = serde_json::from_str(memo).unwrap_or_default();
    let mut after = BTreeMap::new();
    for update in updates {
        let key = format!("{}={}", update.name, update.candidate);
        let since = before.get(&key).copied().unwrap_or(now.as_millis());
        update.known_since = Some(Timestamp::from_millis(since));
        // Only what is asked for later: the age of security updates.
        if update.security == Some(true) {
            after.insert(key, since);
        }
    }
    serde_json::to_string(&after).unwrap_or_default()
}

/// The kernel that runs against the newest one installed of its flavour; a newer one asks for a reboot.
fn reboot(context: &SurveyContext<'_>, patches: &mut Patches) {
    patches.kernel_running = context.text_if("/proc/sys/kernel/osrelease").unwrap_or_default();
    match kernels::newest(&patches.kernel_running, &context.names("/boot")) {
        Kernels::None => {}
        Kernels::Newest(newest) => {
            if kernels::is_newer(&newest, &patches.kernel_running) {
                patches.reboot_needed = Some(true);
                patches.reboot_for.push(format!("linux {newest}"));
            }
            patches.kernel_installed = newest;
        }
        Kernels::Unknown(why) => {
            // What a package asked for stays asked for.
            if patches.reboot_needed == Some(false) {
                patches.reboot_needed = None;
            }
            patches.unknown.push(format!("reboot: {why}"));
        }
    }
}

#[cfg(test)]
mod tests;

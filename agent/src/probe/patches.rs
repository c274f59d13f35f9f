//! Patches (article 9.2): what apt or dnf would install, by the distribution's own word.
//!
//! For apt nothing is started and no lock is taken: the package lists are read as apt reads them, with its priorities
//! (apt_preferences(5)) and dpkg's order of versions (deb-version(7)), which costs a tenth of `apt-get -s upgrade`. dnf's
//! metadata are a database of its own, so dnf is asked, from its cache.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufReader;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Patches, UPDATES_MAX, Update};

use super::deb822::{Stanza, stanzas};
use super::facts::os_release;
use super::version;
use crate::machine::{Found, Machine, Surveyed, absent, unknown};

const STATUS: &str = "/var/lib/dpkg/status";
const LISTS: &str = "/var/lib/apt/lists";

/// Makes the survey.
///
/// # Errors
/// *Absent* without a package manager, *unknown* when its state cannot be read.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let mut patches = if machine.exists(STATUS) {
        apt(machine)?
    } else if machine.has("dnf") {
        dnf(machine)?
    } else {
        return Err(absent(&format!("neither {STATUS} nor dnf")));
    };
    let memo = remember(&mut patches.updates, machine.memo, machine.now);
    patches.updates.sort_by(|a, b| b.security.cmp(&a.security).then_with(|| a.name.cmp(&b.name)));
    patches.pending = count(&patches.updates, |_| true);
    patches.security = count(&patches.updates, |update| update.security);
    kernels(machine, &mut patches);
    patches.end_of_life = end_of_life(machine);
    let mut found = Found::of(&patches, machine.now)?;
    if patches.updates.len() > UPDATES_MAX {
        // The numbers know all; the document names the first ones.
        patches.updates.truncate(UPDATES_MAX);
        found.document = Found::of(&patches, machine.now)?.document;
    }
    found.memo = memo;
    Ok(found)
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
        if update.security {
            after.insert(key, since);
        }
    }
    serde_json::to_string(&after).unwrap_or_default()
}

fn apt(machine: &Machine<'_>) -> Result<Patches, crate::probe::Outcome> {
    let status = machine.path(STATUS);
    let file = std::fs::File::open(&status).map_err(|error| unknown(&format!("{}: {error}", status.display())))?;
    let mut installed = Installed::default();
    stanzas(BufReader::with_capacity(64 * 1024, file), |stanza| installed.take(stanza))
        .map_err(|error| unknown(&format!("{}: {error}", status.display())))?;
    let pins = pins(machine)?;
    let mut lists = 0;
    for name in machine.names(LISTS) {
        let Some((stem, coding)) = package_list(&name) else { continue };
        let release = Release::read(machine, stem);
        let path = machine.path(&format!("{LISTS}/{name}"));
        let fault = |error: std::io::Error| unknown(&format!("{}: {error}", path.display()));
        let file = std::fs::File::open(&path).map_err(fault)?;
        lists += 1;
        let mut take = |stanza: &Stanza| installed.offer(stanza, &release, &pins);
        match coding {
            "" => stanzas(BufReader::with_capacity(64 * 1024, file), &mut take).map_err(fault)?,
            ".lz4" => {
                let plain = lz4_flex::frame::FrameDecoder::new(BufReader::with_capacity(64 * 1024, file));
                stanzas(BufReader::with_capacity(64 * 1024, plain), &mut take).map_err(fault)?;
            }
            other => {
                let mend = "set Acquire::GzipIndexes \"false\" and run 'apt-get update'";
                return Err(unknown(&format!("{}: packed as {other}; mend: {mend}", path.display())));
            }
        }
    }
    if lists == 0 {
        return Err(unknown(&format!("{LISTS} holds no package list; mend: run 'apt-get update'")));
    }
    let mut held = Vec::new();
    let mut updates = Vec::new();
    for (name, package) in installed.packages {
        if package.held {
            held.push(name);
        } else if let Some(update) = package.update(name) {
            updates.push(update);
        }
    }
    held.sort();
    let refreshed = ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists/partial", LISTS];
    Ok(Patches {
        manager: "apt".to_owned(),
        refreshed_at: refreshed.iter().filter_map(|path| machine.changed_at(path)).max(),
        updates,
        held,
        automatic: Some(apt_automatic(machine) && installed.automatic),
        reboot_needed: Some(machine.exists("/run/reboot-required") || machine.exists("/var/run/reboot-required")),
        reboot_for: machine
            .text_if("/run/reboot-required.pkgs")
            .map(|text| text.lines().map(str::to_owned).collect())
            .unwrap_or_default(),
        ..Patches::default()
    })
}

/// The stem shared with the Release file, and the ending of the packing.
fn package_list(name: &str) -> Option<(&str, &str)> {
    let (stem, coding) = name.split_once("_Packages")?;
    // deb.debian.org_debian_dists_bookworm_main_binary-amd64 -> deb.debian.org_debian_dists_bookworm
    let (rest, _binary) = stem.rsplit_once('_').filter(|(_, last)| last.starts_with("binary-"))?;
    let (release, _component) = rest.rsplit_once('_')?;
    Some((release, coding))
}

#[derive(Debug, Default)]
struct Installed {
    /// By name and foreign architecture.
    packages: HashMap<String, Package>,
    native: String,
    automatic: bool,
}

#[derive(Debug, Default)]
struct Package {
    version: String,
    held: bool,
    best: Option<(i32, String)>,
    security: Option<String>,
}

impl Installed {
    fn take(&mut self, stanza: &Stanza) {
        if !stanza.is_unpacked() {
            return;
        }
        if self.native.is_empty() && stanza.package == "dpkg" {
            self.native.clone_from(&stanza.architecture);
        }
        self.automatic |= stanza.package == "unattended-upgrades";
        let package =
            Package { version: stanza.version.clone(), held: stanza.status.starts_with("hold "), ..Package::default() };
        self.packages.insert(self.key(stanza), package);
    }

    fn key(&self, stanza: &Stanza) -> String {
        let own = stanza.architecture == "all" || self.native.is_empty() || stanza.architecture == self.native;
        if own { stanza.package.clone() } else { format!("{}:{}", stanza.package, stanza.architecture) }
    }

    fn offer(&mut self, stanza: &Stanza, release: &Release, pins: &[Pin]) {
        let own = stanza.architecture == "all" || stanza.architecture == self.native;
        // No name is allocated for the sixty thousand packages that are not installed.
        let package = if own {
            self.packages.get_mut(&stanza.package)
        } else {
            self.packages.get_mut(&format!("{}:{}", stanza.package, stanza.architecture))
        };
        let Some(package) = package else { return };
        let priority = pins
            .iter()
            .find(|pin| !pin.general && pin.fits(&stanza.package, &stanza.version, release))
            .or_else(|| pins.iter().find(|pin| pin.general && pin.fits(&stanza.package, &stanza.version, release)))
            .map_or(release.priority, |pin| pin.priority);
        let newer = version::compare(&stanza.version, &package.version).is_gt();
        if priority < 0 || !(newer || priority >= 1000) || stanza.version == package.version {
            return;
        }
        if newer && release.security && priority > 0 {
            package.security = Some(stanza.version.clone());
        }
        let better = package.best.as_ref().is_none_or(|(old, version)| {
            priority.cmp(old).then_with(|| version::compare(&stanza.version, version)).is_gt()
        });
        if better {
            package.best = Some((priority, stanza.version.clone()));
        }
    }
}

impl Package {
    fn update(self, name: String) -> Option<Update> {
        let (priority, candidate) = self.best?;
        // What is installed stands at priority 100 itself, and a lower one never displaces it.
        if priority < 100 {
            return None;
        }
        Some(Update { name, installed: self.version, candidate, security: self.security.is_some(), known_since: None })
    }
}

/// What a Release file says of a source.
#[derive(Debug, Default)]
struct Release {
    site: String,
    fields: BTreeMap<&'static str, String>,
    security: bool,
    priority: i32,
}

impl Release {
    fn read(machine: &Machine<'_>, stem: &str) -> Self {
        let text = ["_InRelease", "_Release"]
            .iter()
            .find_map(|ending| machine.bytes(&format!("{LISTS}/{stem}{ending}"), 4 << 20).ok())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut release = Self { site: stem.split('_').next().unwrap_or("").to_owned(), ..Self::default() };
        for line in text.lines().take_while(|line| !line.starts_with("MD5Sum:") && !line.starts_with("SHA256:")) {
            let Some((key, value)) = line.split_once(": ") else { continue };
            let short = match key {
                "Origin" => "o",
                "Label" => "l",
                "Suite" => "a",
                "Codename" => "n",
                "Version" => "v",
                "NotAutomatic" => "not-automatic",
                "ButAutomaticUpgrades" => "but-upgrades",
                _ => continue,
            };
            release.fields.insert(short, value.trim().to_owned());
        }
        let is = |key: &str, what: fn(&str) -> bool| release.fields.get(key).is_some_and(|value| what(value));
        release.security = is("l", |label| label.contains("Security"))
            || is("a", |suite| suite.ends_with("-security"))
            || is("n", |name| name.ends_with("-security"));
        release.priority = match (is("not-automatic", |v| v == "yes"), is("but-upgrades", |v| v == "yes")) {
            (false, _) => 500,
            (true, true) => 100,
            (true, false) => 1,
        };
        release
    }
}

/// One record of apt_preferences(5).
#[derive(Debug)]
struct Pin {
    packages: Vec<String>,
    general: bool,
    what: String,
    priority: i32,
}

impl Pin {
    fn fits(&self, package: &str, version: &str, release: &Release) -> bool {
        if !self.general && !self.packages.iter().any(|pattern| glob(pattern, package)) {
            return false;
        }
        let (kind, rest) = self.what.split_once(' ').unwrap_or((self.what.as_str(), ""));
        let rest = rest.trim();
        match kind {
            "version" => glob(rest, version),
            "origin" => rest.trim_matches('"') == release.site,
            "release" => rest.split(',').all(|part| match part.trim().split_once('=') {
                // The component is not kept apart; a pin on it is rare and taken as fitting.
                Some(("c" | "b", _)) => true,
                Some((key, value)) => release.fields.get(key).is_some_and(|have| glob(value.trim_matches('"'), have)),
                None => ["a", "n"].iter().any(|key| release.fields.get(key).is_some_and(|have| have == part.trim())),
            }),
            _ => false,
        }
    }
}

fn pins(machine: &Machine<'_>) -> Result<Vec<Pin>, crate::probe::Outcome> {
    let mut files = vec!["/etc/apt/preferences".to_owned()];
    let own = machine.names("/etc/apt/preferences.d");
    files.extend(
        own.iter()
            .filter(|name| !name.contains('.') || name.ends_with(".pref"))
            .map(|name| format!("/etc/apt/preferences.d/{name}")),
    );
    let mut pins = Vec::new();
    for file in files {
        let Some(text) = machine.text_if(&file) else { continue };
        for record in text.split("\n\n") {
            let field = |name: &str| {
                let lines = record.lines().filter(|line| !line.starts_with('#'));
                lines
                    .filter_map(|line| line.split_once(':'))
                    .find(|(key, _)| key.trim() == name)
                    .map(|(_, value)| value.trim())
            };
            let (Some(packages), Some(what), Some(priority)) = (field("Package"), field("Pin"), field("Pin-Priority"))
            else {
                continue;
            };
            if packages.contains('/') {
                return Err(unknown(&format!(
                    "{file}: a pin by regular expression is not understood; mend: name the packages"
                )));
            }
            let packages: Vec<String> = packages.split_whitespace().map(str::to_owned).collect();
            let general = packages.iter().any(|name| name == "*");
            pins.push(Pin { packages, general, what: what.to_owned(), priority: priority.parse().unwrap_or(0) });
        }
    }
    Ok(pins)
}

/// Shell patterns with `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*' {
            (p, t) = (p + 1, t + 1);
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether `APT::Periodic::Unattended-Upgrade` is on; the last file that says so counts.
fn apt_automatic(machine: &Machine<'_>) -> bool {
    let mut on = false;
    for name in machine.names("/etc/apt/apt.conf.d") {
        let Some(text) = machine.text_if(&format!("/etc/apt/apt.conf.d/{name}")) else { continue };
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#')) {
            if let Some((_, value)) = line.split_once("Unattended-Upgrade ") {
                on = value.trim().trim_end_matches(';').trim_matches('"') != "0";
            }
        }
    }
    on
}

fn dnf(machine: &Machine<'_>) -> Result<Patches, crate::probe::Outcome> {
    let pending = machine.ask("dnf", &["-q", "-C", "check-update"], 90)?;
    if !matches!(pending.code, Some(0 | 100)) {
        return Err(unknown(&format!("dnf -q -C check-update: {}; mend: run 'dnf makecache'", pending.complaint)));
    }
    let security = machine.ask("dnf", &["-q", "-C", "updateinfo", "list", "--updates", "--security"], 90)?;
    let security = parse_updateinfo(&String::from_utf8_lossy(&security.text));
    let mut updates = parse_check_update(&String::from_utf8_lossy(&pending.text));
    for update in &mut updates {
        update.security = security.contains(&update.name);
    }
    let solv = machine.names("/var/cache/dnf");
    let solv = solv.iter().filter(|name| name.ends_with(".solv"));
    let wants = machine.names("/etc/systemd/system/timers.target.wants");
    let applies = machine
        .text_if("/etc/dnf/automatic.conf")
        .is_some_and(|text| text.lines().any(|line| line.replace(' ', "").eq_ignore_ascii_case("apply_updates=yes")));
    let locked = machine.text_if("/etc/dnf/plugins/versionlock.list").unwrap_or_default();
    let locked = locked.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    Ok(Patches {
        manager: "dnf".to_owned(),
        refreshed_at: solv.filter_map(|name| machine.changed_at(&format!("/var/cache/dnf/{name}"))).max(),
        updates,
        held: locked.map(str::to_owned).collect(),
        automatic: Some(
            wants.iter().any(|name| name == "dnf-automatic-install.timer")
                || applies && wants.iter().any(|name| name.starts_with("dnf-automatic")),
        ),
        reboot_needed: Some(false),
        ..Patches::default()
    })
}

/// Reads `dnf check-update`: name.arch, version, repository; what follows *Obsoleting Packages* is no update.
#[must_use]
pub fn parse_check_update(text: &str) -> Vec<Update> {
    let lines = text.lines().take_while(|line| !line.starts_with("Obsoleting"));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, candidate, _repository) = (words.next()?, words.next()?, words.next()?);
            (words.next().is_none() && name.contains('.') && candidate.contains('-')).then(|| Update {
                name: name.to_owned(),
                candidate: candidate.to_owned(),
                ..Update::default()
            })
        })
        .collect()
}

/// Reads `dnf updateinfo list --updates`: the packages, as name.arch. It gives them as `name-[epoch:]version-release.arch`, of the
/// version that mended the fault, which need not be the newest one; all of them are newer than what is installed.
#[must_use]
pub fn parse_updateinfo(text: &str) -> BTreeSet<String> {
    let package = |line: &str| {
        let (whole, arch) = line.split_whitespace().nth(2)?.rsplit_once('.')?;
        let (name, _release) = whole.rsplit_once('-')?;
        let (name, _version) = name.rsplit_once('-')?;
        Some(format!("{name}.{arch}"))
    };
    text.lines().filter_map(package).collect()
}

/// The kernel that runs against the newest one installed; another one of the same flavour asks for a reboot.
fn kernels(machine: &Machine<'_>, patches: &mut Patches) {
    patches.kernel_running = machine.text_if("/proc/sys/kernel/osrelease").unwrap_or_default();
    let boot = machine.names("/boot");
    let installed =
        boot.iter().filter_map(|name| name.strip_prefix("vmlinuz-")).filter(|name| !name.contains("rescue"));
    let newest = installed.max_by(|a, b| version::compare(a, b));
    patches.kernel_installed = newest.unwrap_or("").to_owned();
    let running_is_installed = boot.contains(&format!("vmlinuz-{}", patches.kernel_running));
    if let (Some(newest), true) = (newest, running_is_installed)
        && newest != patches.kernel_running
    {
        patches.reboot_needed = Some(true);
        patches.reboot_for.push(format!("linux {newest}"));
    }
}

/// When security support ends: by the machine's own os-release(5) where it says so, else by the makers' pages as of
/// November 2026 (Debian with LTS, Ubuntu without Pro, Enterprise Linux to the end of maintenance).
const SUPPORT: [(&str, &str, &str); 27] = [
    ("almalinux", "8", "2029-03-01"),
    ("almalinux", "9", "2032-05-31"),
    ("almalinux", "10", "2035-05-31"),
    ("amzn", "2023", "2029-06-30"),
    ("centos", "7", "2024-06-30"),
    ("centos", "8", "2021-12-31"),
    ("debian", "9", "2022-06-30"),
    ("debian", "10", "2024-06-30"),
    ("debian", "11", "2026-08-31"),
    ("debian", "12", "2028-06-30"),
    ("debian", "13", "2030-06-30"),
    ("fedora", "42", "2026-05-13"),
    ("fedora", "43", "2026-12-09"),
    ("opensuse-leap", "15.5", "2024-12-31"),
    ("opensuse-leap", "15.6", "2026-04-30"),
    ("rhel", "7", "2024-06-30"),
    ("rhel", "8", "2029-05-31"),
    ("rhel", "9", "2032-05-31"),
    ("rhel", "10", "2035-05-31"),
    ("rocky", "8", "2029-05-31"),
    ("rocky", "9", "2032-05-31"),
    ("rocky", "10", "2035-05-31"),
    ("ubuntu", "18.04", "2023-05-31"),
    ("ubuntu", "20.04", "2025-05-31"),
    ("ubuntu", "22.04", "2027-06-01"),
    ("ubuntu", "24.04", "2029-05-31"),
    ("ubuntu", "26.04", "2031-05-31"),
];

fn end_of_life(machine: &Machine<'_>) -> String {
    let file = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| machine.text_if(path));
    let file = file.unwrap_or_default();
    let own = os_release(&file, "SUPPORT_END");
    if !own.is_empty() {
        return own;
    }
    let (id, release) = (os_release(&file, "ID"), os_release(&file, "VERSION_ID"));
    let major = release.split('.').next().unwrap_or("");
    let known = SUPPORT.iter().find(|(name, version, _)| *name == id && (*version == release || *version == major));
    known.map_or(String::new(), |(_, _, end)| (*end).to_owned())
}

#[cfg(test)]
mod tests;

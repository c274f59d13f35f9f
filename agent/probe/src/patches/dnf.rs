//! What dnf would install, asked from its cache: dnf 4 (Enterprise Linux 8 to 10) and dnf 5 (Fedora 41 and later), which print differently.

use std::collections::BTreeSet;

use ioc_common::config::Source;
use ioc_common::reading::{Patches, Update};
use serde::Deserialize;

use crate::ProbeOutcome;
use crate::facts::os_release;
use crate::program::ProgramAnswer;
use crate::survey_context::{SurveyContext, unknown};

const DEADLINE_S: u64 = 90;
const LISTED: [&str; 3] = ["-q", "-C", "check-update"];
const ADVISED: [&str; 6] = ["-q", "-C", "updateinfo", "list", "--updates", "--security"];
/// What dnf complains of and then goes on with fewer repositories.
const LACKS_REPOSITORIES: [&str; 5] =
    ["ignoring repositories", "failed to synchronize", "failed to download", "failed loading", "no cache for repo"];
/// What stands beside packages: headings, and what plugins and modules say.
const REMARKS: [&str; 16] = [
    "Available upgrades",
    "Available Upgrades",
    "Available packages",
    "Available Packages",
    "Upgrades",
    "Last metadata expiration check:",
    "Updating and loading repositories:",
    "Repositories loaded.",
    "Updating Subscription Management repositories.",
    "Not root, Subscription Management repositories not updated",
    "Unable to read consumer identity",
    "This system is not registered",
    "This system is registered",
    "Security: ",
    "Loaded plugins:",
    "Loading mirror speeds",
];

/// Makes the survey with a program of this name.
pub(super) fn survey(context: &SurveyContext<'_>, program: &'static str) -> Result<Patches, ProbeOutcome> {
    let mend = |outcome| match outcome {
        ProbeOutcome::Unknown { why } => {
            ProbeOutcome::Unknown { why: format!("{why}; mend: run '{program} makecache' as root") }
        }
        other => other,
    };
    let ask = |arguments: &[&str], good| {
        let what = format!("{program} {}", arguments.join(" "));
        complete_answer(&what, context.ask(program, arguments, DEADLINE_S).accept_codes(good))
    };
    let listed = ask(&LISTED, |code| code == 0 || code == 100);
    let mut updates = listed.and_then(|listed| listed.parse(parse_check_update)).map_err(mend)?;
    let mut lacks = Vec::new();
    let advised = ask(&ADVISED, |code| code == 0);
    let mut security = advised.and_then(|advised| advised.parse(parse_updateinfo)).map_err(mend);
    if let Ok(packages) = &security
        && packages.is_empty()
        && os_release(&super::support::release_file(context), "ID") == "centos"
    {
        security = Err(unknown(&"CentOS publishes no advisories that dnf could ask"));
    }
    let security = match security {
        Ok(packages) => {
            for update in &mut updates {
                update.security = Some(packages.contains(&update.name));
            }
            Some(0)
        }
        Err(ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why }) => {
            lacks.push(format!("security updates: {why}"));
            None
        }
        Err(ProbeOutcome::Read) => None,
    };
    let wants = context.names("/etc/systemd/system/timers.target.wants");
    let applies = context
        .text_if("/etc/dnf/automatic.conf")
        .is_some_and(|text| text.lines().any(|line| line.replace(' ', "").eq_ignore_ascii_case("apply_updates=yes")));
    let automatic = |name: &String| name.starts_with("dnf-automatic") || name.starts_with("dnf5-automatic");
    Ok(Patches {
        manager: program.to_owned(),
        refreshed_at: refreshed_at(context),
        pending: Some(0),
        security,
        updates,
        held: locked_packages(context),
        automatic: Some(
            wants.iter().any(|name| name == "dnf-automatic-install.timer") || applies && wants.iter().any(automatic),
        ),
        reboot_needed: Some(false),
        unknown: lacks,
        ..Patches::default()
    })
}

/// An answer with all repositories in it.
fn complete_answer(what: &str, answer: ProgramAnswer) -> Result<ProgramAnswer, ProbeOutcome> {
    let output = answer.success()?;
    if output.code == Some(100) && output.text.trim_ascii().is_empty() {
        return Err(unknown(&format!("{what}: says by its status that there are updates, and names none")));
    }
    let complaint = output.complaint.to_lowercase();
    if LACKS_REPOSITORIES.iter().any(|lacks| complaint.contains(lacks)) {
        let said = output.complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(unknown(&format!("{what}: not every repository was read: {}", said.trim())));
    }
    Ok(ProgramAnswer::new(what.to_owned(), Ok(output)).accept_codes(|_| true))
}

/// When the cache was last filled.
fn refreshed_at(context: &SurveyContext<'_>) -> Option<ioc_common::clock::Timestamp> {
    let old = context.names("/var/cache/dnf").into_iter().filter(|name| name.ends_with(".solv"));
    let old = old.map(|name| format!("/var/cache/dnf/{name}"));
    let new = context.names("/var/cache/libdnf5").into_iter();
    let new = new.map(|name| format!("/var/cache/libdnf5/{name}/repodata/repomd.xml"));
    old.chain(new).filter_map(|path| context.changed_at(&path)).max()
}

/// What an administrator holds, in the file of dnf 4 and in that of dnf 5.
fn locked_packages(context: &SurveyContext<'_>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Locks {
        #[serde(default)]
        packages: Vec<Lock>,
    }
    #[derive(Deserialize)]
    struct Lock {
        name: String,
    }
    let old = context.text_if("/etc/dnf/plugins/versionlock.list").unwrap_or_default();
    let old = old.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    const NEW: &str = "/etc/dnf/versionlock.toml";
    let new = context.text_if(NEW).and_then(|text| Source::built_in(NEW, &text).parse::<Locks>().ok());
    let new = new.into_iter().flat_map(|locks| locks.packages).map(|lock| lock.name);
    old.map(str::to_owned).chain(new).collect()
}

/// Reads `check-update`: name.arch, version and repository, which dnf 4 breaks over lines where a name is long; what follows
/// *Obsoleting Packages* is no update.
///
/// # Errors
/// A line that is neither a package nor one of the known remarks: it might stand for an update.
pub fn parse_check_update(text: &str) -> Result<Vec<Update>, String> {
    let mut updates: Vec<Update> = Vec::new();
    let mut broken: Vec<&str> = Vec::new();
    let mut modules = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let plain = line.trim();
        if words.is_empty() {
            continue;
        }
        if plain.to_ascii_lowercase().starts_with("obsoleting packages") {
            break;
        }
        if plain.starts_with("Modular dependency problem") {
            modules = true;
            continue;
        }
        if modules && (plain.starts_with("Problem") || plain.starts_with("- ")) {
            continue;
        }
        if broken.is_empty() && REMARKS.iter().any(|remark| plain.starts_with(remark)) {
            continue;
        }
        // The rest of a broken line is set in; the first word stands at the margin.
        if broken.is_empty() == line.starts_with([' ', '\t']) {
            return Err(format!("found {plain:?}, which is no package"));
        }
        broken.extend(words);
        match broken.as_slice() {
            [name, candidate, _repository] if is_package(name, candidate) => {
                updates.push(Update {
                    name: (*name).to_owned(),
                    candidate: (*candidate).to_owned(),
                    ..Update::default()
                });
                broken.clear();
            }
            [name] if name.contains('.') => {}
            [name, candidate] if is_package(name, candidate) => {}
            _ => return Err(format!("found {plain:?}, which is no package")),
        }
    }
    if let Some(name) = broken.first() {
        return Err(format!("found {name:?} without its version and repository"));
    }
    Ok(updates)
}

/// `bash.x86_64` and `1:5.1.8-9.el9`.
fn is_package(name: &str, candidate: &str) -> bool {
    let arch = name.rsplit_once('.').map_or("", |(_, arch)| arch);
    let is_arch = !arch.is_empty() && arch.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_arch && !name.ends_with(':') && candidate.contains('-') && candidate.contains(|c: char| c.is_ascii_digit())
}

/// Reads `updateinfo list --updates --security`: the packages, as name.arch. They are given as `name-[epoch:]version-release.arch`, of the
/// version that mended the fault, which need not be the newest one; all of them are newer than what is installed.
///
/// dnf 4 prints `ADVISORY KIND PACKAGE`, dnf 5 a table `Name Type Severity Package Issued`, whose last column is a date and a time.
///
/// # Errors
/// A line that is neither a package nor one of the known remarks.
pub fn parse_updateinfo(text: &str) -> Result<BTreeSet<String>, String> {
    let mut packages = BTreeSet::new();
    let mut table = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let package = match words.as_slice() {
            [] | ["updateinfo", "list", "done"] => continue,
            ["Name", "Type", "Severity", "Package", ..] => {
                table = true;
                continue;
            }
            [first, ..] if REMARKS.iter().any(|remark| line.trim().starts_with(remark)) && !first.contains('-') => {
                continue;
            }
            // A severity may be lacking, and the time of day.
            [_advisory, kind, .., package, day, _time] if is_day(day) => (*kind == "security").then_some(*package),
            [_advisory, kind, .., package, day] if is_day(day) => (*kind == "security").then_some(*package),
            [_advisory, kind, package] if !table => {
                let kind = kind.to_ascii_lowercase();
                (kind.ends_with("/sec.") || kind == "security").then_some(*package)
            }
            _ => return Err(format!("found {:?}, which is no advisory", line.trim())),
        };
        if let Some(whole) = package {
            let name = name_of(whole).ok_or_else(|| format!("found {:?}, which names no package", line.trim()))?;
            packages.insert(name);
        }
    }
    Ok(packages)
}

/// `2026-10-20`.
fn is_day(word: &str) -> bool {
    word.len() == 10
        && word.split('-').map(str::len).eq([4, 2, 2])
        && word.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// name.arch of `name-[epoch:]version-release.arch`.
fn name_of(whole: &str) -> Option<String> {
    let (whole, arch) = whole.rsplit_once('.')?;
    let (name, _release) = whole.rsplit_once('-')?;
    let (name, _version) = name.rsplit_once('-')?;
    // yum put the epoch first.
    let name = name.split_once(':').filter(|(epoch, _)| epoch.parse::<u32>().is_ok()).map_or(name, |(_, name)| name);
    (!name.is_empty()).then(|| format!("{name}.{arch}"))
}

//! What apt would install: dpkg's list, apt's lists of packages, its pins and its configuration, read as apt reads them.

use std::collections::HashMap;
use std::io::BufReader;

use ioc_common::reading::{Patches, Update};

use super::apt_conf::AptConf;
use super::phased;
use super::pins::{AptArchive, PackageVersion, Pins};
use super::{LISTS, STATUS};
use crate::ProbeOutcome;
use crate::deb822::{Stanza, stanzas};
use crate::survey_context::{SurveyContext, unknown};
use crate::version;

const BUFFER_BYTES: usize = 64 * 1024;
/// Most bytes of a Release file.
const RELEASE_MAX_BYTES: usize = 16 << 20;
/// Most versions of one package that are compared.
const VERSIONS_MAX: usize = 64;
/// Before any part of a name of a list that tells the architecture.
const BINARY: &str = "_binary-";

/// Makes the survey where dpkg has a list.
pub(super) fn survey(context: &SurveyContext<'_>) -> Result<Patches, ProbeOutcome> {
    let mut installed = InstalledPackages::read(context)?;
    let conf = conf(context);
    let pins = pins(context, &conf)?;
    let names = context.names(LISTS);
    let mut archives = vec![AptArchive::now()];
    for name in &names {
        let Some((stem, coding)) = package_list(name) else { continue };
        archives.push(archive(context, stem, &names));
        let list = archives.len() - 1;
        let path = context.path(&format!("{LISTS}/{name}"));
        let fault = |error: std::io::Error| unknown(&format!("{}: {error}", path.display()));
        let mut file = std::fs::File::open(&path).map_err(fault)?;
        let empty = file.metadata().map_err(fault)?.len() == 0;
        if coding.is_empty() && !ends_whole(&mut file).map_err(fault)? {
            return Err(unknown(&format!("{}: is cut within a line; mend: run 'apt-get update'", path.display())));
        }
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut offered = 0_usize;
        let mut take = |stanza: &Stanza| {
            offered += usize::from(!stanza.package.is_empty() && !stanza.version.is_empty());
            installed.offer(stanza, list);
        };
        match coding {
            "" => stanzas(file, &mut take).map_err(fault)?,
            ".lz4" => {
                let plain = lz4_flex::frame::FrameDecoder::new(file);
                stanzas(BufReader::with_capacity(BUFFER_BYTES, plain), &mut take).map_err(fault)?;
            }
            ".zst" => {
                let plain = ruzstd::decoding::StreamingDecoder::new(file)
                    .map_err(|error| unknown(&format!("{}: {error}", path.display())))?;
                stanzas(BufReader::with_capacity(BUFFER_BYTES, plain), &mut take).map_err(fault)?;
            }
            other => {
                let mend = "set Acquire::GzipIndexes \"false\" and run 'apt-get update'";
                return Err(unknown(&format!("{}: packed as {other}; mend: {mend}", path.display())));
            }
        }
        // A list may be empty; one that holds something else, such as a captive portal's page, is none.
        if offered == 0 && !empty && coding.is_empty() {
            let what = "holds no package, and is not empty";
            return Err(unknown(&format!("{}: {what}; mend: run 'apt-get update'", path.display())));
        }
    }
    if archives.len() == 1 {
        return Err(unknown(&format!("{LISTS} holds no package list; mend: run 'apt-get update'")));
    }
    let priorities: Vec<i32> = archives.iter().map(|archive| pins.of_archive(archive)).collect();
    let decide = UpdateChoice {
        archives: &archives,
        priorities: &priorities,
        pins: &pins,
        phasing: PhasedUpdates::of(context, &conf),
        native: &installed.native,
    };
    let (mut held, mut phased, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    for package in installed.packages {
        let name = package.key(&installed.native);
        if package.held {
            held.push(name);
        } else if let Some((update, later)) = decide.update(&package, name) {
            if later { phased.push(update.name) } else { updates.push(update) }
        }
    }
    held.sort();
    phased.sort();
    // Where nothing is on offer as a security update, nobody knows which updates are some: Raspbian and rolling releases have no such
    // archive, and a machine may lack the one there is.
    let security = archives.iter().any(|archive| archive.security).then_some(0);
    let unknown = security.is_none().then(|| {
        "security updates: none of apt's lists is one of security updates; mend: add the distribution's security archive to apt's sources, if it has one"
            .to_owned()
    });
    let refreshed = ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists/partial", LISTS];
    Ok(Patches {
        manager: "apt".to_owned(),
        refreshed_at: refreshed.iter().filter_map(|path| context.changed_at(path)).max(),
        pending: Some(0),
        security,
        updates,
        held,
        phased,
        automatic: Some(conf.is_on("apt::periodic::unattended-upgrade") == Some(true) && installed.automatic),
        reboot_needed: Some(context.exists("/run/reboot-required") || context.exists("/var/run/reboot-required")),
        reboot_for: context
            .text_if("/run/reboot-required.pkgs")
            .map(|text| text.lines().map(str::to_owned).collect())
            .unwrap_or_default(),
        unknown: unknown.into_iter().collect(),
        ..Patches::default()
    })
}

/// What the name of a list has before `_Packages`, and the ending of the packing; none for what is no list.
fn package_list(name: &str) -> Option<(&str, &str)> {
    let (stem, coding) = name.rsplit_once("_Packages")?;
    matches!(coding, "" | ".lz4" | ".zst" | ".gz" | ".bz2" | ".xz" | ".lzma").then_some((stem, coding))
}

/// What is known of a list by its Release file, which a flat repository has beside it and others above its component. The stem is
/// `HOST_PATH_dists_SUITE_COMPONENT_binary-ARCHITECTURE` or, flat, `HOST_PATH`; suite and component may have `_` of their own.
fn archive(context: &SurveyContext<'_>, stem: &str, names: &[String]) -> AptArchive {
    let (place, architecture) = stem.rsplit_once(BINARY).unwrap_or((stem, ""));
    let release = |base: &str| {
        ["_InRelease", "_Release"].iter().map(|ending| format!("{base}{ending}")).find(|name| names.contains(name))
    };
    let mut archive = AptArchive {
        site: place.split('_').next().unwrap_or("").split(':').next().unwrap_or("").to_owned(),
        architecture: architecture.to_owned(),
        priority: 500,
        ..AptArchive::default()
    };
    let mut base = place;
    let mut file = if architecture.is_empty() { release(base) } else { None };
    if !architecture.is_empty() {
        // The shortest component first; the suite's own name is never taken for one.
        let least = place.find("_dists_").map_or(0, |at| at + "_dists_".len());
        while let Some((shorter, _)) = base.rsplit_once('_').filter(|(shorter, _)| shorter.len() > least) {
            base = shorter;
            file = release(base);
            if file.is_some() {
                break;
            }
        }
        if file.is_none() {
            base = place.rsplit_once('_').map_or(place, |(base, _)| base);
        }
        archive.component = place[base.len()..].trim_start_matches('_').replace('_', "/");
    }
    let text = file.and_then(|name| context.bytes(&format!("{LISTS}/{name}"), RELEASE_MAX_BYTES).ok());
    match text {
        Some(text) => describe(&mut archive, &String::from_utf8_lossy(&text)),
        // Without it, the suite in the list's own name has to do.
        None => archive.security = base.ends_with("-security") || base.ends_with("_updates"),
    }
    archive
}

/// Reads the head of a Release file.
fn describe(archive: &mut AptArchive, text: &str) {
    let (mut not_automatic, mut but_upgrades) = (false, false);
    for line in text.lines().take_while(|line| !line.starts_with("MD5Sum:") && !line.starts_with("SHA")) {
        let Some((key, value)) = line.split_once(": ") else { continue };
        let value = value.trim();
        match key {
            "Origin" => archive.origin = Some(value.to_owned()),
            "Label" => archive.label = Some(value.to_owned()),
            "Suite" => archive.suite = Some(value.to_owned()),
            "Codename" => archive.codename = Some(value.to_owned()),
            "Version" => archive.version = Some(value.to_owned()),
            "NotAutomatic" => not_automatic = value == "yes",
            "ButAutomaticUpgrades" => but_upgrades = value == "yes",
            _ => {}
        }
    }
    let ends = |field: &Option<String>| field.as_ref().is_some_and(|value| value.ends_with("-security"));
    archive.security = archive.label.as_ref().is_some_and(|label| label.contains("Security"))
        || ends(&archive.suite)
        || ends(&archive.codename);
    archive.priority = match (not_automatic, but_upgrades) {
        (_, true) => 100,
        (true, false) => 1,
        (false, false) => 500,
    };
}

/// What dpkg has on the disk.
#[derive(Debug, Default)]
struct InstalledPackages {
    packages: Vec<Package>,
    /// Where each lies in `packages`, by name; several architectures of one have a number each.
    by_name: HashMap<String, Vec<usize>>,
    native: String,
    automatic: bool,
}

#[derive(Debug, Default)]
struct Package {
    name: String,
    architecture: String,
    version: String,
    source: String,
    held: bool,
    offers: Vec<OfferedVersion>,
}

/// A version on offer.
#[derive(Debug)]
struct OfferedVersion {
    version: String,
    source: (String, String),
    phased: Option<u32>,
    /// Indexes of archives.
    lists: Vec<usize>,
}

/// Whether a text ends with its last line; it is then read from its start.
fn ends_whole(file: &mut std::fs::File) -> std::io::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    file.rewind()?;
    Ok(last == *b"\n")
}

impl InstalledPackages {
    fn read(context: &SurveyContext<'_>) -> Result<Self, ProbeOutcome> {
        let status = context.path(STATUS);
        let fault = |error: std::io::Error| unknown(&format!("{}: {error}", status.display()));
        let mut file = std::fs::File::open(&status).map_err(fault)?;
        if !ends_whole(&mut file).map_err(fault)? {
            return Err(unknown(&format!("{}: is cut within a line", status.display())));
        }
        let mut installed = Self::default();
        stanzas(BufReader::with_capacity(BUFFER_BYTES, file), |stanza| installed.take(stanza)).map_err(fault)?;
        if installed.packages.is_empty() {
            return Err(unknown(&format!("{}: names no package that is installed", status.display())));
        }
        if installed.native.is_empty() {
            // Without dpkg itself in the list, the architecture that most packages have.
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for package in installed.packages.iter().filter(|package| package.architecture != "all") {
                *counts.entry(&package.architecture).or_default() += 1;
            }
            let most = counts.into_iter().max_by(|a, b| (a.1, b.0).cmp(&(b.1, a.0)));
            installed.native = most.map(|(architecture, _)| architecture.to_owned()).unwrap_or_default();
        }
        Ok(installed)
    }

    fn take(&mut self, stanza: &Stanza) {
        if !stanza.is_unpacked() {
            return;
        }
        if self.native.is_empty() && stanza.package == "dpkg" {
            self.native.clone_from(&stanza.architecture);
        }
        self.automatic |= stanza.package == "unattended-upgrades";
        self.by_name.entry(stanza.package.clone()).or_default().push(self.packages.len());
        self.packages.push(Package {
            name: stanza.package.clone(),
            architecture: stanza.architecture.clone(),
            version: stanza.version.clone(),
            source: stanza.source().0.to_owned(),
            held: stanza.status.starts_with("hold "),
            offers: Vec::new(),
        });
    }

    fn offer(&mut self, stanza: &Stanza, list: usize) {
        // Nothing is allocated for the sixty thousand packages that are not installed.
        let Some(places) = self.by_name.get(&stanza.package) else { return };
        let native =
            |architecture: &str| architecture == "all" || architecture.is_empty() || architecture == self.native;
        let own = native(&stanza.architecture);
        for place in places {
            let package = &mut self.packages[*place];
            let same = if own { native(&package.architecture) } else { package.architecture == stanza.architecture };
            if same {
                package.offer(stanza, list);
            }
        }
    }
}

impl Package {
    /// The name, with the architecture where that is a foreign one.
    fn key(&self, native: &str) -> String {
        if self.is_native(native) { self.name.clone() } else { format!("{}:{}", self.name, self.architecture) }
    }

    fn is_native(&self, native: &str) -> bool {
        self.architecture == "all" || self.architecture == native || native.is_empty()
    }

    fn offer(&mut self, stanza: &Stanza, list: usize) {
        let phased = stanza.phased.parse().ok();
        if let Some(offer) = self.offers.iter_mut().find(|offer| offer.version == stanza.version) {
            offer.lists.push(list);
            // An archive that has it for all has it for this machine.
            offer.phased = offer.phased.zip(phased).map(|(a, b)| a.max(b));
        } else if self.offers.len() < VERSIONS_MAX {
            let (source, version) = stanza.source();
            let source = (source.to_owned(), version.to_owned());
            self.offers.push(OfferedVersion { version: stanza.version.clone(), source, phased, lists: vec![list] });
        }
    }
}

/// Whether updates that come in stages are taken.
#[derive(Debug)]
enum PhasedUpdates {
    Always,
    Never,
    /// By this machine's own number, if it is known.
    Machine(Option<String>),
}

impl PhasedUpdates {
    fn of(context: &SurveyContext<'_>, conf: &AptConf) -> Self {
        let says = |what: &str| {
            let apt = conf.is_on(&format!("apt::get::{what}-include-phased-updates"));
            apt.or_else(|| conf.is_on(&format!("update-manager::{what}-include-phased-updates"))) == Some(true)
        };
        match (says("always"), says("never")) {
            (true, _) => Self::Always,
            (_, true) => Self::Never,
            _ => {
                let own = conf.get("apt::machine-id").map(str::to_owned);
                Self::Machine(own.or_else(|| context.text_if("/etc/machine-id")).filter(|id| !id.is_empty()))
            }
        }
    }

    fn holds_back(&self, offer: &OfferedVersion) -> bool {
        let Some(percentage) = offer.phased.filter(|percentage| *percentage < 100) else { return false };
        match self {
            Self::Never => true,
            // Stopped for everyone.
            Self::Machine(_) if percentage == 0 => true,
            // apt takes what it cannot tell.
            Self::Always | Self::Machine(None) => false,
            Self::Machine(Some(id)) => phased::is_held_back(&offer.source.0, &offer.source.1, id, percentage),
        }
    }
}

struct UpdateChoice<'a> {
    archives: &'a [AptArchive],
    priorities: &'a [i32],
    pins: &'a Pins,
    phasing: PhasedUpdates,
    native: &'a str,
}

impl UpdateChoice<'_> {
    /// The update that apt would make of a package, and whether it waits for its stage.
    fn update(&self, package: &Package, name: String) -> Option<(Update, bool)> {
        if package.offers.iter().all(|offer| offer.version == package.version) {
            return None;
        }
        let is_native = package.is_native(self.native);
        let architecture = if is_native { self.native } else { &package.architecture };
        let priority = |version: &str, source: &str, lists: &[usize]| {
            let named = PackageVersion { package: &package.name, source, version, architecture, is_native };
            let archives: Vec<_> = lists.iter().map(|list| (&self.archives[*list], self.priorities[*list])).collect();
            self.pins.of_version(&named, &archives)
        };
        // What is installed stands against what is on offer, with dpkg's own list as one more archive.
        let same = package.offers.iter().find(|offer| offer.version == package.version);
        let mut lists = vec![0];
        lists.extend(same.iter().flat_map(|offer| &offer.lists));
        let mut best = (priority(&package.version, &package.source, &lists).max(0), None::<&OfferedVersion>);
        let mut security = Vec::new();
        for offer in package.offers.iter().filter(|offer| offer.version != package.version) {
            let priority = priority(&offer.version, &offer.source.0, &offer.lists);
            let newer = version::compare(&offer.version, &package.version).is_gt();
            if priority <= 0 || !(newer || priority >= 1000) {
                continue;
            }
            if newer && offer.lists.iter().any(|list| self.archives[*list].security) {
                security.push(offer);
            }
            let than = best.1.map_or(package.version.as_str(), |best| &best.version);
            let order = priority.cmp(&best.0).then_with(|| version::compare(&offer.version, than));
            if order.is_gt() {
                best = (priority, Some(offer));
            }
        }
        let candidate = best.1?;
        // A security update that lies between comes with it, and is never held back.
        let security = security.iter().any(|offer| version::compare(&offer.version, &candidate.version).is_le());
        let later = !security && self.phasing.holds_back(candidate);
        let update = Update {
            name,
            installed: package.version.clone(),
            candidate: candidate.version.clone(),
            security: self.archives.iter().any(|archive| archive.security).then_some(security),
            known_since: None,
        };
        Some((update, later))
    }
}

/// apt's configuration: the parts in their order, then the file.
fn conf(context: &SurveyContext<'_>) -> AptConf {
    let mut conf = AptConf::default();
    for file in parts(context, "/etc/apt/apt.conf.d", ".conf").into_iter().chain(["/etc/apt/apt.conf".to_owned()]) {
        conf.read(&context.text_if(&file).unwrap_or_default());
    }
    conf
}

fn pins(context: &SurveyContext<'_>, conf: &AptConf) -> Result<Pins, ProbeOutcome> {
    let mut pins = Pins::default();
    for file in ["/etc/apt/preferences".to_owned()].into_iter().chain(parts(context, "/etc/apt/preferences.d", ".pref"))
    {
        let text = match context.text(&file) {
            Ok(text) => text,
            Err(error) if error.is_absent() => continue,
            Err(error) => return Err(unknown(&error)),
        };
        let mend = "name the packages, or write the pin as apt_preferences(5) shows";
        pins.read(&text).map_err(|why| unknown(&format!("{file}: {why}; mend: {mend}")))?;
    }
    if let Some(release) = conf.get("apt::default-release").filter(|release| !release.is_empty()) {
        pins.prefer(release).map_err(|why| unknown(&format!("APT::Default-Release {release:?}: {why}")))?;
    }
    Ok(pins)
}

/// The files of a directory that apt reads: others it passes over by their names.
fn parts(context: &SurveyContext<'_>, dir: &str, ending: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    context
        .names(dir)
        .into_iter()
        .filter(|name| name.chars().all(plain) && !name.starts_with('.'))
        .filter(|name| !name.contains('.') || name.ends_with(ending))
        .map(|name| format!("{dir}/{name}"))
        .collect()
}

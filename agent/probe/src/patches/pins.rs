//! Priorities of versions as apt gives them (apt_preferences(5)): by pins, by what an archive says of itself, by the release that is
//! preferred. Pure; apt itself judges it in `tests/tests/probes.rs`.

use super::pattern::Pattern;

/// The priority of `never`: no other pin can raise it.
const NEVER: i32 = i32::MIN;

/// What is known of one list of packages, or of dpkg's own list.
#[derive(Debug, Default, Clone)]
pub(super) struct AptArchive {
    /// The host it came from; empty for a directory of this machine.
    pub(super) site: String,
    /// `Origin`, `Label`, `Suite`, `Codename` and `Version` of the Release file; none where it says nothing.
    pub(super) origin: Option<String>,
    pub(super) label: Option<String>,
    pub(super) suite: Option<String>,
    pub(super) codename: Option<String>,
    pub(super) version: Option<String>,
    /// Empty in a flat repository.
    pub(super) component: String,
    pub(super) architecture: String,
    /// It holds security updates, by its own word.
    pub(super) security: bool,
    /// Before any pin.
    pub(super) priority: i32,
}

impl AptArchive {
    /// What dpkg knows: apt calls it the archive *now*.
    pub(super) fn now() -> Self {
        Self { suite: Some("now".to_owned()), component: "now".to_owned(), priority: 100, ..Self::default() }
    }
}

/// A package in one version.
#[derive(Debug)]
pub(super) struct PackageVersion<'a> {
    pub(super) package: &'a str,
    pub(super) source: &'a str,
    pub(super) version: &'a str,
    pub(super) architecture: &'a str,
    /// It is of the machine's own architecture, or of all.
    pub(super) is_native: bool,
}

/// What a record is for.
#[derive(Debug)]
enum PinScope {
    /// Every package: the priority of whole archives.
    All,
    /// Packages, or packages of sources; each with its architecture.
    Some(Vec<(bool, Pattern, String)>),
}

#[derive(Debug)]
enum PinTarget {
    Version(Pattern, Option<String>),
    Origin(Option<Pattern>),
    Release(Vec<(char, Pattern)>),
}

/// One record.
#[derive(Debug)]
struct Pin {
    whose: PinScope,
    what: PinTarget,
    priority: i32,
}

/// All pins, in apt's order.
#[derive(Debug, Default)]
pub(super) struct Pins(Vec<Pin>);

impl Pins {
    /// The release that is preferred, which comes before all other pins of archives.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn prefer(&mut self, release: &str) -> Result<(), String> {
        self.0.insert(0, Pin { whose: PinScope::All, what: PinTarget::release(release)?, priority: 990 });
        Ok(())
    }

    /// Adds the records of a file.
    ///
    /// # Errors
    /// What apt refuses, too, and what is not understood.
    pub(super) fn read(&mut self, text: &str) -> Result<(), String> {
        let mut record: Vec<(String, String)> = Vec::new();
        for line in text.lines().map(str::trim_end).chain([""]) {
            if line.starts_with('#') {
                continue;
            }
            if line.is_empty() {
                if !record.is_empty() {
                    self.0.extend(pin(&record)?);
                }
                record.clear();
            } else if let Some((_, value)) = record.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
                value.push(' ');
                value.push_str(line.trim());
            } else if let Some((key, value)) = line.split_once(':') {
                record.push((key.trim().to_lowercase(), value.trim().to_owned()));
            } else {
                return Err(format!("the line {line:?} is no field"));
            }
        }
        Ok(())
    }

    /// The priority of everything in an archive that no pin names.
    pub(super) fn of_archive(&self, archive: &AptArchive) -> i32 {
        let general = || self.0.iter().filter(|pin| matches!(pin.whose, PinScope::All) && pin.what.is_of(archive));
        if general().any(|pin| pin.priority == NEVER) {
            return NEVER;
        }
        general().next().map_or(archive.priority, |pin| pin.priority)
    }

    /// The priority of a version that lies in these archives, each given with its own priority.
    pub(super) fn of_version(&self, named: &PackageVersion<'_>, archives: &[(&AptArchive, i32)]) -> i32 {
        let whole = archives.iter().map(|(_, priority)| *priority).max().unwrap_or(NEVER);
        if whole == NEVER {
            return NEVER;
        }
        let own = self.0.iter().find(|pin| pin.names(named) && pin.what.fits(named.version, archives));
        own.map_or(whole, |pin| pin.priority)
    }
}

impl Pin {
    fn names(&self, named: &PackageVersion<'_>) -> bool {
        let PinScope::Some(packages) = &self.whose else { return false };
        packages.iter().any(|(is_source, pattern, architecture)| {
            let architecture = match architecture.as_str() {
                "" | "native" => named.is_native,
                "any" => true,
                own => own == named.architecture,
            };
            architecture && pattern.fits(if *is_source { named.source } else { named.package })
        })
    }
}

impl PinTarget {
    fn release(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Release(vec![('*', Pattern::new("*")?)]));
        }
        if !text.contains('=') {
            let key = if text.starts_with(|c: char| c.is_ascii_digit()) { 'v' } else { 'r' };
            return Ok(Self::Release(vec![(key, Pattern::new(text)?)]));
        }
        let mut parts: Vec<(char, Pattern)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| part.len() >= 3) {
            let Some((key, value)) = part.split_once('=') else { continue };
            let key = match key.to_ascii_lowercase().as_str() {
                one if matches!(one, "v" | "o" | "a" | "n" | "l" | "c" | "b") => one.chars().next().unwrap_or('?'),
                // apt passes over what it does not know.
                _ => continue,
            };
            // A version that may begin anyhow is no condition to apt.
            if key == 'v' && value == "*" {
                continue;
            }
            // Of two of the same, the last one counts.
            parts.retain(|(known, _)| *known != key);
            parts.push((key, Pattern::new(value)?));
        }
        Ok(Self::Release(parts))
    }

    /// Whether it is this archive; a pin of a version never is.
    fn is_of(&self, archive: &AptArchive) -> bool {
        let fits = |pattern: &Pattern, text: &Option<String>| text.as_deref().is_some_and(|text| pattern.fits(text));
        match self {
            Self::Version(..) => false,
            Self::Origin(None) => archive.site.is_empty() && archive.suite.as_deref() != Some("now"),
            Self::Origin(Some(pattern)) => !archive.site.is_empty() && pattern.fits(&archive.site),
            Self::Release(parts) => {
                !parts.is_empty()
                    && parts.iter().all(|(key, pattern)| match key {
                        '*' => true,
                        'r' => fits(pattern, &archive.suite) || fits(pattern, &archive.codename),
                        'v' => fits(pattern, &archive.version),
                        'o' => fits(pattern, &archive.origin),
                        'a' => fits(pattern, &archive.suite),
                        'n' => fits(pattern, &archive.codename),
                        'l' => fits(pattern, &archive.label),
                        'c' => pattern.fits(&archive.component),
                        _ => pattern.fits(&archive.architecture),
                    })
            }
        }
    }

    fn fits(&self, version: &str, archives: &[(&AptArchive, i32)]) -> bool {
        match self {
            Self::Version(pattern, start) => {
                let starts = start.as_ref().is_some_and(|start| version.to_lowercase().starts_with(start));
                starts || pattern.fits(version)
            }
            other => archives.iter().any(|(archive, _)| other.is_of(archive)),
        }
    }
}

fn pin(record: &[(String, String)]) -> Result<Option<Pin>, String> {
    let field = |name: &str| record.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let whose = field("package").filter(|names| !names.is_empty()).ok_or("a record has no field Package")?;
    let Some(text) = field("pin") else { return Ok(None) };
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (rest, general) = (rest.trim(), whose == "*");
    let fault = |why: String| format!("the pin 'Package: {whose}', 'Pin: {text}' is not understood: {why}");
    let what = match kind.to_lowercase().as_str() {
        "version" if !general => {
            // Beside the shell pattern, a star at the end stands for any rest.
            let start = rest.strip_suffix('*').map(str::to_lowercase);
            PinTarget::Version(Pattern::new(rest).map_err(&fault)?, start)
        }
        "release" => PinTarget::release(rest).map_err(&fault)?,
        "origin" => {
            let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let site = quoted.unwrap_or(rest);
            PinTarget::Origin(if site.is_empty() { None } else { Some(Pattern::new(site).map_err(&fault)?) })
        }
        // apt says that it does not understand it, and goes on.
        _ => return Ok(None),
    };
    let said = field("pin-priority").unwrap_or("");
    let priority = match said {
        "never" if general => NEVER,
        number => match number.parse::<i16>() {
            Ok(number) if number != 0 => i32::from(number),
            _ => return Err(fault(format!("found Pin-Priority {said:?}; allowed is a whole number other than 0"))),
        },
    };
    if general {
        return Ok(Some(Pin { whose: PinScope::All, what, priority }));
    }
    let mut packages = Vec::new();
    for name in whose.split_whitespace() {
        let (is_source, name) = name.strip_prefix("src:").map_or((false, name), |name| (true, name));
        let (name, architecture) = name.rsplit_once(':').unwrap_or((name, ""));
        if !matches!(architecture, "" | "native" | "any") && architecture.contains(['-', '*']) {
            return Err(fault(format!("the architecture {architecture}")));
        }
        packages.push((is_source, Pattern::new(name).map_err(&fault)?, architecture.to_owned()));
    }
    Ok(Some(Pin { whose: PinScope::Some(packages), what, priority }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(pins: &str, component: &str) -> i32 {
        let mut read = Pins::default();
        read.read(pins).expect("understood");
        let archive = AptArchive {
            site: "deb.debian.org".to_owned(),
            origin: Some("Debian".to_owned()),
            suite: Some("stable-security".to_owned()),
            codename: Some("bookworm-security".to_owned()),
            version: Some("12".to_owned()),
            component: component.to_owned(),
            architecture: "amd64".to_owned(),
            priority: 500,
            ..AptArchive::default()
        };
        let named = PackageVersion {
            package: "libssl3",
            source: "openssl",
            version: "3.0.2-1",
            architecture: "amd64",
            is_native: true,
        };
        let whole = read.of_archive(&archive);
        read.of_version(&named, &[(&archive, whole)])
    }

    #[test]
    fn records_are_understood_as_their_manual_says() {
        let one = |whose: &str, what: &str| {
            priority(&format!("Explanation: x\nPackage: {whose}\nPin: {what}\nPin-Priority: 7\n"), "main")
        };
        for (whose, what) in [
            ("*", "release c=main"),
            ("*", "release a=stable-security, n=bookworm-*, b=amd64"),
            ("*", "release o=debian,v=12"),
            ("*", "release bookworm-security"),
            ("*", "release 12*"),
            ("*", "origin deb.debian.org"),
            ("*", "origin \"*.debian.org\""),
            ("*", "release *"),
            ("libssl3", "version 3.0.2*"),
            ("lib*", "version /^3\\./"),
            ("/^libssl[0-9]$/ curl", "release *"),
            ("src:openssl", "version 3.0.2-1"),
            ("src:/^open/:any", "release c=m*"),
            ("libssl3:amd64", "origin deb.debian.org"),
        ] {
            assert_eq!(one(whose, what), 7, "{whose}: {what}");
        }
        for (whose, what) in [
            ("*", "release c=contrib"),
            ("*", "release a=stable"),
            ("*", "release l=Debian"),
            ("*", "origin \"\""),
            ("*", "version 3*"),
            ("libssl3:i386", "version *"),
            ("libssl", "release *"),
            ("src:libssl3", "release *"),
            ("libssl3", "version 3.0"),
            ("libssl3", "suite stable"),
        ] {
            assert_eq!(one(whose, what), 500, "{whose}: {what}");
        }
        assert_eq!(priority("Package: *\nPin: release c=contrib\nPin-Priority: -1\n", "contrib"), -1);
    }

    #[test]
    fn the_first_that_fits_counts_and_special_ones_before_general_ones() {
        let two = "Package: *\nPin: release o=Debian\nPin-Priority: 1\n\n# a remark\nPackage: *\nPin: release *\nPin-Priority: 2\n\n\
            Package: other\n libssl3\nPin: version 3*\nPin-Priority: 3\n\nPackage: libssl3\nPin: version *\nPin-Priority: 4\n";
        assert_eq!(priority(two, "main"), 3);
        assert_eq!(
            priority(
                "Package: *\nPin: release *\nPin-Priority: 5\n\nPackage: *\nPin: release *\nPin-Priority: never\n",
                "main"
            ),
            NEVER
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in [
            "Pin: release *\nPin-Priority: 1\n",
            "Package: a\nPin: release *\n",
            "Package: a\nPin: release *\nPin-Priority: 0\n",
            "Package: a\nPin: release *\nPin-Priority: never\n",
            "Package: /a{2}/\nPin: release *\nPin-Priority: 1\n",
            "Package: a:linux-any\nPin: release *\nPin-Priority: 1\n",
            "nonsense\n",
        ] {
            assert!(Pins::default().read(text).is_err(), "{text}");
        }
    }
}

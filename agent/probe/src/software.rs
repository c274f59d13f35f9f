//! The software list (article 9.1): the databases of dpkg and rpm, flatpak and snap, and executables that no package owns.
//!
//! No process is started. The list is kept in the agent's own directory, so that the next survey sends what changed.

use std::collections::HashSet;
use std::io::{BufReader, Read as _};

use ioc_common::file;
use ioc_common::reading::{Reading, SoftwareCount};
use ioc_common::software::{self, Item, LIST_MAX_ITEMS, TEXT_MAX_BYTES};

use super::deb822::{Stanza, stanzas};
use super::rpmdb;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};
use crate::time_zone::date;

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: SoftwareCount::PROBE,
    deadline_s: 100,
    watch: &[
        "/var/lib/dpkg/status",
        "/var/lib/rpm/rpmdb.sqlite",
        "/var/lib/rpm/Packages",
        "/var/lib/rpm/Packages.db",
        "/usr/lib/sysimage/rpm/Packages.db",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        "/snap",
        "/var/lib/flatpak/app",
    ],
    privileged: false,
    needs: None,
    whole_memo: Some(WHOLE),
    programs: &[],
    captured: CapturedFiles::whole(&[
        "/var/lib/dpkg/status",
        "/var/lib/rpm/Packages",
        "/var/lib/rpm/Packages.db",
        "/usr/lib/sysimage/rpm/Packages.db",
        "/var/lib/rpm/rpmdb.sqlite",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    ]),
    processes: &[],
    card: Card {
        article: "9.1",
        vi: "Danh mục phần mềm",
        en: "The software list",
        reads: "`/var/lib/dpkg`, copyright files, rpm's `rpmdb.sqlite`, `Packages` or `Packages.db`, `/var/lib/flatpak`, `/snap`, executables below `[software] paths`",
        cost: "40 ms for 3,000 packages",
    },
    read: survey,
};

/// Where the list that was last sent lies, in the agent's own directory.
const LAST: &str = "software.json";
/// Memo of a survey that must send the whole list.
const WHOLE: &str = "whole";
/// How deep below a configured path executables are looked for.
const DEPTH_MAX: usize = 3;
/// Most files that are looked at below the configured paths.
const FILES_MAX: usize = 5000;
/// Bytes of a copyright file that are looked at: its licence stands near the top.
const COPYRIGHT_MAX_BYTES: usize = 4096;
const RPM_DATABASES: [&str; 5] = [
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
];

/// Makes the survey.
///
/// # Errors
/// *Absent* on a machine without a package manager and executables, *unknown* when its database may not be read or is damaged.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let mut items = list(context)?;
    if items.is_empty() {
        return Err(absent(
            &"no database of dpkg, rpm, flatpak or snap, and no executables below the configured paths",
        ));
    }
    items.sort();
    items.dedup_by(|a, b| a.source == b.source && a.name == b.name);
    items.truncate(LIST_MAX_ITEMS);
    let numbers = SurveyFindings::numbers_of(&SoftwareCount(items.len()));
    let last = context.state.map(|state| state.join(LAST));
    let before: Option<Vec<Item>> = last
        .as_ref()
        .filter(|_| context.memo != WHOLE)
        .and_then(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok());
    if let (Some(path), true) = (&last, before.as_ref() != Some(&items)) {
        // A list that could not be kept is sent whole next time, which is dear and not wrong.
        if let Err(error) = file::replace(path, 0o644, |out| Ok(serde_json::to_writer(out, &items)?)) {
            tracing::warn!(%error, path = %path.display(), "the list of software cannot be kept");
            let _ = std::fs::remove_file(path);
        }
    }
    Ok(SurveyFindings { numbers, software: software::reports(before.as_deref(), items), ..SurveyFindings::default() })
}

/// Everything that is installed, in no order.
///
/// # Errors
/// *Unknown* when a database is there and may not be read or is damaged.
pub fn list(context: &SurveyContext<'_>) -> Result<Vec<Item>, crate::ProbeOutcome> {
    let mut items = Vec::new();
    if context.exists("/var/lib/dpkg/status") {
        dpkg(context, &mut items)?;
    }
    // The first that is there: what an upgrade left behind in an older form is no more in use.
    if let Some(path) = RPM_DATABASES.iter().find(|path| context.exists(path)) {
        let file = context.bytes(path, 512 << 20).map_err(|error| unknown(&error))?;
        items.extend(rpmdb::packages(&file).map_err(|why| unknown(&format!("{path}: {why}")))?);
    }
    flatpak(context, &mut items);
    snap(context, &mut items);
    executables(context, &mut items);
    for item in &mut items {
        for text in [&mut item.name, &mut item.version, &mut item.publisher, &mut item.licence, &mut item.place] {
            clean(text);
        }
    }
    items.retain(Item::is_sound);
    Ok(items)
}

/// Cuts a text to its bound at a character, and takes out what a page could trip over.
fn clean(text: &mut String) {
    if text.chars().any(char::is_control) {
        text.retain(|c| !c.is_control());
    }
    if text.len() > TEXT_MAX_BYTES {
        let end = (0..=TEXT_MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

fn dpkg(context: &SurveyContext<'_>, items: &mut Vec<Item>) -> Result<(), crate::ProbeOutcome> {
    const STATUS: &str = "/var/lib/dpkg/status";
    let path = context.path(STATUS);
    let fault = |error: std::io::Error| unknown(&format!("{}: {error}", path.display()));
    let input = BufReader::with_capacity(64 * 1024, std::fs::File::open(&path).map_err(fault)?);
    let mut native = String::new();
    stanzas(input, |stanza| {
        if !stanza.status.ends_with(" installed") {
            return;
        }
        if stanza.package == "dpkg" {
            native.clone_from(&stanza.architecture);
        }
        items.push(dpkg_item(context, stanza));
    })
    .map_err(fault)?;
    for item in items.iter_mut().filter(|item| item.source == "dpkg") {
        // The architecture belongs to the name only where it is not the machine's own.
        if let Some((name, arch)) = item.name.rsplit_once(':')
            && (arch == native || arch == "all")
        {
            item.name = name.to_owned();
        }
    }
    Ok(())
}

fn dpkg_item(context: &SurveyContext<'_>, stanza: &Stanza) -> Item {
    let (name, arch) = (&stanza.package, &stanza.architecture);
    // dpkg itself keeps no date; it writes the list of a package's files when it installs it.
    let changed = context
        .changed_at(&format!("/var/lib/dpkg/info/{name}.list"))
        .or_else(|| context.changed_at(&format!("/var/lib/dpkg/info/{name}:{arch}.list")));
    let mut head = [0; COPYRIGHT_MAX_BYTES];
    let copyright = std::fs::File::open(context.path(&format!("/usr/share/doc/{name}/copyright")));
    // One read: what says the licence stands in the first lines.
    let licence = copyright.and_then(|mut file| file.read(&mut head)).map(|count| &head[..count]);
    Item {
        source: "dpkg".to_owned(),
        name: format!("{name}:{arch}"),
        version: stanza.version.clone(),
        publisher: stanza.maintainer.clone(),
        licence: licence.map(|head| parse_copyright(&String::from_utf8_lossy(head))).unwrap_or_default(),
        place: String::new(),
        installed_on: changed.map(|at| date(at.as_secs())).unwrap_or_default(),
    }
}

/// The licence of a machine-readable copyright file (Debian's copyright-format 1.0): that of all files, the first that is named.
/// Other forms are prose, and tell nothing that could be relied on.
#[must_use]
pub fn parse_copyright(text: &str) -> String {
    let first = text.lines().next().unwrap_or("");
    if !(first.starts_with("Format:") || first.starts_with("Format-Specification:")) {
        return String::new();
    }
    let licence = text.lines().find_map(|line| line.strip_prefix("License:"));
    licence.unwrap_or("").trim().to_owned()
}

/// Deployed applications: `/var/lib/flatpak/app/ID/current/active/metadata`; their version is in what they export.
fn flatpak(context: &SurveyContext<'_>, items: &mut Vec<Item>) {
    for id in context.names("/var/lib/flatpak/app") {
        let base = format!("/var/lib/flatpak/app/{id}/current/active");
        if !context.exists(&base) {
            continue;
        }
        let info = context.text_if(&format!("{base}/files/share/metainfo/{id}.metainfo.xml"));
        let info = info
            .or_else(|| context.text_if(&format!("{base}/files/share/appdata/{id}.appdata.xml")))
            .unwrap_or_default();
        let between = |from: &str, to: &str| {
            info.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(text, _)| text.trim().to_owned())
        };
        items.push(Item {
            source: "flatpak".to_owned(),
            version: info
                .split_once("<release ")
                .and_then(|(_, rest)| rest.split_once("version=\"")?.1.split('"').next())
                .unwrap_or("")
                .to_owned(),
            publisher: between("<developer_name>", "</developer_name>").unwrap_or_default(),
            licence: between("<project_license>", "</project_license>").unwrap_or_default(),
            place: format!("/var/lib/flatpak/app/{id}"),
            installed_on: context.changed_at(&base).map(|at| date(at.as_secs())).unwrap_or_default(),
            name: id,
        });
    }
}

/// Installed snaps: `/snap/NAME/current/meta/snap.yaml`.
fn snap(context: &SurveyContext<'_>, items: &mut Vec<Item>) {
    for name in context.names("/snap") {
        let path = format!("/snap/{name}/current/meta/snap.yaml");
        let Some(text) = context.text_if(&path) else { continue };
        let value = |key: &str| {
            let lines = text.lines().filter(|line| !line.starts_with(' '));
            lines
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim().trim_matches(['\'', '"']).to_owned())
        };
        items.push(Item {
            source: "snap".to_owned(),
            version: value("version").unwrap_or_default(),
            licence: value("license").unwrap_or_default(),
            place: format!("/snap/{name}"),
            installed_on: context
                .changed_at(&format!("/snap/{name}/current"))
                .map(|at| date(at.as_secs()))
                .unwrap_or_default(),
            name,
            publisher: String::new(),
        });
    }
}

/// Executables below the configured paths, one item for each file. What a package brought there is known by its package.
fn executables(context: &SurveyContext<'_>, items: &mut Vec<Item>) {
    let mut left = FILES_MAX;
    let mut seen = HashSet::new();
    for path in &context.settings.software_paths {
        look(context, &path.to_string_lossy(), 0, &mut left, &mut seen, items);
    }
}

fn look(
    context: &SurveyContext<'_>,
    dir: &str,
    depth: usize,
    left: &mut usize,
    seen: &mut HashSet<String>,
    items: &mut Vec<Item>,
) {
    use std::os::unix::fs::PermissionsExt as _;
    for name in context.names(dir) {
        let path = format!("{}/{name}", dir.trim_end_matches('/'));
        // A link is what it leads to, which is listed where it lies.
        let Ok(kind) = context.path(&path).symlink_metadata() else { continue };
        if *left == 0 || !seen.insert(path.clone()) {
            return;
        }
        *left -= 1;
        if kind.is_dir() && depth < DEPTH_MAX {
            look(context, &path, depth + 1, left, seen, items);
        } else if kind.is_file() && kind.permissions().mode() & 0o111 != 0 && !name.contains(".so") {
            items.push(Item {
                source: "file".to_owned(),
                name: path.clone(),
                place: path.clone(),
                installed_on: context.changed_at(&path).map(|at| date(at.as_secs())).unwrap_or_default(),
                ..Item::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;
    use ioc_common::software::Software;

    #[test]
    fn packages_applications_and_executables() {
        use std::os::unix::fs::PermissionsExt as _;
        let mut captured = CapturedMachine::new(&[
            (
                "/var/lib/dpkg/status",
                "Package: dpkg\nStatus: install ok installed\nMaintainer: Dpkg <d@x>\nArchitecture: amd64\nVersion: 1.21\n\n\
                 Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36\nDescription: x\n Maintainer: y\n\n\
                 Package: old\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
                 Package: half\nStatus: purge ok not-installed\nArchitecture: all\nVersion: 1\n",
            ),
            (
                "/usr/share/doc/dpkg/copyright",
                "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nFiles: *\nLicense: GPL-2+\n",
            ),
            ("/usr/share/doc/libc6/copyright", "This is the Debian package of glibc.\nLicense: none\n"),
            ("/snap/hello/current/meta/snap.yaml", "name: hello\nversion: '2.10'\nlicense: GPL-3.0\n"),
            (
                "/var/lib/flatpak/app/org.x.App/current/active/files/share/metainfo/org.x.App.metainfo.xml",
                "<component><project_license>MIT</project_license><releases><release date=\"x\" version=\"4.2\"/></releases></component>",
            ),
            ("/opt/tool/bin/run", "#!/bin/sh"),
            ("/opt/tool/readme", "x"),
        ]);
        captured.settings.software_paths = vec!["/opt".into()];
        let run = captured.machine("2026-11-24T00:00:00Z").path("/opt/tool/bin/run");
        std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o755)).expect("set");
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        let [Software::Whole { items, .. }] = found.software.as_slice() else { panic!("{found:?}") };
        let short: Vec<_> = items
            .iter()
            .map(|i| (i.source.as_str(), i.name.as_str(), i.version.as_str(), i.licence.as_str()))
            .collect();
        assert_eq!(
            short,
            [
                ("dpkg", "dpkg", "1.21", "GPL-2+"),
                ("dpkg", "libc6:i386", "2.36", ""),
                ("file", "/opt/tool/bin/run", "", ""),
                ("flatpak", "org.x.App", "4.2", "MIT"),
                ("snap", "hello", "2.10", "GPL-3.0"),
            ]
        );
    }

    #[test]
    fn whole_once_then_what_changed() {
        let captured = CapturedMachine::new(&[(
            "/var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n",
        )]);
        let state = tempfile::tempdir().expect("temporary directory");
        let made = |memo: &'static str| {
            let context = SurveyContext { state: Some(state.path()), memo, ..captured.machine("2026-11-24T00:00:00Z") };
            survey(&context).expect("read").software.remove(0)
        };
        assert!(matches!(made(""), Software::Whole { .. }));
        let Software::Difference { base, list, added, .. } = made("") else { panic!("a difference") };
        assert!(base == list && added.is_empty(), "nothing changed, and the list is named");
        captured.write(
            "/var/lib/dpkg/status",
            b"Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 2\n",
        );
        assert!(matches!(made(""), Software::Difference { added, .. } if added[0].version == "2"));
        assert!(matches!(made(WHOLE), Software::Whole { .. }), "asked for");
    }
}

//! The house rules as a test: who may import what, how long a file may be, what must not stand in the tree.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use source::{Source, breaks, for_tests};

mod cargo;
mod documents;
mod rings;
mod source;
mod words;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The import table of docs/architecture.md where Cargo cannot hold it (`cargo`): no file of a room names any of these paths, whatever it
/// calls them. A room has one place, or, while it moves, one of several.
const WALLS: &[(&[&str], &[&str])] = &[
    (&["common/src"], &["tokio", "std::net"]),
    (&["collector/judge/src"], &["tokio", "std::fs", "std::net", "clock::now"]),
    (&["agent/probe/src"], &["tokio", "rumqttc", "crate::spool", "crate::uplink", "clock::now", "process::Command"]),
    (&["agent/src/uplink/session"], &["tokio", "rumqttc", "ioc_common::clock"]),
    (&["agent/src/schedule"], &["tokio", "ioc_common::clock"]),
    (&["agent/src/sensor/decode"], &["tokio", "std::net", "clock::now"]),
    (&["agent/src/sensor/request_batching"], &["tokio", "std::net", "clock::now"]),
    (&["agent/src/sensor/profile"], &["tokio", "std::net", "clock::now"]),
    (&["agent/src/sensor/publisher"], &["tokio", "std::net", "clock::now"]),
    (&["agent/src/sensor/day"], &["tokio", "std::net", "clock::now"]),
    (&["agent/src/sensor/ups"], &["tokio", "std::net", "clock::now"]),
    (&["collector/document/src"], &["tokio", "std::fs", "std::net", "clock::now"]),
    (&["collector/store/src"], &["tokio", "axum", "rusqlite", "crate::sqlite"]),
    (&["collector/engine/src"], &["axum", "rusqlite", "ioc_store::sqlite"]),
    (&["collector/ingest/src"], &["axum", "rusqlite", "ioc_judge", "ioc_store::sqlite"]),
    (&["collector/src/notify"], &["axum", "ioc_web", "ioc_ingest", "crate::ticket", "rusqlite"]),
    (&["collector/src/ticket"], &["axum", "ioc_web", "ioc_ingest", "rusqlite"]),
    (&["collector/web/src"], &["rusqlite", "rmqtt_codec", "ioc_store::sqlite"]),
    // Which store it is, is decided in `directory` alone: nothing else of the collector knows one.
    (&["collector/src", "tests"], &["rusqlite", "ioc_store::sqlite"]),
];

/// The rooms of a crate where a word of its wall may stand: the embedded store is where SQLite lives, and it is opened in one place; the layer of
/// SQL is over both databases, and PostgreSQL is reached through the runtime.
const EXEMPT: &[(&str, &str)] = &[
    ("collector/store/src/sql", "rusqlite"),
    ("collector/store/src/sql", "crate::sqlite"),
    ("collector/store/src/sql/postgres", "tokio"),
    ("collector/store/src/postgres", "tokio"),
    // The index of words is a file of each collector's own.
    ("collector/store/src/postgres/store", "crate::sqlite"),
    ("collector/store/src/postgres/standby", "crate::sqlite"),
    // From one into the other.
    ("collector/store/src/store_copy", "crate::sqlite"),
    ("collector/store/src/sqlite", "rusqlite"),
    ("collector/store/src/sqlite", "crate::sqlite"),
    ("collector/store/src/directory", "crate::sqlite"),
    ("collector/store/src/lib", "crate::sqlite"),
];

/// What may stand at the top.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "agent",
    "collector",
    "common",
    "config",
    "systemd",
    "tests",
    "docs",
    "scripts",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "clippy.toml",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

const LINES_MAX: usize = 640;
const COLUMNS_MAX: usize = 200;

fn tracked() -> Vec<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "asks git for the list of files")]
    let output =
        std::process::Command::new("git").args(["-C", ROOT, "ls-files", "-co", "--exclude-standard"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(PathBuf::from)
        .filter(|path| Path::new(ROOT).join(path).exists())
        .collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = tracked().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    rust.map(|path| (path.clone(), std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap())).collect()
}

fn inside(path: &Path, room: &str) -> bool {
    path.starts_with(room) || path == Path::new(&format!("{room}.rs"))
}

/// What of a tree of sources breaks these walls, and which of them stand around nothing.
fn breaches(sources: &[(PathBuf, String)], walls: &[(&[&str], &[&str])]) -> Vec<String> {
    let read: BTreeMap<PathBuf, Source> =
        sources.iter().map(|(path, text)| (path.clone(), Source::new(text))).collect();
    let tests = for_tests(&read);
    let mut broken = Vec::new();
    for (rooms, words) in walls {
        let mut found = false;
        for (path, source) in read.iter().filter(|(path, _)| !tests.contains(*path)) {
            if !rooms.iter().any(|room| inside(path, room)) {
                continue;
            }
            found = true;
            let named = source.paths(path);
            let exempt = |word: &str| EXEMPT.iter().any(|(room, exempt)| word == *exempt && inside(path, room));
            let bad = words.iter().filter(|word| breaks(&named, word) && !exempt(word));
            broken.extend(bad.map(|word| format!("{}: must not name {word} (docs/architecture.md)", path.display())));
            if source.takes_in_files() {
                broken.push(format!(
                    "{}: takes in a file by its path, past the rules about where it lies",
                    path.display()
                ));
            }
        }
        if !found {
            broken.push(format!(
                "{}: nothing is there; where has it moved (WALLS in tests/tests/tidy.rs)?",
                rooms.join(" or ")
            ));
        }
    }
    broken
}

#[test]
fn walls_stand() {
    let broken = breaches(&sources(), WALLS);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_is_read_to_its_end() {
    for (path, text) in sources() {
        assert!(
            Source::new(&text).is_whole(),
            "{}: brackets that do not pair; the rules lose their way in it",
            path.display()
        );
    }
}

#[test]
fn no_spelling_gets_past_a_wall() {
    let wall: &[(&[&str], &[&str])] = &[(&["app/src/room"], &["crate::web", "tokio", "clock::now"])];
    let seen = |path: &str, text: &str| {
        let sources = [(PathBuf::from(path), text.to_owned())];
        !breaches(&sources, wall).is_empty()
    };
    let room = "app/src/room/a.rs";
    for text in [
        "use crate::web;",
        "use crate::web::Page;",
        "use crate::{store, web};",
        "use crate::{store::{self, Row}, web::{Page, pages::Other}};",
        "use crate::{self as here}; fn f() { here::web::f() }",
        "use crate as here; fn f() { here::web::f() }",
        "use super::super::web;",
        "use super::super as top; fn f() { top::web::f() }",
        "mod inner { use super::super::super::web::Page; }",
        "use crate::*; fn f(page: web::Page) {}",
        "pub(crate) use crate::web::Page;",
        "fn f() -> crate::web::Page { todo!() }",
        "fn f() { log!(\"http://x\", crate::web::f()); }",
        "const A: &str = \"http://x\"; use crate::web;",
        "const A: char = '\"'; use crate::web; const B: char = '\"';",
        "const A: &str = r#\"\"\"#; use crate::web;",
        "const A: &[u8] = b\"//\"; /* a /* b */ */ use crate::web;",
        "fn f<'a>(x: &'a str) {} use crate :: web;",
        "#[cfg(test)]\nmod tests { fn a() {} }\nuse crate::web;",
        "#[cfg(test)]\nmod tests;\nuse crate::web;",
        "#[cfg(test)]\nuse std::fs;\nuse crate::web;",
        "#[cfg(test)]\nfn a(x: [u8; 2]) -> (u8, u8) { (1, 2) }\nuse crate::web;",
        "struct A { #[cfg(test)] a: u8, b: crate::web::Page }",
        "struct A { #[cfg(test)] a: u8 }\nuse crate::web;",
        "#[cfg(not(test))]\nuse crate::web;",
        "#[cfg(any(test, unix))]\nuse crate::web;",
        "use tokio::time;",
        "use {std::fs, tokio as t};",
        "extern crate tokio;",
        "async fn f() { ::tokio::spawn(g()) }",
        "use ioc_common::clock; fn f() { clock::now() }",
        "use ioc_common::clock as c; fn f() { c::now() }",
        "use ioc_common::clock::{now as hour}; fn f() { hour() }",
        "use r#crate::r#web;",
        "#[path = \"../web/page.rs\"] mod page;",
        "include!(\"../web/page.rs\");",
    ] {
        assert!(seen(room, text), "it gets past: {text}");
    }
    for text in [
        "//! As crate::web does.\n/* crate::web */ fn f() {}",
        "const A: &str = \"crate::web tokio::x\"; const B: &str = r\"use crate::web;\";",
        "use crate::website; use crate::room::web_page; struct Tokio;",
        "#[cfg(test)]\nmod tests { use crate::web; }",
        "#[cfg(test)]\n#[allow(unused)]\nmod tests { mod a { use crate::web; } }\nfn f() {}",
        "#[cfg(all(test, unix))]\nuse crate::web;",
        "#![cfg(test)]\nuse crate::web;",
        "fn web() {} fn f() { web() } use super::web;",
    ] {
        // A room that is all tests is one that is not there.
        let sources = [(PathBuf::from(room), text.to_owned()), (PathBuf::from("app/src/room/b.rs"), String::new())];
        assert_eq!(breaches(&sources, wall), [""; 0], "it is taken for something else: {text}");
    }
    // Files for tests are told by who declares them, not by their names; and a wall has something to stand around.
    let page = |path: &str| (PathBuf::from(path), "use crate::web;".to_owned());
    let declared = |text: &str| (PathBuf::from("app/src/room/mod.rs"), text.to_owned());
    let tree = |text: &str, path: &str| breaches(&[declared(text), page(path)], wall).len();
    assert_eq!(tree("#[cfg(test)]\nmod tests;", "app/src/room/tests.rs"), 0);
    assert_eq!(tree("#[cfg(test)]\nmod contract;", "app/src/room/contract/more.rs"), 0);
    assert_eq!(tree("#[cfg(test)]\n#[path = \"more.rs\"]\nmod tests;", "app/src/room/more.rs"), 0);
    assert_eq!(tree("mod tests;", "app/src/room/tests.rs"), 1);
    assert_eq!(tree("mod tests;", "app/src/room/contract.rs"), 1);
    assert_eq!(breaches(&[page("app/src/web/mod.rs")], wall).len(), 1, "the room is gone");
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") && !path.ends_with("tests.rs") {
            faults.push(format!("{}: does not begin with what it is for (//!)", path.display()));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{}: {lines} lines; allowed are {LINES_MAX}", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS_MAX && !path.starts_with("common/src/metric.rs") {
                faults.push(format!("{}:{}: {} columns", path.display(), number + 1, line.chars().count()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_top_is_as_ordered_and_nothing_generated_is_kept() {
    let mut faults = Vec::new();
    for path in tracked() {
        let first = path.iter().next().unwrap().to_string_lossy().into_owned();
        if !first.starts_with('.') && !TOP.contains(&first.as_str()) {
            faults.push(format!("{}: does not belong at the top", path.display()));
        }
        let bytes = std::fs::read(Path::new(ROOT).join(&path)).unwrap();
        let picture = path.extension().is_some_and(|ending| ending == "png")
            && (path.starts_with("docs/pictures") || path.starts_with("collector/web/static"));
        if bytes.contains(&0) && !picture {
            faults.push(format!("{}: is a binary", path.display()));
        }
        let text = String::from_utf8_lossy(&bytes);
        let private = ["-----BEGIN PRIVATE", "-----BEGIN EC PRIVATE", "/root/", "/work/"];
        if !path.ends_with("tidy.rs") && private.iter().any(|word| text.contains(word)) {
            faults.push(format!("{}: holds a secret or a path of someone's machine", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn generated_pages_are_up_to_date() {
    let kept = std::fs::read_to_string(format!("{ROOT}/docs/metrics.md")).unwrap_or_default();
    #[allow(clippy::disallowed_methods, reason = "asks the program for its page")]
    let output = std::process::Command::new(ioc_tests::harness::binary("ioc-collector"))
        .args(["docs", "metrics"])
        .output()
        .unwrap();
    assert_eq!(kept, String::from_utf8(output.stdout).unwrap(), "run: ioc-collector docs metrics > docs/metrics.md");
    for (page, file) in [("page", "docs/commands.md"), ("keys", "docs/keys.md")] {
        let kept = std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap_or_default();
        #[allow(clippy::disallowed_methods, reason = "asks the program for its page")]
        let output = std::process::Command::new(ioc_tests::harness::binary("ioc-manual")).arg(page).output().unwrap();
        assert_eq!(kept, String::from_utf8(output.stdout).unwrap(), "run: ioc-manual {page} > {file}");
    }
    let fresh = tempfile::tempdir().unwrap();
    #[allow(clippy::disallowed_methods, reason = "asks the program for its pages")]
    let written =
        std::process::Command::new(ioc_tests::harness::binary("ioc-agent")).arg("docs").arg(fresh.path()).status();
    assert!(written.unwrap().success());
    let pages = |dir: &Path| {
        let mut pages: Vec<(String, String)> = std::fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        pages.sort();
        pages
    };
    assert_eq!(pages(&Path::new(ROOT).join("docs/probes")), pages(fresh.path()), "run: ioc-agent docs docs/probes");
}

#[test]
fn no_figure_is_typed() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/performance.md")).unwrap();
    ioc_tests::performance::check(&page).unwrap_or_else(|error| panic!("docs/performance.md: {error:#}"));
    assert!(Path::new(ROOT).join(ioc_tests::performance::MADE_BY).exists(), "what makes docs/performance.md is gone");
    for side in ["docs/size.md", "docs/vi/size.md"] {
        let text = std::fs::read_to_string(format!("{ROOT}/{side}")).unwrap();
        ioc_tests::performance::size::check(&text).unwrap_or_else(|error| panic!("{side}: {error:#}"));
    }
    // Every place for figures has a benchmark, so that a renamed one does not leave an empty table.
    let words = std::fs::read_to_string(format!("{ROOT}/tests/bench/performance.txt")).unwrap();
    let bench = std::fs::read_to_string(format!("{ROOT}/tests/bench/main.rs")).unwrap();
    let named = words.lines().filter_map(|line| line.strip_prefix("<!-- figures: ")?.strip_suffix(" -->"));
    let unknown: Vec<&str> = named.filter(|name| !bench.contains(&format!("=> \"{name}\""))).collect();
    assert!(unknown.is_empty(), "tests/bench/performance.txt has places for figures of no benchmark: {unknown:?}");
}

#[test]
fn both_sides_of_the_docs_exist_and_their_links_lead_somewhere() {
    let mut faults = Vec::new();
    for path in tracked().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let beside = Path::new(ROOT).join(path.parent().unwrap()).join(target);
            if !beside.exists() {
                faults.push(format!("{}: leads to {target}, which does not exist", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Files whose text is not ours: what machines were found to be, and what cargo writes.
fn is_foreign(path: &Path) -> bool {
    path.starts_with("tests/machines") || path.ends_with("Cargo.lock") || path == Path::new("LICENSE")
}

/// Texts that are ours, by their paths.
fn texts() -> Vec<(PathBuf, String)> {
    let ours = tracked().into_iter().filter(|path| !is_foreign(path));
    let read = |path: &PathBuf| std::fs::read(Path::new(ROOT).join(path)).unwrap();
    ours.filter_map(|path| Some((path.clone(), String::from_utf8(read(&path)).ok()?))).collect()
}

/// What in a line points at something that a reader of this repository has not got. `known` are the names of its documents.
fn points_outside(line: &str, known: &BTreeSet<String>) -> Option<String> {
    let is_part = |one: char| one.is_alphanumeric() || "_-./*{}<>$".contains(one);
    let words: Vec<&str> = line.split(|one: char| !is_part(one)).filter(|word| !word.is_empty()).collect();
    for word in &words {
        if word.starts_with("shared/") || word.contains("../shared/") {
            return Some((*word).to_owned());
        }
        let name = word.trim_matches('.').rsplit('/').next().unwrap_or_default();
        let made_up = name.contains(['*', '{', '<', '$']) || name.starts_with('.') || word.starts_with("//");
        if name.ends_with(".md") && !made_up && !known.contains(name) {
            return Some((*word).to_owned());
        }
    }
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let number = |word: &String| word.trim_matches('.').chars().all(|one| one.is_ascii_digit());
    let tracker = |two: &&[String]| matches!(two[0].as_str(), "issue" | "issues") && number(&two[1]);
    lower.windows(2).find(tracker).map(|two| two.join(" "))
}

#[test]
fn no_file_points_outside_the_repository() {
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let known: BTreeSet<String> = tracked().into_iter().filter_map(name).collect();
    for line in [
        "see `../shared/design.md`",
        "(shared/notes.txt)",
        "as issue 17 asks",
        "Issue #3: done",
        "docs/no-such-page.md says why",
    ] {
        assert!(points_outside(line, &known).is_some(), "{line}");
    }
    for line in [
        "docs/wire.md says why",
        "to issue a token",
        "docs/probes/*.md",
        "{name}.md",
        "/usr/share/shared/x",
        "one issue. 2 more",
    ] {
        assert_eq!(points_outside(line, &known), None, "{line}");
    }
    let mut faults = Vec::new();
    for (path, text) in texts() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = points_outside(line, &known) {
                faults.push(format!("{}:{}: points at {found}, which is not here", path.display(), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_left_of_a_merge() {
    // Two versions of a passage that nobody chose from, as git writes them.
    let begins =
        |line: &str| ["<<<<<<<", ">>>>>>>"].iter().any(|mark| line == *mark || line.starts_with(&format!("{mark} ")));
    assert!(begins("<<<<<<< HEAD") && begins(">>>>>>> branch") && !begins("<<<<<<<<<< a heading"));
    let mut faults = Vec::new();
    for (path, text) in texts() {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| begins(line));
        faults.extend(lines.map(|(number, line)| format!("{}:{number}: {line}", path.display())));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_fetched_from_an_address_of_a_registry() {
    // Ordinary clients know them. Debian's own may stand where lists of apt are read: they are named after it.
    let registries = [
        concat!("registry.", "npmjs"),
        concat!("crates", ".io/api"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("py", "pi.org"),
        concat!("python", "hosted.org"),
        concat!("proxy.", "golang.org"),
        concat!("unpkg", ".com"),
        concat!("jsdelivr", ".net"),
    ];
    let mut faults = Vec::new();
    for (path, text) in texts() {
        faults.extend(
            registries.iter().filter(|one| text.contains(**one)).map(|one| format!("{}: {one}", path.display())),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_test_file_is_a_module_of_the_one_program() {
    let main = std::fs::read_to_string(format!("{ROOT}/tests/tests/main.rs")).unwrap();
    for path in tracked().into_iter().filter(|path| path.parent() == Some(Path::new("tests/tests"))) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let declared = main.lines().any(|line| line == format!("mod {name};"));
        assert!(
            name == "main" || declared,
            "{}: tests/tests/main.rs lacks 'mod {name};', so that it never runs",
            path.display()
        );
    }
}

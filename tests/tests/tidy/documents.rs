//! What documents name is there: paths, the names that `scripts/test` takes, and the rooms of docs/architecture.md, where in turn every
//! module at the top of a crate has its line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{ROOT, tracked};

/// Modules that docs/architecture.md does not name yet: package and module. To be written there, never to be added to.
const UNNAMED: &[(&str, &str)] = &[("collector/judge", "scenarios")];

/// Endings of files that are ours wherever a document names them.
const OURS: &[&str] = &[".rs", ".html", ".ftl", ".sql"];

/// Code of a document with the line where it begins: spans in a line of their paragraph, and blocks line by line.
fn codes(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut block, mut paragraph, mut begins) = (Vec::new(), false, String::new(), 1);
    for (number, line) in (1..).zip(text.lines().chain([""])) {
        let fence = line.trim_start().starts_with("```");
        if fence || line.trim().is_empty() {
            let mut at = begins;
            for (place, part) in paragraph.split('`').enumerate() {
                if place % 2 == 1 {
                    found.push((at, part.replace('\n', " ")));
                }
                at += part.matches('\n').count();
            }
            paragraph.clear();
            begins = number + 1;
            block ^= fence;
        } else if block {
            found.push((number, line.to_owned()));
            begins = number + 1;
        } else {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    found
}

/// `a/{b,c}` as `a/b` and `a/c`.
fn spelled_out(path: &str) -> Vec<String> {
    let Some((before, (list, after))) =
        path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return vec![path.to_owned()];
    };
    list.split(',').flat_map(|one| spelled_out(&format!("{before}{one}{after}"))).collect()
}

/// Whether a part of a path is as it is written: `*`, `<channel>` and `CHANNEL` stand for any name.
fn part_is(part: &str, written: &str) -> bool {
    let hole = |one: &str| {
        let word = one.trim_matches(['<', '>']);
        one == "*" || one.starts_with('<') || word.len() > 2 && word.chars().all(|one| one.is_ascii_uppercase())
    };
    let (stem, ending) = written.split_once('.').unwrap_or((written, ""));
    if hole(stem) {
        return ending.is_empty() || part.ends_with(&format!(".{ending}"));
    }
    part == written || part.strip_suffix(".rs") == Some(written)
}

/// Whether a word of a document is a path of this repository that leads nowhere. One that begins with a name at the top is read from there;
/// any other, if it ends as our sources do, is the end of a path (`sql/commit.rs`, `text.rs`).
fn leads_nowhere(word: &str, files: &BTreeSet<String>) -> bool {
    let is_path = word.chars().all(|one| one.is_ascii_alphanumeric() || "_./*{},<>-".contains(one));
    let first = word.split('/').next().unwrap_or_default();
    let from_top = word.contains('/') && files.iter().any(|file| file.split('/').next() == Some(first));
    if !is_path || word.starts_with(['.', '/', '{']) || !(from_top || OURS.iter().any(|ending| word.ends_with(ending)))
    {
        return false;
    }
    let is_there = |path: &str| {
        let written: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let fits =
            |parts: &[&str]| parts.len() == written.len() && parts.iter().zip(&written).all(|(a, b)| part_is(a, b));
        files.iter().any(|file| {
            let parts: Vec<&str> = file.split('/').collect();
            let from = if from_top { Some(0) } else { parts.len().checked_sub(written.len()) };
            from.is_some_and(|from| parts.get(from..(from + written.len())).is_some_and(fits))
        })
    };
    spelled_out(word).iter().any(|path| !is_there(path))
}

/// Names that a command gives to `scripts/test`.
fn names_for_test(code: &str) -> Vec<&str> {
    let Some((_, after)) = code.split_once("scripts/test ") else { return Vec::new() };
    let is_name = |word: &&str| word.starts_with(|one: char| one.is_ascii_lowercase() || one == '-');
    after.split_whitespace().take_while(is_name).filter(|word| !word.starts_with('-')).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

fn names() -> BTreeSet<String> {
    tracked().iter().map(|path| path.display().to_string()).collect()
}

/// Documents that people read; the changelog speaks of what was.
fn documents() -> Vec<(String, String)> {
    let is_read =
        |name: &String| name.ends_with(".md") && name != "CHANGELOG.md" && !name.starts_with("tests/machines");
    names().into_iter().filter(is_read).map(|name| (name.clone(), read(&name))).collect()
}

/// Rows of a table that stand for the same thing: the same first cell (an empty one stands for that above it) and the same first name in the second.
fn said_twice(text: &str) -> Vec<(usize, String)> {
    let (mut twice, mut seen, mut group) = (Vec::new(), BTreeSet::new(), String::new());
    for (line, row) in text.lines().enumerate() {
        let Some(row) = row.strip_prefix('|') else {
            seen.clear();
            group.clear();
            continue;
        };
        let mut cells = row.split('|').map(str::trim);
        let (first, second) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        if !first.is_empty() {
            first.clone_into(&mut group);
        }
        let name = second.strip_prefix('`').and_then(|rest| rest.split('`').next()).unwrap_or(second);
        if !seen.insert((group.clone(), name.to_owned())) {
            twice.push((line + 1, format!("{group} {name}")));
        }
    }
    twice
}

/// What two branches changed in one row comes out of a merge as two rows, of which neither is whole.
#[test]
fn no_table_says_a_thing_twice() {
    let merged = "| a | b |\n|---|---|\n| `x` | `one/*`, `two` | all |\n| | `three` | c |\n| | `one/*` | less |\n\n| `x` | `one/*` | d |\n";
    assert_eq!(said_twice(merged), [(5, "`x` one/*".to_owned())]);
    assert_eq!(said_twice("| override | ngoại lệ | how |\n| override | ngoại lệ | how, and why |\n").len(), 1);
    let mut faults = Vec::new();
    for (document, text) in documents() {
        faults.extend(said_twice(&text).into_iter().map(|(line, row)| format!("{document}:{line}: {row} once more")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn paths_in_documents_lead_somewhere() {
    let files = names();
    for bad in [
        "collector/src/nowhere.rs",
        "nowhere.rs",
        "writer/nowhere.rs",
        "collector/src/notify/{queue,nowhere}.rs",
        "agent/nowhere",
        "collector/src/<channel>/delivery.rs",
        "collector/src/notify/CHANNEL/nowhere.rs",
    ] {
        assert!(leads_nowhere(bad, &files), "{bad}");
    }
    for good in [
        "collector/src/main.rs",
        "writer/mod.rs",
        "collector/src/",
        "collector/src/notify/{queue,worker}.rs",
        "collector/src/{ticket,notify}",
        "collector/src/notify/<channel>/delivery.rs",
        "agent/probe/src/NAME.rs",
        "agent/src/uplink/session",
        "/etc/nowhere.rs",
        "application/json",
        "config/channels/*.toml",
    ] {
        assert!(!leads_nowhere(good, &files), "{good}");
    }
    let spans = codes("see `a` and `b c\nd`,\nthen `e`\n\n```sh\nscripts/x `y`\n```\n`f`");
    let spans: Vec<(usize, &str)> = spans.iter().map(|(line, code)| (*line, code.as_str())).collect();
    assert_eq!(spans, [(1, "a"), (1, "b c d"), (3, "e"), (6, "scripts/x `y`"), (8, "f")]);
    let mut faults = Vec::new();
    for (document, text) in documents() {
        for (line, code) in codes(&text) {
            let words = code.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';', ':']));
            let bad = words.filter(|word| leads_nowhere(word, &files));
            faults.extend(bad.map(|word| format!("{document}:{line}: {word} is not there")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Folders of packages by their names.
fn packages() -> BTreeMap<String, String> {
    let manifests = names().into_iter().filter(|name| name.ends_with("/Cargo.toml"));
    let named = manifests.filter_map(|path| {
        let text = read(&path);
        let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))?;
        Some((name.to_owned(), path.trim_end_matches("/Cargo.toml").to_owned()))
    });
    named.collect()
}

/// Whether `scripts/test` finds something by a name, with a test where one is named.
fn is_for_test(name: &str, known: &BTreeSet<&str>, packages: &BTreeMap<String, String>) -> bool {
    let (first, test) = name.split_once("::").unwrap_or((name, ""));
    if !known.contains(first) {
        return false;
    }
    let Some(test) = test.rsplit("::").next().filter(|test| !test.is_empty()) else { return true };
    let room = packages.get(first).map_or_else(|| format!("tests/tests/{first}"), |folder| format!("{folder}/src"));
    let is_here = |file: &String| {
        file.strip_prefix(&room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs") && file.ends_with(".rs")
    };
    let names_it = |file: &String| {
        let declares = |line: &str| {
            ["fn ", "mod "].iter().any(|word| {
                line.split(word)
                    .skip(1)
                    .any(|rest| rest.split(['(', '<', ' ', ';']).next().unwrap_or_default().contains(test))
            })
        };
        file.contains(test) || read(file).lines().any(declares)
    };
    names().iter().filter(|file| is_here(file)).any(names_it)
}

#[test]
fn every_test_that_documents_name_is_there() {
    #[allow(clippy::disallowed_methods, reason = "asks the script for its names")]
    let output = std::process::Command::new(format!("{ROOT}/scripts/test")).arg("--list").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let known: BTreeSet<&str> =
        listed.lines().filter(|line| line.starts_with(' ')).flat_map(str::split_whitespace).collect();
    let packages = packages();
    assert!(known.contains("quick") && known.contains("tidy") && known.contains("ioc-judge"), "{listed}");
    for (name, right) in [
        ("tidy", true),
        ("quickly", false),
        ("tidy::paths_in_documents", true),
        ("tidy::no_such_test_is_there_at", false),
        ("ioc-judge::simulation", true),
        ("ioc-judge::no_such_test_is_there_at", false),
        ("ioc-nobody", false),
    ] {
        // The wrong names stand in this file as literals, which declare nothing.
        assert_eq!(is_for_test(name, &known, &packages), right, "{name}");
    }
    assert_eq!(names_for_test("IOC_X=1 scripts/test --list a b::c  # d"), ["a", "b::c"]);
    assert_eq!(names_for_test("scripts/test NAME"), [""; 0]);
    let mut faults = Vec::new();
    for (document, text) in documents() {
        for (line, code) in codes(&text) {
            let bad = names_for_test(&code).into_iter().filter(|name| !name.contains("NAME"));
            let bad = bad.filter(|name| !is_for_test(name, &known, &packages));
            faults.extend(bad.map(|name| format!("{document}:{line}: scripts/test knows no {name}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The table of rooms: each line's package, what its column of rooms names, and all that the line names.
fn rooms(page: &str) -> Vec<(String, Vec<String>, BTreeSet<String>)> {
    let table = page.split("\n## Rooms\n").nth(1).unwrap_or_default().split("\n## ").next().unwrap_or_default();
    let names = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let (mut package, mut found) = (String::new(), Vec::new());
    for line in table.lines().filter(|line| line.starts_with('|') && line.contains('`')) {
        let columns: Vec<&str> = line.trim_matches('|').split('|').collect();
        if let Some(first) = names(columns[0]).into_iter().next() {
            package = first;
        }
        let all = columns[1..].iter().flat_map(|column| names(column)).collect();
        found.push((package.clone(), names(columns[1]), all));
    }
    found
}

/// Modules at the top of the crates that lie in `src`, by package. What is below one of them is that line's to explain; a probe has its
/// page in docs/probes.
fn top_modules() -> BTreeSet<(String, String)> {
    let (mut found, mut probes) = (BTreeSet::new(), BTreeSet::new());
    for name in names() {
        let Some((package, below)) = name.split_once("/src/") else { continue };
        let Some(below) = below.strip_suffix(".rs") else { continue };
        let module = below.split('/').next().unwrap_or_default();
        if ["lib", "main", "tests", "bin"].contains(&module) || module.ends_with("_tests") {
            continue;
        }
        let one = (package.to_owned(), module.to_owned());
        if (below == module || below.strip_suffix("/mod") == Some(module)) && read(&name).contains("const PROBE: ") {
            probes.insert(one.clone());
        }
        found.insert(one);
    }
    &found - &probes
}

/// What the page lacks, what it names that is not there, and what is listed as lacking although it is named.
fn faults_of_rooms(
    page: &str,
    modules: &BTreeSet<(String, String)>,
    files: &BTreeSet<String>,
    unnamed: &[(&str, &str)],
) -> Vec<String> {
    let rooms = rooms(page);
    let is_named = |package: &str, module: &str| {
        let of = |name: &String| name.split(['/', '.']).next() == Some(module);
        rooms.iter().any(|(room, _, all)| room == package && all.iter().any(of))
    };
    let listed = |package: &str, module: &str| unnamed.contains(&(package, module));
    let mut faults = Vec::new();
    for (package, module) in modules {
        match (is_named(package, module), listed(package, module)) {
            (false, false) => faults.push(format!("no line of {package} names {module}")),
            (true, true) => faults.push(format!("{package}: {module} is named; take it out of UNNAMED")),
            _ => {}
        }
    }
    let gone =
        unnamed.iter().filter(|(package, module)| !modules.contains(&((*package).to_owned(), (*module).to_owned())));
    faults.extend(gone.map(|(package, module)| format!("{package}: {module} is not there; take it out of UNNAMED")));
    for (package, names, _) in &rooms {
        let places = |name: &str| [format!("{package}/src/{name}"), format!("{package}/{name}")];
        let lies = |place: &String| {
            files.iter().any(|file| {
                file.strip_prefix(place.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
            })
        };
        let gone = names.iter().filter(|name| !places(name.trim_end_matches("/*")).iter().any(lies));
        faults.extend(gone.map(|name| format!("{package} has no {name}")));
    }
    faults
}

#[test]
fn the_map_has_every_room_and_no_other() {
    let page = "x\n## Rooms\n\n| package | room | for |\n|---|---|---|\n| `app` (`ioc-app`) | `a`, `b/*` | `c` is pure |\n| | `d/e` | |\n\n## More\n`f`";
    let modules = |names: &[&str]| names.iter().map(|name| ("app".to_owned(), (*name).to_owned())).collect();
    let files = ["app/src/a.rs", "app/src/b/x.rs", "app/src/c.rs", "app/src/d/e.rs"].map(str::to_owned).into();
    assert_eq!(faults_of_rooms(page, &modules(&["a", "b", "c", "d"]), &files, &[]), [""; 0]);
    assert_eq!(faults_of_rooms(page, &modules(&["a", "f"]), &files, &[]), ["no line of app names f"]);
    assert_eq!(faults_of_rooms(page, &modules(&["a", "f"]), &files, &[("app", "f")]), [""; 0]);
    assert_eq!(faults_of_rooms(page, &modules(&["a"]), &files, &[("app", "a"), ("app", "f")]).len(), 2);
    let fewer = ["app/src/a.rs", "app/src/bb/x.rs", "app/src/d/e.rs"].map(str::to_owned).into();
    assert_eq!(faults_of_rooms(page, &modules(&["a"]), &fewer, &[]), ["app has no b/*"]);
    let faults = faults_of_rooms(&read("docs/architecture.md"), &top_modules(), &names(), UNNAMED);
    assert!(faults.is_empty(), "docs/architecture.md, Rooms:\n{}", faults.join("\n"));
}

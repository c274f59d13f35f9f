//! The modules of the judge name each other in one direction: whoever reads one need not read those that are built on it.
//!
//! The text is read whole, tests included, by its paths (`crate::…`). What a file beside others says of its siblings by `super::…` is
//! looked at within `state`, where the methods of one type are spread over files by subject.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Graph = BTreeMap<String, BTreeSet<String>>;

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|ext| ext == "rs") {
            found.push(entry);
        }
    }
}

/// The first names of all paths that begin with `root::`, those in braces too.
fn named(text: &str, root: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for rest in code.split(&format!("{root}::")).skip(1) {
        match rest.strip_prefix('{') {
            None => {
                names.insert(word(rest));
            }
            Some(list) => {
                let mut depth = 1;
                let mut start = true;
                for (at, letter) in list.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => start = true,
                        c if start && !c.is_whitespace() => {
                            names.insert(word(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    names
}

/// A way from a module back to itself, if there is one.
fn ring(graph: &Graph) -> Option<Vec<String>> {
    fn walk(graph: &Graph, at: &str, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(place) = way.iter().position(|one| one == at) {
            way.drain(..place);
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.to_owned());
        if graph.get(at).into_iter().flatten().any(|next| walk(graph, next, way, done)) {
            return true;
        }
        way.pop();
        done.insert(at.to_owned());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    graph.keys().any(|at| walk(graph, at, &mut way, &mut done)).then_some(way)
}

#[test]
fn no_module_is_named_by_what_it_names() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // What `lib.rs` gives out under a shorter name is where it comes from.
    let mut homes: BTreeMap<String, String> = BTreeMap::new();
    for line in read(&src.join("lib.rs")).lines().filter_map(|line| line.strip_prefix("pub use ")) {
        let (module, items) = line.split_once("::").expect("a path");
        let items = items.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|item| !item.is_empty());
        homes.extend(items.map(|item| (item.to_owned(), module.to_owned())));
    }
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let (mut rooms, mut within_state) = (Graph::new(), Graph::new());
    for file in &files {
        let place = file.strip_prefix(&src).expect("below").with_extension("");
        let parts: Vec<&str> = place.iter().map(|part| part.to_str().expect("text")).collect();
        let text = read(file);
        if ["lib", "scenarios"].contains(&parts[0]) {
            continue;
        }
        let home = |name: String| homes.get(&name).cloned().unwrap_or(name);
        let names = named(&text, "crate").into_iter().map(home).filter(|name| name != parts[0]);
        rooms.entry(parts[0].to_owned()).or_default().extend(names);
        if let ["state", module] = parts[..] {
            within_state.entry(module.to_owned()).or_default().extend(named(&text, "super"));
        }
    }
    assert!(rooms.len() > 10 && within_state.len() > 10 && rooms["state"].len() > 8, "{rooms:?} {within_state:?}");
    assert_eq!(ring(&rooms), None, "{rooms:#?}");
    assert_eq!(ring(&within_state), None, "{within_state:#?}");
}

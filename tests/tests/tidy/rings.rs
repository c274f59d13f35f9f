//! No module is in a ring: whoever reads one need not read those that are built on it.
//!
//! Files are read whole, their tests too. What a path names is where it leads through `crate`, `self`, `super`, groups in braces, other
//! names (`as`) and re-exports; on its way it names each module that hands it on. Modules are compared on one floor, with all that is
//! below them: `crate::a::x` that names `crate::b::y` is `a` that names `b`. So the top floor must have no ring, nor must the children
//! of any module. A parent names its children by nature, and a child may name what its parent itself defines (the type whose methods it
//! has, say): between those two there is no ring. But what a parent only hands on from a child is that child's.
//!
//! Not seen is what is named by a macro's text or in a literal (`serde(with = "…")`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Names, Source, full};

/// Rings that are left: the folder of the crate's root, the module whose children they are, and those. To be opened, never to be added to.
const KNOWN: &[(&str, &str, &[&str])] = &[
    // The nouns open what is SQLite's alone, and its files read through the nouns: to be taken apart by a layer that both stand on.
    ("collector/store/src", "crate", &["sql", "sqlite"]),
    // Only by their tests, which need a server each.
    ("collector/store/src", "crate::postgres", &["connect", "lease", "migration", "scratch"]),
];

type Module = Vec<String>;

/// On one floor (folder of the root, module above): who names whom, with a place that does.
type Floors = BTreeMap<(String, String), BTreeMap<(String, String), String>>;

/// A crate's sources, by the modules that they are.
struct Crate {
    files: BTreeMap<PathBuf, Names>,
    modules: BTreeSet<Module>,
    imports: BTreeMap<(Module, String), Vec<Module>>,
    globs: BTreeMap<Module, Vec<Module>>,
}

impl Crate {
    fn new(root: &Path, sources: &[(&Path, &str)]) -> Self {
        let mut house =
            Self { files: BTreeMap::new(), modules: BTreeSet::new(), imports: BTreeMap::new(), globs: BTreeMap::new() };
        for (path, text) in sources {
            let names = Source::with_tests(text).names(module_of(root, path));
            house.modules.extend(names.modules.iter().cloned());
            for (module, name, target) in &names.imports {
                house.imports.entry((module.clone(), name.clone())).or_default().push(target.clone());
            }
            for (module, target) in &names.globs {
                house.globs.entry(module.clone()).or_default().push(target.clone());
            }
            house.files.insert(path.to_path_buf(), names);
        }
        house
    }

    /// The modules that a path leads to, and those that hand it on; `turns` are bounded, since names may stand for each other in a circle.
    fn reached(&self, path: &[String], here: &[String], turns: usize, found: &mut BTreeSet<Module>) {
        let path = full(path, here);
        // A path that begins with a name begins in its module; if nothing has that name there, it is another crate's or a local one.
        let (mut at, rest) =
            if path[0] == "crate" { (path[..1].to_vec(), &path[1..]) } else { (here.to_vec(), &path[..]) };
        for (place, name) in rest.iter().enumerate() {
            let child: Module = at.iter().chain([name]).cloned().collect();
            if self.modules.contains(&child) {
                at = child;
                continue;
            }
            if turns == 0 {
                break;
            }
            for target in self.imports.get(&(at.clone(), name.clone())).into_iter().flatten() {
                // An import that begins with its own name is another crate's (`use serde;`).
                if target.first() != Some(name) {
                    self.reached(&[target.as_slice(), &rest[place + 1..]].concat(), &at, turns - 1, found);
                }
            }
            for target in self.globs.get(&at).into_iter().flatten() {
                // A lone word that is a module's name is a variable: modules are named before `::`.
                let lone = rest.len() == 1 && path[0] != "crate";
                let other: Module = target.iter().chain([name]).cloned().collect();
                if *target != at && !(lone && self.modules.contains(&other)) {
                    let mut through = BTreeSet::new();
                    self.reached(&[target.as_slice(), &rest[place..]].concat(), &at, turns - 1, &mut through);
                    found.extend(through);
                }
            }
            break;
        }
        found.insert(at);
    }

    fn floors(&self, root: &Path, floors: &mut Floors) {
        for (file, names) in &self.files {
            let mut paths: BTreeSet<(&Module, &Module)> = names.named.iter().map(|(path, here)| (path, here)).collect();
            paths.extend(names.imports.iter().map(|(here, _, target)| (target, here)));
            for (path, here) in paths {
                let mut found = BTreeSet::new();
                self.reached(path, here, 8, &mut found);
                for other in found {
                    let shared = here.iter().zip(&other).take_while(|(own, other)| own == other).count();
                    if let (Some(own), Some(other)) = (here.get(shared), other.get(shared)) {
                        let floor = floors.entry((root.display().to_string(), here[..shared].join("::"))).or_default();
                        let place = format!("{} names {}", file.display(), path.join("::"));
                        floor.entry((own.clone(), other.clone())).or_insert(place);
                    }
                }
            }
        }
    }
}

fn module_of(root: &Path, file: &Path) -> Module {
    let below = file.strip_prefix(root).unwrap_or(file).with_extension("");
    let mut names: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        names.pop();
    }
    std::iter::once("crate".to_owned()).chain(names).collect()
}

/// What can be gone to from `from`, itself only by a way around.
fn reachable<'a>(from: &'a str, floor: &'a BTreeMap<(String, String), String>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(one) = open.pop() {
        let next = floor.keys().filter(|(own, _)| own == one).map(|(_, other)| other.as_str());
        for other in next.filter(|other| *other != one) {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    found
}

/// The rings of all crates: where, who, and what each says of the others.
fn rings(sources: &[(PathBuf, String)]) -> BTreeMap<(String, String, Vec<String>), Vec<String>> {
    let is_root = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "lib.rs" || name == "main.rs");
    let roots: BTreeSet<&Path> =
        sources.iter().map(|(path, _)| path).filter(is_root).filter_map(|path| path.parent()).collect();
    let mut crates: BTreeMap<&Path, Vec<(&Path, &str)>> = BTreeMap::new();
    for (path, text) in sources {
        if let Some(root) = path.ancestors().skip(1).find(|above| roots.contains(above)) {
            crates.entry(root).or_default().push((path, text));
        }
    }
    let mut floors = Floors::new();
    for (root, sources) in &crates {
        Crate::new(root, sources).floors(root, &mut floors);
    }
    let mut rings = BTreeMap::new();
    for ((root, above), floor) in &floors {
        let ways: BTreeMap<&str, BTreeSet<&str>> =
            floor.keys().map(|(own, _)| (own.as_str(), reachable(own, floor))).collect();
        for (own, way) in ways.iter().filter(|(own, way)| way.contains(*own)) {
            let back = |other: &&&str| ways.get(**other).is_some_and(|way| way.contains(own));
            let ring: Vec<String> = way.iter().filter(back).map(|one| (*one).to_owned()).collect();
            let within = |(one, other): &(String, String)| ring.contains(one) && ring.contains(other) && one != other;
            let said = floor.iter().filter(|(edge, _)| within(edge));
            let said = said.map(|((one, other), place)| format!("  {one} -> {other}: {place}")).collect();
            rings.insert((root.clone(), above.clone(), ring), said);
        }
    }
    rings
}

/// What of the rings is not as the list says.
fn faults(sources: &[(PathBuf, String)], known: &[(&str, &str, &[&str])]) -> Vec<String> {
    let found = rings(sources);
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let known: BTreeSet<(String, String, Vec<String>)> =
        known.iter().map(|(root, above, ring)| ((*root).to_owned(), (*above).to_owned(), owned(ring))).collect();
    let mut faults = Vec::new();
    for ((root, above, ring), said) in found.iter().filter(|(ring, _)| !known.contains(*ring)) {
        faults.push(format!("{root}, {above}: {ring:?} is a ring\n{}", said.join("\n")));
    }
    for (root, above, ring) in known.iter().filter(|ring| !found.contains_key(*ring)) {
        faults.push(format!(
            "{root}, {above}: {ring:?} is a ring no more; take it out of KNOWN (tests/tests/tidy/rings.rs)"
        ));
    }
    faults
}

#[test]
fn no_module_is_in_a_ring() {
    let faults = faults(&super::sources(), KNOWN);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn made_up(files: &[(&str, &str)]) -> Vec<(PathBuf, String)> {
    files.iter().map(|(path, text)| (PathBuf::from(format!("app/src/{path}")), (*text).to_owned())).collect()
}

#[test]
fn no_spelling_hides_a_ring() {
    // `b` names `a`; each of these closes the ring.
    for a in [
        "use crate::b::B;",
        "use crate::{c::{self, C}, b::{B, Other}};",
        "use crate::{self as top}; fn f() { top::b::f() }",
        "use super::b;",
        "fn f() { super::b::f() }",
        "fn f() -> crate::b::B { crate::b::B }",
        "pub use crate::b::*;",
        "#[cfg(test)]\nmod tests { use super::*; fn f() { crate::b::f() } }",
        "#[cfg(test)]\nmod tests { use super::super::b; }",
        "mod inner { fn f() { self::more::f() } mod more { use crate::b; } }",
        // What the root or another module hands on is whose it is.
        "use crate::B;",
        "use crate::c::Handed;",
        "use crate::every::Every; fn f(x: Every) {}",
        "use super::*; fn f() -> B { todo!() }",
        "use super::*; fn f() { b::f() }",
    ] {
        let files = [
            ("lib.rs", "pub mod a; pub mod b; pub mod c; pub mod every; pub use b::B;"),
            ("a.rs", a),
            ("b.rs", "pub struct B; pub struct Every; fn f(a: crate::a::A) {}"),
            ("c.rs", "pub use crate::b::B as Handed;"),
            ("every.rs", "pub use crate::b::*;"),
        ];
        let found = rings(&made_up(&files));
        assert!(!found.is_empty(), "a ring is not seen: {a}");
        assert!(found.keys().all(|(root, above, ring)| {
            root == "app/src" && above == "crate" && ring.contains(&"a".to_owned()) && ring.contains(&"b".to_owned())
        }));
    }
    for a in [
        "//! As crate::b does.\n/// [`crate::b::B`]\n/* crate::b */ fn f() {}",
        "const A: &str = \"crate::b::B\"; const B: &str = r#\"use crate::b;\"#;",
        "use other::b; fn f() { b::f(); let b = 1; }",
        "use super::*; fn f() { let b = 1; }",
        "mod b { pub struct B; } use b::B;",
        "mod b { use super::A; } pub struct A; use self::b::B;",
    ] {
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", "use crate::a::A;")];
        assert_eq!(faults(&made_up(&files), &[]), [""; 0], "it is taken for a ring: {a}");
    }
}

#[test]
fn every_floor_is_looked_at_and_the_list_only_shrinks() {
    // Siblings below a module, files deep below two of them, three in a row; parent and child are none.
    let below = [
        ("lib.rs", "mod top;"),
        ("top/mod.rs", "mod a; mod b;"),
        ("top/a.rs", "use super::b::B;"),
        ("top/b.rs", "use super::a;"),
    ];
    assert_eq!(
        rings(&made_up(&below)).into_keys().collect::<Vec<_>>(),
        [("app/src".to_owned(), "crate::top".to_owned(), vec!["a".to_owned(), "b".to_owned()])]
    );
    let deep = [
        ("main.rs", ""),
        ("a.rs", "mod x;"),
        ("b.rs", "mod y;"),
        ("a/x.rs", "use crate::b::y::Y;"),
        ("b/y.rs", "use crate::c;"),
        ("c.rs", "use crate::a::z;"),
        ("a/z.rs", ""),
    ];
    let (at, said) = rings(&made_up(&deep)).pop_first().unwrap();
    assert_eq!(at.2, ["a", "b", "c"]);
    assert_eq!(said[0], "  a -> b: app/src/a/x.rs names crate::b::y::Y");
    let family = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod child; pub struct A; use child::f;"),
        ("a/child.rs", "use super::A; impl A {}"),
    ];
    assert_eq!(faults(&made_up(&family), &[]), [""; 0]);
    // A child that takes its sibling from the parent's hands names the sibling.
    let handed = [
        ("a.rs", "pub use b::B;"),
        ("lib.rs", ""),
        ("a/b.rs", "use super::C; use super::c::D;"),
        ("a/c.rs", "use super::B; pub struct D;"),
    ];
    assert_eq!(rings(&made_up(&handed)).len(), 1);
    let list: &[(&str, &str, &[&str])] = &[("app/src", "crate::top", &["a", "b"])];
    assert_eq!(faults(&made_up(&below), list), [""; 0]);
    let more: &[(&str, &str, &[&str])] = &[("app/src", "crate::top", &["a", "b", "c"])];
    assert_eq!(faults(&made_up(&below), more).len(), 2, "a list that says more than there is");
    assert_eq!(faults(&made_up(&family), list).len(), 1, "a ring that is none any more");
}

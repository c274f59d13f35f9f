//! Which packages make what people call a piece of software: rules as data (`config/software.toml`), which a site can replace. Pure.
//!
//! A rule names a product and the packages that belong to it, as patterns in which `*` stands for anything. The first rule that names a
//! package has it; a package that none names is a product of its own name.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_common::encoding::sha256_hex;
use ioc_common::language::Language;
use ioc_common::software::Item;
use ioc_store::{ProductField, ProductUse, collation};

/// The catalogue that is built in: the shipped `config/software.toml`.
pub const DEFAULT_SOFTWARE: &str = include_str!("../../../config/software.toml");
/// Most products of a catalogue, and most patterns of one.
const PRODUCTS_MAX: usize = 2000;
const PATTERNS_MAX: usize = 200;
/// Longest text of a product, characters.
const TEXT_MAX_CHARS: usize = 200;
/// Most versions of one product on one machine.
const VERSIONS_MAX: usize = 8;
/// What stands before the name of a package that no rule names.
const OWN: &str = "pkg.";

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CataloguedProduct {
    key: String,
    name: String,
    /// In the order of what tells its version best.
    patterns: Vec<String>,
    purpose: [String; 2],
    licence: String,
}

/// Which packages make which product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    products: Vec<CataloguedProduct>,
    /// What it is told from others by: 16 hex digits.
    digest: String,
}

/// A product on one machine, with what is known of it from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedProduct {
    /// What people call it.
    pub name: String,
    /// What the catalogue or its packages say of it.
    pub found: BTreeMap<ProductField, String>,
    /// Its packages there, by the names that rules look at.
    pub packages: BTreeSet<String>,
    /// Its versions there.
    pub used: ProductUse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    product: Vec<Spanned<ProductForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductForm {
    key: String,
    name: String,
    packages: Vec<String>,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    purpose_en: String,
    #[serde(default)]
    licence: String,
}

impl Catalogue {
    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: Form = source.parse()?;
        let mut products: Vec<CataloguedProduct> = Vec::new();
        let mut keys = BTreeSet::new();
        for one in form.product {
            let span = one.span();
            let fault = |message: &str, mend: &str| Err(source.fault(span.clone(), message, mend));
            let ProductForm { key, name, packages, purpose, purpose_en, licence } = one.into_inner();
            let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            if key.is_empty() || key.len() > 64 || !key.chars().all(plain) || !keys.insert(key.clone()) {
                let message =
                    format!("found key {key:?}; allowed are unique keys of 1 to 64 letters a-z, digits and -");
                return fault(&message, "rename it");
            }
            let texts = [&name, &purpose, &purpose_en, &licence];
            let is_text =
                |text: &&String| text.chars().count() <= TEXT_MAX_CHARS && !text.chars().any(char::is_control);
            if name.trim().is_empty() || !texts.iter().all(is_text) {
                return fault(
                    "a name, purpose or licence is missing or too long; allowed are 1 to 200 characters",
                    "shorten it",
                );
            }
            let is_pattern = |text: &String| !text.trim_matches('*').is_empty() && text.len() <= TEXT_MAX_CHARS;
            if packages.is_empty() || packages.len() > PATTERNS_MAX || !packages.iter().all(is_pattern) {
                let message =
                    format!("packages: allowed are 1 to {PATTERNS_MAX} patterns with at least one letter each");
                return fault(&message, "name packages such as \"libreoffice-*\"");
            }
            let purpose_en = if purpose_en.is_empty() { purpose.clone() } else { purpose_en };
            products.push(CataloguedProduct { key, name, patterns: packages, purpose: [purpose, purpose_en], licence });
        }
        if products.len() > PRODUCTS_MAX {
            let message = format!("found {} products; allowed are {PRODUCTS_MAX}", products.len());
            return Err(source.fault(0..0, &message, "divide it by what is in use"));
        }
        let mut digest = sha256_hex(format!("{products:?}").as_bytes());
        digest.truncate(16);
        Ok(Self { products, digest })
    }

    /// What it is told from others by.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many products it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// Whether it names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// The packages of one machine as products, by key.
    #[must_use]
    pub fn group(&self, items: &[Item], language: Language) -> Vec<GroupedProduct> {
        let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
        for item in items {
            let name = short_name(item).to_lowercase();
            let found = self.products.iter().find_map(|product| Some((product, rank_in(&product.patterns, &name)?)));
            let (key, rank) = match found {
                Some((product, rank)) => (product.key.clone(), rank),
                None => (format!("{OWN}{name}"), 0),
            };
            groups.entry(key).or_default().items.push((rank, item));
        }
        groups.into_iter().map(|(key, group)| self.grouped(key, &group, language)).collect()
    }

    fn grouped(&self, key: String, group: &Group<'_>, language: Language) -> GroupedProduct {
        let known = self.products.iter().find(|product| product.key == key);
        let best = group.items.iter().map(|(rank, _)| *rank).min().unwrap_or_default();
        let leading = || group.items.iter().filter(|(rank, _)| *rank == best).map(|(_, item)| *item);
        let mut versions: Vec<String> =
            leading().map(|item| item.version.clone()).filter(|version| !version.is_empty()).collect();
        versions.sort_by_cached_key(|version| collation::key(version));
        versions.dedup();
        // Of many the newest are told.
        let versions = versions.split_off(versions.len().saturating_sub(VERSIONS_MAX));
        let place = leading().map(|item| item.place.clone()).find(|place| !place.is_empty()).unwrap_or_default();
        let mut found = BTreeMap::new();
        let mut put = |field, text: &str| {
            if !text.is_empty() {
                found.insert(field, text.to_owned());
            }
        };
        let licence = leading().map(|item| item.licence.as_str()).find(|text| !text.is_empty()).unwrap_or_default();
        put(
            ProductField::Licence,
            known.map_or(licence, |known| if known.licence.is_empty() { licence } else { &known.licence }),
        );
        put(ProductField::Purpose, known.map_or("", |known| language.choose(&known.purpose[0], &known.purpose[1])));
        let name = known.map(|known| known.name.clone());
        let own = || leading().next().map(|item| short_name(item).to_owned());
        let count = u32::try_from(group.items.len()).unwrap_or(u32::MAX);
        GroupedProduct {
            name: name.or_else(own).unwrap_or_else(|| key.clone()),
            found,
            packages: group.items.iter().map(|(_, item)| short_name(item).to_lowercase()).collect(),
            used: ProductUse { key, versions, packages: count, place },
        }
    }
}

/// What a package is called: without its architecture, which the name has where two may be installed together; of a file that belongs to no
/// package, without its directory.
fn short_name(item: &Item) -> &str {
    match item.name.strip_suffix('/').unwrap_or(&item.name).rsplit_once('/') {
        Some((_, file)) => file,
        None => item.name.split(':').next().unwrap_or_default(),
    }
}

/// Packages of one product on one machine, each with the place of its pattern.
#[derive(Default)]
struct Group<'i> {
    items: Vec<(usize, &'i Item)>,
}

/// The first of these patterns that a name fits.
fn rank_in(patterns: &[String], name: &str) -> Option<usize> {
    patterns.iter().position(|pattern| fits(pattern, name))
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, between)) = parts.split_last() else { return true };
    for part in between {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, version: &str, licence: &str) -> Item {
        let of = |text: &str| text.to_owned();
        Item { source: of("dpkg"), name: of(name), version: of(version), licence: of(licence), ..Item::default() }
    }

    #[test]
    fn patterns_fit_as_they_are_written() {
        for (pattern, name, expected) in [
            ("nginx", "nginx", true),
            ("nginx", "nginx-core", false),
            ("nginx*", "nginx-core", true),
            ("lib*-perl", "libjson-perl", true),
            ("lib*-perl", "libjson", false),
            ("php*-mysql*", "php8.2-mysqlnd", true),
            ("a*a", "a", false),
            ("*-doc", "nginx-doc", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn packages_become_what_people_call_software() {
        let text = "[[product]]\nkey = \"libreoffice\"\nname = \"LibreOffice\"\npackages = [\"libreoffice-core\", \"libreoffice-*\", \"ure\"]\n\
                    purpose = \"Soạn thảo văn bản\"\nlicence = \"MPL-2.0\"\n";
        let catalogue = Catalogue::parse(&Source::built_in("software.toml", text)).unwrap_or_else(|e| panic!("{e}"));
        let items = [
            item("libreoffice-writer", "4:7.4.7-1", ""),
            item("libreoffice-core", "4:7.4.7-2", "other"),
            item("ure", "4:7.4.7-1", ""),
            item("nmap:amd64", "7.93", "NPSL"),
            item("nmap:i386", "7.92", "NPSL"),
            item("/usr/local/lib/libreoffice-extra", "", ""),
            item("/opt/tool/bin/terraform", "", ""),
        ];
        let grouped = catalogue.group(&items, Language::Vietnamese);
        assert_eq!(grouped.len(), 3);
        assert_eq!(
            (grouped[2].used.key.as_str(), grouped[2].name.as_str()),
            ("pkg.terraform", "terraform"),
            "a file by its own name"
        );
        let office = &grouped[0];
        assert_eq!(
            (office.name.as_str(), office.used.packages, office.used.versions.join(" ")),
            ("LibreOffice", 4, "4:7.4.7-2".into())
        );
        assert_eq!(
            (office.found[&ProductField::Licence].as_str(), office.found[&ProductField::Purpose].as_str()),
            ("MPL-2.0", "Soạn thảo văn bản")
        );
        let own = &grouped[1];
        assert_eq!(
            (own.used.key.as_str(), own.name.as_str(), own.used.versions.join(" ")),
            ("pkg.nmap", "nmap", "7.92 7.93".into())
        );
        assert_eq!(own.found[&ProductField::Licence], "NPSL");
    }

    #[test]
    fn the_shipped_catalogue_parses_and_what_is_faulty_names_its_line() {
        let parse = |text: &str| Catalogue::parse(&Source::built_in("software.toml", text));
        let shipped = parse(DEFAULT_SOFTWARE).unwrap_or_else(|e| panic!("{e}"));
        assert!(shipped.len() > 80 && shipped.digest().len() == 16, "{}", shipped.len());
        let good = "[[product]]\nkey = \"a\"\nname = \"A\"\npackages = [\"a\"]\n";
        assert_ne!(parse(good).expect("reads").digest(), shipped.digest());
        let fault = parse(&format!("{good}{good}")).expect_err("twice");
        assert!(fault.line >= 5 && fault.message.contains("unique"), "{fault}");
        for faulty in [
            "[[product]]\nkey = \"a\"\nname = \"A\"\npackages = [\"*\"]\n",
            "[[product]]\nkey = \"A b\"\nname = \"A\"\npackages = [\"a\"]\n",
        ] {
            parse(faulty).expect_err(faulty);
        }
    }
}

//! Software as a bill of materials in CycloneDX 1.6 (ECMA-424), JSON: the packages of one machine, and the products of the site.
//!
//! Licences are named by their SPDX identifier where it can be told, and as they were written otherwise: what is no identifier is none.
//! Each answer is bounded: a list of software has at most 20,000 items, and of the site at most so many products are told.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use ioc_common::clock;
use ioc_common::encoding::sha256_hex;
use ioc_common::report::Hello;
use ioc_common::software::{Item, LIST_MAX_ITEMS};

use super::file::sent;
use crate::api::device_id;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::template::percent_encoded;
use ioc_store::{ProductField, ProductQuery, ProductRow};

/// What such a file is sent as (IANA).
pub(crate) const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// Most products of the site.
const PRODUCTS_MAX: usize = 20_000;

/// SPDX identifiers, and as what else packages write them, lower case.
const LICENCES: [(&str, &[&str]); 36] = [
    ("0BSD", &[]),
    ("AGPL-3.0-only", &["agpl-3", "agplv3"]),
    ("AGPL-3.0-or-later", &["agpl-3+", "agplv3+"]),
    ("Apache-2.0", &["apache 2.0", "asl 2.0", "apache license 2.0", "apache-2"]),
    ("Artistic-1.0-Perl", &[]),
    ("Artistic-2.0", &["artistic 2.0"]),
    ("BSD-2-Clause", &["bsd-2-clause", "bsd 2-clause"]),
    ("BSD-3-Clause", &["bsd-3-clause", "bsd 3-clause"]),
    ("BSL-1.0", &["boost"]),
    ("CC0-1.0", &["cc0"]),
    ("CDDL-1.0", &["cddl"]),
    ("EPL-2.0", &["epl-2"]),
    ("GFDL-1.3-or-later", &["gfdl", "gfdl-1.3+"]),
    ("GPL-1.0-or-later", &["gpl+", "gpl-1+"]),
    ("GPL-2.0-only", &["gpl-2", "gplv2", "gpl-2.0"]),
    ("GPL-2.0-or-later", &["gpl-2+", "gplv2+", "gpl-2.0+"]),
    ("GPL-3.0-only", &["gpl-3", "gplv3", "gpl-3.0"]),
    ("GPL-3.0-or-later", &["gpl-3+", "gplv3+", "gpl-3.0+"]),
    ("ISC", &["isc"]),
    ("LGPL-2.0-or-later", &["lgpl-2+", "lgplv2+"]),
    ("LGPL-2.1-only", &["lgpl-2.1", "lgplv2.1"]),
    ("LGPL-2.1-or-later", &["lgpl-2.1+", "lgplv2.1+"]),
    ("LGPL-3.0-only", &["lgpl-3", "lgplv3"]),
    ("LGPL-3.0-or-later", &["lgpl-3+", "lgplv3+"]),
    ("MIT", &["expat", "mit/x11"]),
    ("MPL-1.1", &["mplv1.1"]),
    ("MPL-2.0", &["mplv2.0", "mpl-2"]),
    ("OFL-1.1", &["ofl"]),
    ("OLDAP-2.8", &["openldap"]),
    ("OpenSSL", &["openssl"]),
    ("PHP-3.01", &["php"]),
    ("PostgreSQL", &["postgresql"]),
    ("PSF-2.0", &["python", "psfv2"]),
    ("Vim", &["vim"]),
    ("X11", &[]),
    ("Zlib", &["zlib"]),
];

/// The SPDX identifier of a licence as a package writes it; none where that cannot be told.
fn spdx(text: &str) -> Option<&'static str> {
    let lower = text.trim().to_lowercase();
    let known = LICENCES.iter().find(|(id, others)| id.to_lowercase() == lower || others.contains(&lower.as_str()));
    known.map(|(id, _)| *id)
}

fn licences(text: &str) -> Option<Value> {
    let text = text.trim();
    let licence = match spdx(text) {
        _ if text.is_empty() => return None,
        Some(id) => json!({ "license": { "id": id } }),
        None => json!({ "license": { "name": text } }),
    };
    Some(json!([licence]))
}

/// What a package is by purl: `pkg:deb/debian/nginx@1.22.1-9?arch=amd64`.
fn purl(item: &Item, system: &str) -> String {
    let (name, arch) = item.name.split_once(':').map_or((item.name.as_str(), ""), |(name, arch)| (name, arch));
    let system = if system.is_empty() { "linux" } else { system };
    let kind = match item.source.as_str() {
        "dpkg" => format!("deb/{}/", percent_encoded(system)),
        "rpm" => format!("rpm/{}/", percent_encoded(system)),
        _ => "generic/".to_owned(),
    };
    let version = if item.version.is_empty() { String::new() } else { format!("@{}", percent_encoded(&item.version)) };
    let arch = if arch.is_empty() { String::new() } else { format!("?arch={}", percent_encoded(arch)) };
    format!("pkg:{kind}{}{version}{arch}", percent_encoded(name))
}

fn package(item: &Item, system: &str) -> Value {
    let mut component =
        json!({ "type": "library", "bom-ref": item.key(), "name": item.name, "purl": purl(item, system) });
    let mut put = |name: &str, value: Value| component[name] = value;
    put("version", json!(item.version));
    if !item.publisher.is_empty() {
        put("publisher", json!(item.publisher));
    }
    if let Some(licences) = licences(&item.licence) {
        put("licenses", licences);
    }
    let properties = [("source", &item.source), ("place", &item.place), ("installed_on", &item.installed_on)];
    let filled = properties.into_iter().filter(|(_, value)| !value.is_empty());
    put("properties", filled.map(|(name, value)| property(name, value)).collect());
    component
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("ioc-watch:{name}"), "value": value })
}

/// A product as a component: what people say of it stands in its properties.
fn product(row: &ProductRow) -> Value {
    let product = &row.product;
    let mut component = json!({
        "type": "application", "bom-ref": product.key, "name": product.name, "version": row.versions.join(", "),
    });
    let purpose = product.text(ProductField::Purpose);
    if !purpose.is_empty() {
        component["description"] = json!(purpose);
    }
    if let Some(licences) = licences(product.text(ProductField::Licence)) {
        component["licenses"] = licences;
    }
    let said = [ProductField::Scope, ProductField::Owner, ProductField::LicenceCount, ProductField::SupportEnd];
    let filled = said.into_iter().filter(|field| !product.text(*field).is_empty());
    let mut properties: Vec<Value> = filled.map(|field| property(field.as_str(), product.text(field))).collect();
    properties.push(property("state", product.state().as_str()));
    properties.push(property("devices", &row.devices.to_string()));
    component["properties"] = json!(properties);
    component
}

/// The document: of what it is (`subject`), its components, and a number that is the same for the same content.
fn document(subject: &Value, components: Vec<Value>) -> String {
    // References are unique: the first of two that are the same stands.
    let mut seen = BTreeSet::new();
    let reference = |one: &Value| one["bom-ref"].as_str().unwrap_or_default().to_owned();
    let components: Vec<Value> = components.into_iter().filter(|one| seen.insert(reference(one))).collect();
    let content = json!([subject, components]).to_string();
    let digest = sha256_hex(content.as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // A name-based number of the form that RFC 9562 gives to digests of one's own (version 8).
    let number =
        format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
    let tool = json!({ "type": "application", "name": "IOC Watch", "version": env!("CARGO_PKG_VERSION") });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": number,
        "version": 1,
        "metadata": { "timestamp": clock::now(), "tools": { "components": [tool] }, "component": subject },
        "components": components,
    })
    .to_string()
}

fn bill(file: &str, text: String) -> Response {
    sent(CYCLONEDX, &format!("{file}.cdx.json"), text.into_bytes())
}

/// The packages of one machine.
pub(crate) async fn device(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = device_id(&id)?;
    let missing = format!("there is no device {id}");
    let asked = id.clone();
    let found = app.read(&person.scope, move |reader| {
        let Some(record) = reader.device(&asked)? else { return Ok(None) };
        let hello = reader.hello(&asked)?.and_then(|text| serde_json::from_str::<Hello>(&text).ok());
        Ok(Some((record.info.name, hello, reader.software(&asked, "", LIST_MAX_ITEMS)?)))
    });
    let (name, hello, items) = found.await?.ok_or_else(|| Problem::not_found(missing))?;
    let system = hello.as_ref().map(|hello| hello.facts.os_id.clone()).unwrap_or_default();
    let version = hello.map(|hello| hello.facts.os).unwrap_or_default();
    let subject = json!({ "type": "device", "bom-ref": format!("device:{id}"), "name": name, "version": version });
    let components = items.iter().map(|item| package(item, &system)).collect();
    Ok(bill(&format!("software-{id}"), document(&subject, components)))
}

/// The products of the site.
pub(crate) async fn site(State(app): State<App>, person: Person) -> Result<Response, Problem> {
    let query = ProductQuery { limit: PRODUCTS_MAX, ..ProductQuery::default() };
    let rows = app.read(&person.scope, move |reader| reader.products(&query)).await?;
    let name = app.config().site_name.clone();
    let subject = json!({ "type": "platform", "bom-ref": "site", "name": name });
    Ok(bill("software-site", document(&subject, rows.iter().map(product).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_identifiers_where_that_can_be_told() {
        for (text, expected) in [
            ("GPLv2+", Some("GPL-2.0-or-later")),
            ("mit", Some("MIT")),
            ("Expat", Some("MIT")),
            ("NPSL", None),
            ("GPL-2+ and MIT", None),
            ("", None),
        ] {
            assert_eq!(spdx(text), expected, "{text}");
        }
        assert_eq!(licences(" "), None);
        assert_eq!(licences("NPSL").expect("one")[0]["license"]["name"], "NPSL");
    }

    #[test]
    fn packages_have_their_purl() {
        let of = |source: &str, name: &str, version: &str| Item {
            source: source.into(),
            name: name.into(),
            version: version.into(),
            ..Item::default()
        };
        assert_eq!(
            purl(&of("dpkg", "libc6:i386", "2.36-9+deb12u9"), "debian"),
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=i386"
        );
        assert_eq!(purl(&of("rpm", "bash", "5.1-2.el9"), "rocky"), "pkg:rpm/rocky/bash@5.1-2.el9");
        assert_eq!(purl(&of("flatpak", "org.x.Y", ""), ""), "pkg:generic/org.x.Y");
        let all: Vec<Value> =
            [of("dpkg", "a", "1"), of("dpkg", "a", "1")].iter().map(|item| package(item, "debian")).collect();
        let text = document(&json!({ "type": "device", "name": "x" }), all);
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["components"].as_array().map(Vec::len), Some(1), "a reference stands once");
    }
}

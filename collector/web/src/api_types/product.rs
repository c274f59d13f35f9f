//! Products of the software register, and how far it is filled.

use std::collections::BTreeMap;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store as inside;

use super::names;

names! {
    /// Whether a product may be used.
    ProductState is inside::ProductState {
        /// Nobody has decided yet.
        Review = "review",
        /// It may.
        Approved = "approved",
        /// It may not: that it is somewhere is a fault.
        NotAllowed = "not_allowed",
    }
}

names! {
    /// A column of the register that people fill.
    ProductField is inside::ProductField {
        /// What it is for.
        Purpose = "purpose",
        /// Who uses it, and where.
        Scope = "scope",
        /// The unit that manages it.
        Owner = "owner",
        /// Under which licence it is used.
        Licence = "licence",
        /// How many licences the organisation has.
        LicenceCount = "licence_count",
        /// Day from which its maker does not support it any more, `YYYY-MM-DD`.
        SupportEnd = "support_end",
        /// Whether it may be used.
        State = "state",
        /// What there is to say besides.
        Note = "note",
    }
}

/// A product of the software register.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Product {
    /// By what it is known.
    key: String,
    /// What people call it.
    name: String,
    /// Whether it may be used.
    state: ProductState,
    /// What stands in each column that is not blank, by its name.
    values: BTreeMap<String, String>,
    /// Which of these a person wrote down; the others are the catalogue's or the packages' own.
    written: Vec<ProductField>,
    /// What must be known and is not.
    blanks: Vec<ProductField>,
    /// In which columns something else was decided of software that became part of it: somebody has to say what holds.
    undecided: Vec<ProductField>,
    /// Its versions, at most twenty.
    versions: Vec<String>,
    /// On how many machines it is.
    devices: u64,
    /// When it was seen first anywhere.
    first_seen: Option<Timestamp>,
    /// When it was seen last anywhere.
    last_seen: Option<Timestamp>,
}

impl From<inside::ProductRow> for Product {
    fn from(inside: inside::ProductRow) -> Self {
        let inside::ProductRow { product, devices, versions, first_seen, last_seen } = inside;
        let filled = inside::ProductField::ALL.into_iter().filter(|field| !product.text(*field).is_empty());
        Self {
            values: filled.map(|field| (field.as_str().to_owned(), product.text(field).to_owned())).collect(),
            state: product.state().into(),
            written: product.said.keys().map(|field| (*field).into()).collect(),
            blanks: super::all(product.blanks),
            undecided: product.inherited.iter().map(|one| one.field.into()).collect(),
            key: product.key,
            name: product.name,
            versions,
            devices,
            first_seen,
            last_seen,
        }
    }
}

/// A machine that a product is or was on.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ProductOnDevice {
    /// Which machine.
    device: DeviceId,
    /// What people call it.
    name: String,
    /// Where it stands.
    place: String,
    versions: Vec<String>,
    /// Where it is kept on it, where that is known.
    kept_at: String,
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// When it was found to be gone; null while it is there.
    gone_at: Option<Timestamp>,
}

impl From<inside::ProductOnDevice> for ProductOnDevice {
    fn from(inside: inside::ProductOnDevice) -> Self {
        let inside::ProductOnDevice { device, name, place, versions, kept_at, first_seen, last_seen, gone_at } = inside;
        Self { device, name, place, versions, kept_at, first_seen, last_seen, gone_at }
    }
}

/// How far the register is filled, of what is on some machine.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ProductCoverage {
    /// Products that are on some machine.
    products: u64,
    /// How many have all that must be known.
    complete: u64,
    review: u64,
    approved: u64,
    not_allowed: u64,
}

impl From<inside::ProductCoverage> for ProductCoverage {
    fn from(inside: inside::ProductCoverage) -> Self {
        let inside::ProductCoverage { products, complete, states } = inside;
        let [review, approved, not_allowed] = states;
        Self { products, complete, review, approved, not_allowed }
    }
}

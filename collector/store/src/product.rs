//! The software register (article 9.1): products, which packages of machines are grouped into, what people say of each, and on which
//! machines it was seen from when to when.
//!
//! What other rooms ask of it: [`Reader::products`](crate::Reader::products), [`products_count`](crate::Reader::products_count),
//! [`product`](crate::Reader::product), [`product_uses`](crate::Reader::product_uses),
//! [`product_coverage`](crate::Reader::product_coverage) for figures with n of N.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::DeviceId;

use crate::AssetValue;

/// How long the mark of a product is, characters.
pub const MARK_CHARS: usize = 6;

/// A column of the register that people fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductField {
    /// What it is for.
    Purpose,
    /// Who uses it, and where.
    Scope,
    /// The unit that manages it.
    Owner,
    /// Under which licence it is used.
    Licence,
    /// How many licences the organisation has.
    LicenceCount,
    /// Day from which its maker does not support it any more, `YYYY-MM-DD`.
    SupportEnd,
    /// Whether it may be used.
    State,
    /// What there is to say besides.
    Note,
}

impl ProductField {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Purpose,
        Self::Scope,
        Self::Owner,
        Self::Licence,
        Self::LicenceCount,
        Self::SupportEnd,
        Self::State,
        Self::Note,
    ];
    /// What must be known of each.
    pub const REQUIRED: [Self; 4] = [Self::Purpose, Self::Scope, Self::Owner, Self::Licence];

    /// Its name in the store, the API and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Scope => "scope",
            Self::Owner => "owner",
            Self::Licence => "licence",
            Self::LicenceCount => "licence_count",
            Self::SupportEnd => "support_end",
            Self::State => "state",
            Self::Note => "note",
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == text)
    }
}

/// Whether a product may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductState {
    /// Nobody has decided yet.
    #[default]
    Review,
    /// It may.
    Approved,
    /// It may not: that it is somewhere is a fault.
    NotAllowed,
}

impl ProductState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Review, Self::Approved, Self::NotAllowed];

    /// Its name in the store, the API and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Approved => "approved",
            Self::NotAllowed => "not_allowed",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What people call one piece of software, whatever packages it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// By what it is known: a name of the catalogue, or `pkg.` and the package's own.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// What people wrote down.
    pub said: BTreeMap<ProductField, AssetValue>,
    /// What the catalogue, or else its packages, say of it.
    pub found: BTreeMap<ProductField, String>,
    /// What must be known and is not, as the engine judged it last.
    #[serde(default)]
    pub blanks: Vec<ProductField>,
    /// The packages that it is made of, as they are named without their architecture: by them people's decisions follow their software when
    /// the catalogue groups it otherwise.
    #[serde(default)]
    pub packages: BTreeSet<String>,
    /// What people had decided of software that became part of it, where something else stands here: work to do.
    #[serde(default)]
    pub inherited: Vec<Inherited>,
}

/// A decision on a product whose packages belong to another one since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// By what the product was known.
    pub key: String,
    /// What people called it.
    pub name: String,
    /// Which column.
    pub field: ProductField,
    /// What was said there, and by whom.
    pub value: AssetValue,
}

impl Product {
    /// What stands in a column: what is written down, else what is known of it.
    #[must_use]
    pub fn text(&self, field: ProductField) -> &str {
        let said = self.said.get(&field).map(|value| value.text.as_str()).filter(|text| !text.is_empty());
        said.or_else(|| self.found.get(&field).map(String::as_str)).unwrap_or_default()
    }

    /// A product of which nothing is known but what it is called.
    #[must_use]
    pub const fn new(key: String, name: String) -> Self {
        Self {
            key,
            name,
            said: BTreeMap::new(),
            found: BTreeMap::new(),
            blanks: Vec::new(),
            packages: BTreeSet::new(),
            inherited: Vec::new(),
        }
    }

    /// What people wrote down in a column; of the state, what it is where they did not.
    #[must_use]
    pub fn written(&self, field: ProductField) -> &str {
        if field == ProductField::State {
            return self.state().as_str();
        }
        self.said.get(&field).map_or("", |value| value.text.as_str())
    }

    /// What its name and all that people wrote of it is told from others by: six hex digits.
    #[must_use]
    pub fn mark(&self) -> String {
        let said: Vec<(&str, &str)> =
            self.said.iter().map(|(field, value)| (field.as_str(), value.text.as_str())).collect();
        let mut mark = sha256_hex(format!("{:?}{said:?}", self.key).as_bytes());
        mark.truncate(MARK_CHARS);
        mark
    }

    /// Whether it may be used.
    #[must_use]
    pub fn state(&self) -> ProductState {
        ProductState::parse(self.text(ProductField::State)).unwrap_or_default()
    }

    /// Leaves out who wrote what, for whoever may not see people.
    pub fn hide_people(&mut self) {
        let inherited = self.inherited.iter_mut().map(|one| &mut one.value);
        for value in self.said.values_mut().chain(inherited) {
            value.by = value.by.take().map(|_| String::new());
        }
    }
}

/// A product on one machine, as its packages tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductUse {
    /// Of which product.
    pub key: String,
    /// Its versions there.
    pub versions: Vec<String>,
    /// In how many packages it comes.
    pub packages: u32,
    /// Where it is kept; empty where packages are.
    pub place: String,
}

/// A product with where it is.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductRow {
    pub product: Product,
    /// On how many machines it is.
    pub devices: u64,
    /// Its versions, at most twenty, of more the newest.
    pub versions: Vec<String>,
    /// When it was seen first and last anywhere; none where it is on no machine within reach.
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
}

/// By what a product that was shown is told from what stands there since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductMark {
    /// By what it is known.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// [`Product::mark`].
    pub mark: String,
}

/// A machine that a product is or was on.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductOnDevice {
    pub device: DeviceId,
    pub name: String,
    pub place: String,
    pub versions: Vec<String>,
    /// Where it is kept on it, where that is known.
    pub kept_at: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// When it was found to be gone; none while it is there.
    pub gone_at: Option<Timestamp>,
}

/// Which products to list, by name as people read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProductQuery {
    /// Words to find in name, package and what people said.
    pub search: String,
    /// Only in this state.
    pub state: Option<ProductState>,
    /// Only those of which something that must be known is not.
    pub blank: bool,
    /// Only those of this managing owner.
    pub owner: String,
    /// Those that are on no machine any more, too.
    pub gone: bool,
    /// By key, behind this one, instead of by name: for programs.
    pub after: Option<String>,
    /// Pass over this many.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

/// How far the register is filled, of what is on some machine.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProductCoverage {
    pub products: u64,
    /// How many have all that must be known.
    pub complete: u64,
    /// How many are in each state, in the order of [`ProductState::ALL`].
    pub states: [u64; 3],
}

/// A row of a table that people bring: what it says of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductTableRow {
    /// Row of the table, from 1; the headings are the first.
    pub row: u64,
    /// Which product.
    pub key: String,
    /// What it says.
    pub fields: BTreeMap<ProductField, String>,
}

//! The software register: products, and on which machines they are.

use std::collections::HashMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::software_tally;
use super::value::{body, device_id, json, limit_of, moment, required};
use crate::sql::{self, OptionalExtension as _, Row, ToSql, params};
use crate::{
    Product, ProductCoverage, ProductField, ProductMark, ProductOnDevice, ProductQuery, ProductRow, ProductState,
    ProductUse, StoreError, collation,
};

/// Most versions of one product that are listed.
const VERSIONS_MAX: usize = 20;
/// That a product is on a machine within reach.
const IS_THERE: &str = "EXISTS (SELECT 1 FROM software_tally t WHERE t.product = p.number AND t.devices > 0)";

/// Without the condition that it still is.
const WAS_THERE: &str = "EXISTS (SELECT 1 FROM software_tally t WHERE t.product = p.number)";

pub(super) fn put(commit: &Commit<'_>, product: &Product) -> sql::Result<()> {
    let said = ProductField::ALL.map(|field| product.text(field));
    let search = format!("{}\n{}\n{}", product.key, product.name, said.join("\n")).to_lowercase();
    commit.run(
        "INSERT INTO product (key, name_key, owner, state, blank, search, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (key) DO UPDATE SET name_key = ?2, owner = ?3, state = ?4, blank = ?5, search = ?6, body = ?7",
        params![
            product.key,
            collation::key(&product.name),
            product.text(ProductField::Owner),
            product.state().as_str(),
            !product.blanks.is_empty() || !product.inherited.is_empty(),
            search,
            json(product)?
        ],
    )?;
    Ok(())
}

/// What is on a machine by one list of its software: what is not named is gone.
pub(super) fn put_uses(
    commit: &Commit<'_>,
    device: &DeviceId,
    (list, catalogue): (&str, &str),
    uses: &[ProductUse],
    at: Timestamp,
) -> sql::Result<()> {
    let (device, moment) = (commit.number(device)?, at);
    let (before, at) = (software_tally::present(commit, device)?, at.as_millis());
    let mark = format!("{list}/{catalogue}");
    for one in uses {
        let number: Option<i64> = commit
            .transaction
            .prepare_cached("SELECT number FROM product WHERE key = ?1")?
            .query_row([&one.key], |row| row.get(0))
            .optional()?;
        // A product is put before its uses are.
        let Some(product) = number else { continue };
        commit.run(
            "INSERT INTO software_use (product, device, mark, first_seen, last_seen, gone_at, versions, packages, place) \
             VALUES (?1, ?2, ?3, ?4, ?4, NULL, ?5, ?6, ?7) ON CONFLICT (product, device) \
             DO UPDATE SET mark = ?3, last_seen = max(software_use.last_seen, ?4), gone_at = NULL, versions = ?5, packages = ?6, place = ?7",
            params![product, device, mark, at, one.versions.join("\n"), one.packages, one.place],
        )?;
    }
    commit.run(
        "UPDATE software_use SET gone_at = ?3 WHERE device = ?1 AND mark <> ?2 AND gone_at IS NULL",
        params![device, mark, at],
    )?;
    commit.run("INSERT OR REPLACE INTO software_grouped (device, mark) VALUES (?1, ?2)", params![device, mark])?;
    software_tally::grouped(commit, device, &before, moment)
}

/// Machines whose newest whole list is not grouped by this catalogue yet, each with that list and when it was made.
pub(super) fn ungrouped(
    reader: &SqlReader,
    catalogue: &str,
    limit: usize,
) -> Result<Vec<(DeviceId, String, Timestamp)>, StoreError> {
    let sql = "SELECT d.id, l.list, l.at FROM software_list l JOIN device d ON d.number = l.device LEFT JOIN software_grouped g ON g.device = l.device \
               WHERE l.whole AND d.revoked_at IS NULL AND g.mark IS DISTINCT FROM l.list || '/' || ?1 ORDER BY l.device LIMIT ?2";
    reader.all(sql, &[&catalogue, &limit_of(limit)], |row| {
        Ok((device_id(row, 0, || "a list of software".to_owned())?, row.get(1)?, required(row, 2)?))
    })
}

fn condition(query: &ProductQuery) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut sql, mut held) = ("TRUE".to_owned(), Vec::<Box<dyn ToSql>>::new());
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        held.push(value);
        sql += &format!(" AND {}", condition.replace('?', &format!("?{}", held.len())));
    };
    if let Some(after) = &query.after {
        and("p.key > ?", Box::new(after.clone()));
    }
    for word in query.search.split_whitespace().take(8) {
        and("instr(p.search, ?) > 0", Box::new(word.to_lowercase()));
    }
    if let Some(state) = query.state {
        and("p.state = ?", Box::new(state.as_str()));
    }
    if !query.owner.is_empty() {
        and("p.owner = ?", Box::new(query.owner.clone()));
    }
    if query.blank {
        sql += " AND p.blank";
    }
    // Also what is gone was on a machine that whoever asks may see.
    sql += " AND ";
    sql += if query.gone { WAS_THERE } else { IS_THERE };
    (sql, held)
}

/// Where the products of these numbers are: two queries for all of them, however many they are.
fn rows(
    reader: &SqlReader,
    found: Vec<(i64, Product)>,
    numbers: &str,
    held: &[&dyn ToSql],
) -> Result<Vec<ProductRow>, StoreError> {
    let of = format!("FROM software_tally t WHERE t.product IN ({numbers})");
    let sql = format!("SELECT t.product, sum(t.devices), min(t.first_seen), max(t.last_seen) {of} GROUP BY t.product");
    let counted = reader.all(&sql, held, |row| {
        let devices = row.get::<_, Option<i64>>(1)?.unwrap_or(0).unsigned_abs();
        Ok((row.get::<_, i64>(0)?, (devices, moment(row, 2)?, moment(row, 3)?)))
    })?;
    let counted: HashMap<i64, _> = counted.into_iter().collect();
    let sql = format!("SELECT DISTINCT t.product, t.versions {of} AND t.devices > 0");
    let mut versions: HashMap<i64, Vec<String>> = HashMap::new();
    for (product, text) in reader.all(&sql, held, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))? {
        versions.entry(product).or_default().extend(text.lines().map(str::to_owned));
    }
    let row = |(number, product): (i64, Product)| {
        let (devices, first_seen, last_seen) = counted.get(&number).copied().unwrap_or_default();
        let mut versions = versions.remove(&number).unwrap_or_default();
        versions.sort_by_cached_key(|version| collation::key(version));
        versions.dedup();
        // Of many the newest are told.
        let versions = versions.split_off(versions.len().saturating_sub(VERSIONS_MAX));
        ProductRow { product: reader.product_as_shown(product), devices, versions, first_seen, last_seen }
    };
    Ok(found.into_iter().map(row).collect())
}

fn numbered(row: &Row<'_>) -> sql::Result<(i64, Product)> {
    Ok((row.get(0)?, body(row, 1)?))
}

/// What is listed, as SQL behind the columns, and what that holds.
fn listed(query: &ProductQuery) -> (String, Vec<Box<dyn ToSql>>) {
    let (condition, held) = condition(query);
    let order = if query.after.is_some() { "p.key" } else { "p.name_key, p.key" };
    let (limit, skip) = (limit_of(query.limit), limit_of(query.skip));
    (format!("FROM product p WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {skip}"), held)
}

pub(super) fn list(reader: &SqlReader, query: &ProductQuery) -> Result<Vec<ProductRow>, StoreError> {
    let (listed, held) = listed(query);
    let held: Vec<&dyn ToSql> = held.iter().map(AsRef::as_ref).collect();
    let found = reader.all(&format!("SELECT p.number, p.body {listed}"), &held, numbered)?;
    rows(reader, found, &format!("SELECT p.number {listed}"), &held)
}

/// Name and mark of each product that is listed.
pub(super) fn marks(reader: &SqlReader, query: &ProductQuery) -> Result<Vec<ProductMark>, StoreError> {
    let (listed, held) = listed(query);
    let held: Vec<&dyn ToSql> = held.iter().map(AsRef::as_ref).collect();
    reader.all(&format!("SELECT p.number, p.body {listed}"), &held, |row| {
        let (_, product) = numbered(row)?;
        Ok(ProductMark { mark: product.mark(), key: product.key, name: product.name })
    })
}

pub(super) fn count(reader: &SqlReader, query: &ProductQuery) -> Result<u64, StoreError> {
    let (condition, held) = condition(query);
    let held: Vec<&dyn ToSql> = held.iter().map(AsRef::as_ref).collect();
    let sql = format!("SELECT count(*) FROM product p WHERE {condition}");
    Ok(reader.one(&sql, &held, |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
}

/// Every product as it is kept, for the engine.
pub(super) fn all(reader: &SqlReader) -> Result<Vec<Product>, StoreError> {
    reader.all("SELECT body FROM product", &[], |row| body(row, 0))
}

pub(super) fn find(reader: &SqlReader, key: &str) -> Result<Option<ProductRow>, StoreError> {
    let found = reader.one("SELECT p.number, p.body FROM product p WHERE p.key = ?1", &[&key], numbered)?;
    let Some((number, product)) = found else { return Ok(None) };
    Ok(rows(reader, vec![(number, product)], "?1", &[&number])?.pop())
}

pub(super) fn uses(
    reader: &SqlReader,
    key: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<ProductOnDevice>, StoreError> {
    let sql = "SELECT d.id, json_extract(d.info, '$.name'), d.place, u.versions, u.place, u.first_seen, u.last_seen, u.gone_at \
               FROM product p JOIN software_use u ON u.product = p.number JOIN device d ON d.number = u.device \
               WHERE p.key = ?1 AND d.id > ?2 AND d.revoked_at IS NULL ORDER BY d.id LIMIT ?3";
    reader.all(sql, &[&key, &after, &limit_of(limit)], |row| {
        Ok(ProductOnDevice {
            device: device_id(row, 0, || format!("a machine with {key:?}"))?,
            name: row.get(1)?,
            place: row.get(2)?,
            versions: row.get::<_, String>(3)?.lines().map(str::to_owned).collect(),
            kept_at: row.get(4)?,
            first_seen: required(row, 5)?,
            last_seen: required(row, 6)?,
            gone_at: moment(row, 7)?,
        })
    })
}

/// Managing owners that are written down, as people read.
pub(super) fn owners(reader: &SqlReader, limit: usize) -> Result<Vec<String>, StoreError> {
    let sql = format!("SELECT DISTINCT owner FROM product p WHERE owner <> '' AND {IS_THERE} LIMIT ?1");
    let mut owners: Vec<String> = reader.all(&sql, &[&limit_of(limit)], |row| row.get(0))?;
    owners.sort_by_cached_key(|owner| collation::key(owner));
    Ok(owners)
}

pub(super) fn coverage(reader: &SqlReader) -> Result<ProductCoverage, StoreError> {
    let number = |row: &Row<'_>, column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    let mut coverage = ProductCoverage::default();
    let sql = format!(
        "SELECT p.state, count(*), count(*) FILTER (WHERE NOT p.blank) FROM product p WHERE {IS_THERE} GROUP BY p.state"
    );
    for (state, count, complete) in
        reader.all(&sql, &[], |row| Ok((row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?)))?
    {
        coverage.products += count;
        coverage.complete += complete;
        let place = ProductState::ALL.iter().position(|one| one.as_str() == state);
        if let Some(one) = place.and_then(|place| coverage.states.get_mut(place)) {
            *one = count;
        }
    }
    Ok(coverage)
}

//! Answers a search: the index says which records may match, each of them is read and says whether it does; what the index does not hold
//! yet is looked through.

use std::collections::HashSet;

use rusqlite::{Connection, Statement};

use ioc_common::clock::{self, Timestamp};

use super::search_file::{
    IndexState, SearchFileError, clamped, first_place, free_place, is_broken_off, of_source, part_begin, part_of,
    place_of, second_of, second_of_place, source_of, state,
};
use crate::StoreError;
use crate::search::{
    FoundRecord, PAGE_MAX, SearchHit, SearchKind, SearchPage, SearchQuery, expression, names_article, words,
};
use crate::sql::reader_connection::SqlReader;
use crate::sql::search_record::{after, changes, find, last, log_span};

/// How long an answer may look, microseconds; then it says how far it came. Of this, what the index does not hold yet may take so much.
const LOOK_US: u64 = 150_000;
const TAIL_US: u64 = 100_000;
/// Where not even the newest part was gone through by then: how much smaller the piece of it is that is gone through instead, how often it is
/// made smaller, and how long each but the last may take, microseconds. Whoever goes on is never where they were before.
const SMALLER: i64 = 16;
const TRIES: u32 = 3;
const TRY_US: u64 = 40_000;
/// Records of each kind that are looked through because the index does not hold them yet, the newest of them.
const TAIL_MAX: usize = 500;
/// Devices that are named one by one where not all may be seen; where there are more, each record says whether it may.
const DEVICES_MAX: usize = 300;

pub(crate) fn search(reader: &SqlReader, query: &SearchQuery) -> Result<SearchPage, StoreError> {
    search_until(reader, query, clock::boottime_us() + LOOK_US)
}

/// Looks until then, boot clock, microseconds.
fn search_until(reader: &SqlReader, query: &SearchQuery, ends_us: u64) -> Result<SearchPage, StoreError> {
    let answer = reader.search.ask(|index| {
        let search = Search::new(reader, query, index, ends_us)?;
        search.run()
    });
    answer.map_err(|error| match error {
        SearchFileError::Store(error) => error,
        // Nothing else is asked without an index.
        SearchFileError::Index(error) => reader.content("the search index", &error),
    })
}

/// How far a look into the index came.
enum Came {
    /// To its end.
    Through,
    /// There is more than a page of it.
    Full,
    /// Time ended it; everything from this place on was looked at.
    To(i64),
}

/// A look into the index under way.
struct Look<'l> {
    /// Records that were looked at already, as they are now.
    seen: &'l HashSet<i64>,
    hits: &'l mut Vec<SearchHit>,
    found: usize,
    /// What the index is asked.
    asked: &'l str,
}

/// A search under way.
struct Search<'s> {
    reader: &'s SqlReader,
    query: &'s SearchQuery,
    index: Option<&'s Connection>,
    state: IndexState,
    kinds: Vec<SearchKind>,
    personal: bool,
    limit: usize,
    /// Below this place.
    before: i64,
    ends_us: u64,
}

impl<'s> Search<'s> {
    fn new(
        reader: &'s SqlReader,
        query: &'s SearchQuery,
        index: Option<&'s Connection>,
        ends_us: u64,
    ) -> Result<Self, SearchFileError> {
        // The audit log is of the whole.
        let may = |kind: &SearchKind| !(reader.limited && *kind == SearchKind::Audit);
        let kinds = SearchKind::ALL.into_iter().filter(|kind| query.kinds.contains(kind) && may(kind)).collect();
        // Before the store is read: what is in neither is none.
        let state = index.map(state).transpose()?.unwrap_or_default();
        Ok(Self {
            reader,
            query,
            index,
            state,
            kinds,
            personal: query.personal && !reader.hides_names,
            limit: query.limit.clamp(1, PAGE_MAX),
            before: query.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX)),
            ends_us,
        })
    }

    fn run(&self) -> Result<SearchPage, SearchFileError> {
        let mut page = SearchPage::default();
        if self.kinds.is_empty() {
            return Ok(page);
        }
        let (mut hits, seen) = self.look_through_tail(&mut page)?;
        let reached = self.look_up(&seen, &mut hits)?;
        hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.place));
        if let Some(place) = reached {
            // What lies further back is looked at when one goes on.
            hits.retain(|hit| hit.place >= place.unsigned_abs());
        }
        let more = hits.len() > self.limit;
        hits.truncate(self.limit);
        page.next = match (more, reached) {
            (true, _) => hits.last().map(|hit| hit.place),
            (false, Some(place)) => {
                page.reached = Some(Timestamp::from_millis(second_of_place(place).saturating_mul(1000)));
                Some(place.unsigned_abs())
            }
            (false, None) => None,
        };
        page.hits = hits;
        Ok(page)
    }

    /// What is not in the index yet, or not as it is now; with what the index knows of it that does not count any more.
    fn look_through_tail(&self, page: &mut SearchPage) -> Result<(Vec<SearchHit>, HashSet<i64>), SearchFileError> {
        let mut sources: Vec<(i64, Option<i64>)> = Vec::new();
        let mut seen = HashSet::new();
        for kind in &self.kinds {
            let mark = self.mark(*kind);
            let newest = after(self.reader, *kind, mark, TAIL_MAX, true)?;
            if newest.len() == TAIL_MAX {
                let left = last(self.reader, *kind)?.saturating_sub(mark).saturating_sub(newest.len() as i64);
                page.not_indexed += if *kind == SearchKind::Step { 0 } else { left.max(0).unsigned_abs() };
            }
            sources.extend(newest.into_iter().map(|record| (source_of(kind.number(), record), None)));
        }
        if self.state.log >= 0 {
            let changed = changes(self.reader, self.state.log, TAIL_MAX)?;
            if let Some((last, ..)) = changed.last().filter(|_| changed.len() >= TAIL_MAX) {
                page.not_indexed += log_span(self.reader)?.1.saturating_sub(*last).max(0).unsigned_abs();
            }
            for (_, kind, record, second) in changed {
                let source = source_of(kind.number(), record);
                if self.kinds.contains(&kind) && seen.insert(source) && record <= self.mark(kind) {
                    sources.push((source, Some(second)));
                }
            }
        }
        let mut found: Vec<(i64, i64, Option<i64>, FoundRecord, i64)> = Vec::new();
        let (count, ends_us) = (sources.len(), clock::boottime_us() + TAIL_US);
        seen.clear();
        for (place, (source, before)) in sources.into_iter().enumerate() {
            if clock::boottime_us() > ends_us {
                // What changed meanwhile is found by what it said before, and read as it is now.
                page.not_indexed += (count - place) as u64;
                break;
            }
            seen.insert(source);
            let (kind, record) = of_source(source);
            let Some(kind) = SearchKind::of_number(kind) else { continue };
            if let Some((record, device)) = find(self.reader, kind, record)? {
                found.push((second_of(record.at().as_millis()), source, before, record, device));
            }
        }
        // In the order in which the index would take them in, so that their places are what they will be.
        found.sort_by_key(|(second, source, ..)| (*second, *source));
        let (mut hits, mut last_place) = (Vec::new(), -1);
        for (second, source, before, record, _) in found {
            let place = match (self.index, before) {
                (Some(index), Some(before)) if clamped(before) == second => {
                    place_of(index, source, second, self.state.shift)?
                }
                _ => None,
            };
            let place = match (place, self.index) {
                (Some(place), _) => place,
                (None, Some(index)) => free_place(index, &mut last_place, second)?,
                (None, None) => {
                    last_place = first_place(second).max(last_place + 1);
                    last_place
                }
            };
            hits.extend((place < self.before).then(|| self.checked(place, record)).flatten());
        }
        Ok((hits, seen))
    }

    fn mark(&self, kind: SearchKind) -> i64 {
        usize::try_from(kind.number()).ok().and_then(|kind| self.state.marks.get(kind)).copied().unwrap_or(0)
    }

    /// What the index finds, until there is more than a page of it; the place that it came to where time ended it.
    fn look_up(&self, seen: &HashSet<i64>, hits: &mut Vec<SearchHit>) -> Result<Option<i64>, SearchFileError> {
        let Some(index) = self.index else { return Ok(None) };
        let (lowest, highest) = self.span();
        let Some(asked) = self.expression()? else { return Ok(None) };
        let mut parts =
            index.prepare_cached("SELECT number FROM part WHERE number >= ?1 AND number <= ?2 ORDER BY number DESC")?;
        let parts = parts.query_map([part_of(lowest), part_of(highest - 1)], |row| row.get::<_, i64>(0))?;
        let parts = parts.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut look = Look { seen, hits, found: 0, asked: &asked };
        for part in parts {
            let (from, until) = (lowest.max(part_begin(part)), highest.min(part_begin(part + 1)));
            if from >= until {
                continue;
            }
            match self.look_into(index, part, (from, until), self.ends_us, &mut look)? {
                Came::Through => {}
                Came::Full => return Ok(None),
                Came::To(place) if place < highest => return Ok(Some(place)),
                // Nothing was looked at yet: going on would stand still.
                Came::To(_) => return self.look_at_least(index, part, (from, until), &mut look),
            }
            if clock::boottime_us() > self.ends_us {
                return Ok(Some(from).filter(|place| *place > lowest));
            }
        }
        Ok(None)
    }

    /// Goes through the newest piece of a part that takes long.
    fn look_at_least(
        &self,
        index: &Connection,
        part: i64,
        (lowest, until): (i64, i64),
        look: &mut Look<'_>,
    ) -> Result<Option<i64>, SearchFileError> {
        let mut width = until - lowest;
        for left in (0..TRIES).rev() {
            width = (width / SMALLER).max(1);
            let from = lowest.max(until - width);
            let ends_us = if left > 0 { clock::boottime_us() + TRY_US } else { u64::MAX };
            match self.look_into(index, part, (from, until), ends_us, look)? {
                Came::Through => return Ok(Some(from)),
                Came::Full => return Ok(None),
                Came::To(place) if place < until => return Ok(Some(place)),
                Came::To(_) => {}
            }
        }
        Ok(Some(lowest))
    }

    /// Looks into a part, between two places, from the newest on.
    fn look_into(
        &self,
        index: &Connection,
        part: i64,
        (from, until): (i64, i64),
        ends_us: u64,
        look: &mut Look<'_>,
    ) -> Result<Came, SearchFileError> {
        let sql = format!(
            "SELECT words_{part}.rowid, item.source FROM words_{part} CROSS JOIN item ON item.place = words_{part}.rowid \
             WHERE words_{part} MATCH ?1 AND words_{part}.rowid >= ?2 AND words_{part}.rowid < ?3 \
             ORDER BY words_{part}.rowid DESC"
        );
        // Made ready first: what breaks off in between would look like damage.
        let mut statement = index.prepare_cached(&sql)?;
        let mut came = until;
        self.reader.search.end_at(ends_us);
        let gone_through = self.go_through(&mut statement, (from, until), ends_us, (look, &mut came));
        self.reader.search.end_at(u64::MAX);
        match gone_through {
            Err(SearchFileError::Index(error)) if is_broken_off(&error) => Ok(Came::To(came)),
            other => other,
        }
    }

    fn go_through(
        &self,
        statement: &mut Statement<'_>,
        (from, until): (i64, i64),
        ends_us: u64,
        (look, came): (&mut Look<'_>, &mut i64),
    ) -> Result<Came, SearchFileError> {
        let mut rows = statement.query((look.asked, from, until))?;
        while let Some(row) = rows.next()? {
            let (place, source): (i64, i64) = (row.get(0)?, row.get(1)?);
            if !look.seen.contains(&source) {
                self.take(place, source, look)?;
            }
            *came = place;
            if look.found > self.limit {
                return Ok(Came::Full);
            }
            if clock::boottime_us() > ends_us {
                return Ok(Came::To(place));
            }
        }
        Ok(Came::Through)
    }

    /// Takes a candidate, where it is what is looked for.
    fn take(&self, place: i64, source: i64, look: &mut Look<'_>) -> Result<(), StoreError> {
        let (kind, record) = of_source(source);
        let Some(kind) = SearchKind::of_number(kind) else { return Ok(()) };
        if let Some((record, _)) = find(self.reader, kind, record)?
            && let Some(hit) = self.checked(place, record)
        {
            look.hits.push(hit);
            look.found += 1;
        }
        Ok(())
    }

    /// Places among which is looked: from, and below.
    fn span(&self) -> (i64, i64) {
        let lowest = self.query.from.map_or(0, |from| first_place(second_of(from.as_millis())));
        let until = self.query.until.map_or(i64::MAX, |until| {
            first_place(second_of(until.as_millis()).saturating_add(self.state.shift).saturating_add(1))
        });
        (lowest, until.min(self.before).min(first_place(clamped(i64::MAX) + 86_400)))
    }

    /// What the index is asked; nothing where what is asked for cannot be there.
    fn expression(&self) -> Result<Option<String>, SearchFileError> {
        let mut device = None;
        if let Some(id) = &self.query.device {
            match self.reader.number(id)? {
                number if number < 0 => return Ok(None),
                number => device = Some(number),
            }
        }
        let mut devices = None;
        if self.reader.limited && device.is_none() {
            let sql = "SELECT number FROM device LIMIT ?1";
            let mut all = self.reader.all(sql, &[&(DEVICES_MAX as i64 + 1)], |row| row.get::<_, i64>(0))?;
            if all.len() <= DEVICES_MAX {
                all.push(0);
                devices = Some(all);
            }
        }
        Ok(Some(expression(self.query, &self.kinds, device, devices.as_deref(), self.personal)))
    }

    /// The record, where it is what is looked for.
    fn checked(&self, place: i64, record: FoundRecord) -> Option<SearchHit> {
        let query = self.query;
        let at = record.at();
        if query.from.is_some_and(|from| at < from) || query.until.is_some_and(|until| at >= until) {
            return None;
        }
        if !query.actor.is_empty() && record.actor().to_lowercase() != query.actor.to_lowercase() {
            return None;
        }
        if query.device.as_ref().is_some_and(|device| record.device() != Some(device)) {
            return None;
        }
        if !query.article.is_empty() && !names_article(record.article(), query.article.trim()) {
            return None;
        }
        let document = record.document();
        let is_personal = !document.personal.is_empty();
        if !query.words.is_empty() {
            let mut texts: Vec<_> = document.open.iter().map(|text| words(text)).collect();
            if self.personal {
                texts.extend(document.personal.iter().map(|text| words(text)));
            }
            if !query.words.matches(&texts) {
                return None;
            }
        }
        let record = self.shown(record)?;
        Some(SearchHit { place: place.unsigned_abs(), is_personal, record })
    }

    /// The record as whoever asks may see it.
    fn shown(&self, record: FoundRecord) -> Option<FoundRecord> {
        let reader = self.reader;
        Some(match record {
            FoundRecord::Audit(one) => FoundRecord::Audit(reader.audit_as_shown(one)),
            FoundRecord::Event { device, event } => FoundRecord::Event { device, event: reader.event_as_shown(event) },
            FoundRecord::Fault { fault, article } => {
                FoundRecord::Fault { fault: Box::new(reader.fault_as_shown(*fault)), article }
            }
            FoundRecord::Incident(incident) => {
                FoundRecord::Incident(Box::new(reader.incident_as_shown(*incident).ok()?))
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::AuditEntry;
    use crate::search::WordsQuery;
    use crate::sqlite::SqliteStore;
    use crate::{Change, Store as _};

    #[test]
    fn an_answer_whose_time_is_over_comes_further_each_time_and_misses_nothing() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        // Four months; two words that are in every second record and never in one.
        let entry = |n: i64| AuditEntry {
            at: Timestamp::from_millis(1_780_000_000_000 + n * 2_600_000),
            actor: "lan".into(),
            action: "x.y".into(),
            subject: String::new(),
            detail: if n % 2 == 0 { "cắm usb".to_owned() } else { "postgresql dừng".to_owned() },
        };
        store.commit(&(0..4000).map(|n| Change::Audit(entry(n))).collect::<Vec<_>>()).expect("commits");
        let mut index = store.search_index().expect("opens");
        while index.turn(2000).expect("taken in").more {}
        let reader = store.new_reader();
        for (words, count) in [("usb postgresql", 0), ("post* -dung", 0), ("cam usb", 2000), ("khong-co", 0)] {
            let mut query = SearchQuery {
                words: WordsQuery::parse(words),
                kinds: SearchKind::ALL.to_vec(),
                limit: 50,
                ..SearchQuery::default()
            };
            let (mut found, mut ended) = (0, 0);
            loop {
                // Its time was over before it began.
                let page = search_until(&reader, &query, 0).expect("answers");
                found += page.hits.len();
                ended += usize::from(page.reached.is_some());
                let Some(next) = page.next else { break };
                assert!(query.before.is_none_or(|before| next < before), "{words}: it stands still at {next}");
                query.before = Some(next);
            }
            assert!(found == count && (1..10_000).contains(&ended), "{words}: {found} found, {ended} ended early");
        }
        index.turn(10).expect("looked");
        assert_eq!(index.size().expect("counted").0, 4000, "what was broken off is no damage");
    }
}

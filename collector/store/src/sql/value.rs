//! Values as columns hold them, both ways.

use serde::Serialize;
use serde::de::DeserializeOwned;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::language::Language;
use ioc_common::report::Position;
use ioc_judge::{IncidentState, PresenceState, Severity};

use crate::sql::{self, Row, Type};
use crate::{DeliveryState, ImportRegister, Role};

/// SQLite's integers are signed; every number here lies below 2^63 (the codec sees to it).
pub(crate) const fn signed(value: u64) -> i64 {
    value as i64
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> sql::Result<String> {
    ioc_judge::text::kept(|| serde_json::to_string(value))
        .map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))
}

/// A JSON column.
pub(super) fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> sql::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| sql::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// A set of words of which a column holds one.
pub(super) trait Word: Copy + 'static {
    /// What the words say, for errors.
    const WHAT: &'static str;
    const ALL: &'static [Self];

    fn text(self) -> &'static str;
}

impl Word for ImportRegister {
    const WHAT: &'static str = "register";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Word for Role {
    const WHAT: &'static str = "role";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Word for DeliveryState {
    const WHAT: &'static str = "state";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Word for Language {
    const WHAT: &'static str = "language";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Word for IncidentState {
    const WHAT: &'static str = "state";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Word for PresenceState {
    const WHAT: &'static str = "presence";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

/// A column that holds a word. One that there is not is an error that says in which row it stands.
pub(super) fn word<T: Word>(row: &Row<'_>, column: usize, whose: impl FnOnce() -> String) -> sql::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    T::ALL.iter().copied().find(|one| one.text() == text).ok_or_else(|| {
        let known: Vec<&str> = T::ALL.iter().map(|one| one.text()).collect();
        let why = format!("{}: found {} {text:?}; there are {}", whose(), T::WHAT, known.join(", "));
        sql::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}

/// Severity as a number that sorts; 0 stands for no fault.
pub(super) const fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

/// A column that holds a severity as its rank. A number that there is not is an error that says in which row it stands.
pub(super) fn severity(row: &Row<'_>, column: usize, whose: impl FnOnce() -> String) -> sql::Result<Severity> {
    let number: i64 = row.get(column)?;
    Severity::ALL.into_iter().find(|one| rank(*one) == number).ok_or_else(|| {
        let known = Severity::ALL.map(|one| format!("{} ({})", rank(one), one.as_str()));
        let why = format!("{}: found severity {number}; there are {}", whose(), known.join(", "));
        sql::Error::FromSqlConversionFailure(column, Type::Integer, why.into())
    })
}

/// The same where 0 stands for no fault.
pub(super) fn worst(row: &Row<'_>, column: usize, whose: impl FnOnce() -> String) -> sql::Result<Option<Severity>> {
    match row.get::<_, i64>(column)? {
        0 => Ok(None),
        _ => severity(row, column, whose).map(Some),
    }
}

/// A column that holds a device's identifier. One that none can have is an error that says in which row it stands.
pub(super) fn device_id(row: &Row<'_>, column: usize, whose: impl FnOnce() -> String) -> sql::Result<DeviceId> {
    DeviceId::new(row.get_ref(column)?.as_str()?).map_err(|error| {
        let why = format!("{}: {error}", whose());
        sql::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}

pub(super) fn moment(row: &Row<'_>, column: usize) -> sql::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

pub(crate) fn required(row: &Row<'_>, column: usize) -> sql::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(super) fn position(row: &Row<'_>, epoch: usize, seq: usize) -> sql::Result<Position> {
    let number = |column| Ok::<_, sql::Error>(row.get::<_, Option<i64>>(column)?.unwrap_or(0).unsigned_abs());
    Ok(Position { epoch: number(epoch)?, seq: number(seq)? })
}

pub(crate) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The number below which to continue, for lists that show the newest first.
pub(super) fn below(before: Option<u64>) -> i64 {
    before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use ioc_common::clock::Timestamp;
    use ioc_common::id::{DeviceId, FaultId, IncidentId};
    use ioc_judge::{DeviceInfo, DeviceKind, Fault, FaultState, IncidentState, Severity};

    use crate::sqlite::SqliteStore;
    use crate::{AccountRecord, Change, OutboxEntry, Reader, Role, Store as _, StoreError, TicketQuery};

    const NOW: Timestamp = Timestamp::from_millis(1000);

    #[test]
    fn a_word_that_there_is_not_is_an_error_that_names_its_row() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let account = AccountRecord {
            name: "lan".into(),
            full_name: "Lan".into(),
            role: Role::DutyOfficer,
            places: Vec::new(),
            password: String::new(),
            earlier: Vec::new(),
            password_at: NOW,
            must_change: false,
            disabled: false,
            failures: 0,
            locked_until: None,
            second_factor: None,
            last_sign_in_at: None,
        };
        let notice = OutboxEntry::new("7/1/sms".into(), IncidentId(7), "sms", "{}", NOW);
        let changes = [
            Change::Account(account.clone()),
            Change::TicketDue { system: "glpi".into(), incident: IncidentId(7) },
            Change::Outbox(notice.clone()),
        ];
        store.commit(&changes).expect("commits");
        let reader = store.reader().expect("reads");
        let tickets = |reader: &dyn Reader| reader.tickets(&TicketQuery::Of(IncidentId(7)), 9);
        assert_eq!(reader.accounts().expect("read"), [account]);
        assert_eq!(tickets(reader.as_ref()).expect("read")[0].state, Some(IncidentState::Open));
        assert_eq!(reader.outbox_entry("7/1/sms").expect("read"), Some(notice));
        store.connection.execute_batch("UPDATE ticket SET pushed = ''").expect("written");
        assert_eq!(tickets(reader.as_ref()).expect("read")[0].state, None);

        let damage =
            "UPDATE account SET role = 'chief'; UPDATE ticket SET pushed = 'done'; UPDATE outbox SET state = 'sent'";
        store.connection.execute_batch(damage).expect("damaged");
        let said = |error: Option<StoreError>| error.map(|error| error.to_string()).unwrap_or_default();
        let account = said(reader.accounts().err());
        assert!(account.contains("the account lan: found role \"chief\"; there are viewer, "), "{account}");
        let ticket = said(tickets(reader.as_ref()).err());
        assert!(
            ticket.contains("the ticket of INC-000007 in glpi: found state \"done\"; there are open, "),
            "{ticket}"
        );
        let notice = said(reader.outbox_entry("7/1/sms").err());
        assert!(notice.contains("the notice 7/1/sms: found state \"sent\"; there are waiting, "), "{notice}");
        store.connection.execute_batch("UPDATE outbox SET state = 'waiting', language = 'fr'").expect("damaged");
        let notice = said(reader.outbox_entry("7/1/sms").err());
        assert!(notice.contains("the notice 7/1/sms: found language \"fr\"; there are vi, en"), "{notice}");
    }

    #[test]
    fn a_severity_that_there_is_not_is_an_error_that_names_its_row() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let device = DeviceId::new("srv-1").expect("valid");
        let info = DeviceInfo {
            place: "Phòng máy".into(),
            ..DeviceInfo::new(device.clone(), DeviceKind::Server, "Máy chủ".to_owned())
        };
        let faults = Severity::ALL.into_iter().zip(1..).map(|(severity, number)| {
            let fault = Fault {
                id: FaultId(number),
                device: device.clone(),
                rule: "disk.wear".into(),
                series: String::new(),
                severity,
                state: FaultState::Raised,
                raised_at: NOW,
                cleared_at: None,
                value: None,
                reason: ioc_judge::Text::default(),
                incident: None,
                title: None,
                source: None,
                matter: None,
            };
            Change::Fault(fault)
        });
        let notice = OutboxEntry::new("7/1/sms".into(), IncidentId(7), "sms", "{}", NOW);
        let changes = [Change::Device { info, at: NOW }, Change::Outbox(notice)].into_iter().chain(faults);
        store.commit(&changes.collect::<Vec<Change>>()).expect("commits");
        let reader = store.reader().expect("reads");
        let worst = |reader: &dyn Reader| reader.device(&device).map(|found| found.and_then(|found| found.worst));
        assert_eq!(worst(reader.as_ref()).expect("read"), Some(Severity::Critical));
        for gone in [Severity::Critical, Severity::Warning, Severity::Info] {
            let sql = "UPDATE fault SET open = 0 WHERE severity = ?1";
            store.connection.execute(sql, [super::rank(gone)]).expect("written");
            let left = Severity::ALL.into_iter().filter(|one| *one < gone).max();
            assert_eq!(worst(reader.as_ref()).expect("read"), left, "{gone:?}");
        }

        let damage = "UPDATE fault SET open = 1, severity = 9; UPDATE outbox SET severity = 0";
        store.connection.execute_batch(damage).expect("damaged");
        let said = |error: Option<StoreError>| error.map(|error| error.to_string()).unwrap_or_default();
        let device = said(worst(reader.as_ref()).err());
        let expected = "the open faults of srv-1: found severity 9; there are 1 (info), 2 (warning), 3 (critical)";
        assert!(device.contains(expected), "{device}");
        let place = said(reader.places_by_state().err());
        assert!(place.contains("the open faults at \"Phòng máy\": found severity 9"), "{place}");
        let expected = "the notice 7/1/sms: found severity 0; there are 1 (info), ";
        let notice = said(reader.outbox_entry("7/1/sms").err());
        assert!(notice.contains(expected), "{notice}");
        let waiting = said(reader.outbox_waiting("sms", 9).err());
        assert!(waiting.contains(expected), "{waiting}");
    }
}

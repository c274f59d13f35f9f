//! What SQLite and PostgreSQL share: the SQL of every noun, once, over a small layer of ours with both databases behind it.
//!
//! The layer: [`connection`] (statements, rows and parameters under rusqlite's names), [`error`], [`dialect`] (what the two write differently),
//! [`patience`], [`postgres`] (its part). The nouns: [`apply`] says which writes a change, [`reader`] which answers a question; the SQL of a noun,
//! both ways, is in its own file. What keeps SQLite's files, and its index of words, is in [`crate::sqlite`].

mod account;
mod account_register;
mod apply;
pub(crate) mod archive;
mod archive_deletion;
mod asset;
mod audit;
pub(crate) mod audit_head;
mod audit_stamp;
mod audit_tree;
mod certificate;
pub(crate) mod clock;
pub(crate) mod commit;
mod configuration;
mod connection;
mod coverage;
mod dashboard;
pub(crate) mod device;
mod dialect;
mod document;
pub(crate) mod document_change;
pub(crate) mod document_expiry;
mod duty;
mod enrolment;
mod error;
mod event;
mod evidence;
pub(crate) mod examine;
mod excess;
mod expected_backup;
mod fault;
mod floor;
mod folded;
mod hold;
mod incident;
mod inventory_count;
mod job;
mod maintenance;
pub(crate) mod named;
pub(crate) mod newest;
mod number_limit;
mod outbox;
pub(crate) mod patience;
mod person;
pub(crate) mod postgres;
mod product;
mod reader;
pub(crate) mod reader_connection;
mod record_class;
mod redaction;
mod registered_account;
mod report;
mod retention;
pub(crate) mod sample;
mod scope;
pub(crate) mod search_record;
mod snapshot;
mod software;
mod software_tally;
mod table_import;
mod ticket;
pub(crate) mod touched;
pub(crate) mod value;
mod value_marks;

pub(crate) use rusqlite::types::{Type, ValueRef};
pub(crate) use rusqlite::{ToSql, params};

pub(crate) use apply::apply_all;
pub(crate) use connection::{Connection, OptionalExtension, Params, Row, Transaction};
pub(crate) use error::{Error, Result, database, may_pass};

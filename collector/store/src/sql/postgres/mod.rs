//! A session with PostgreSQL as the nouns see it: statements are translated ([`super::dialect`]) and prepared once, values are those of SQLite
//! ([`mod@value`]), and whoever asks waits for the answer on its own thread.
//!
//! What is only written ([`Session::queue`]) is sent without waiting: a commit costs one way to the server and back, whatever the number of its
//! statements. What the server has against one of them is said by the next call that waits; the transaction is lost then, as the server
//! has it.

#![allow(dead_code, reason = "no configuration names it before the whole contract holds there")]

mod driver;
mod sample_rows;
mod value;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rusqlite::ToSql;
use tokio_postgres::types::BorrowToSql;
use tokio_postgres::{Client, Row, Statement};

pub(crate) use driver::{Driver, wait};
pub(super) use sample_rows::SampleRows;
pub(super) use value::value;

pub(crate) use super::dialect::Schema;
use super::{Error, Result, dialect, touched};
use crate::StoreError;

/// Most statements that a session keeps prepared; then it begins anew.
const STATEMENTS_MAX: usize = 512;
/// Most statements that are under way at a time: what they hold is in memory.
const QUEUE_MAX: usize = 4096;

/// An answer that is under way: how many rows were changed.
type Answer = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>;

/// Makes a session of the same kind.
pub(crate) type Renew = Box<dyn Fn() -> std::result::Result<Session, StoreError> + Send>;

/// A session with PostgreSQL. One thread uses it at a time.
pub(crate) struct Session {
    client: RefCell<Arc<Client>>,
    /// Makes another one where this one is over and nothing is under way in it: for whoever only reads, or writes what is written again.
    renew: Option<Renew>,
    /// What a new one is told before it is asked anything.
    told: RefCell<Vec<String>>,
    /// Drives the connection.
    _driver: Arc<Driver>,
    /// Where the tables are.
    schema: Schema,
    /// By the text as the nouns have it, each with whether it writes to incidents.
    statements: RefCell<HashMap<String, (Statement, bool)>>,
    /// One of the transaction did.
    wrote_to_incidents: Cell<bool>,
    queue: RefCell<Vec<Answer>>,
    in_transaction: Cell<bool>,
    /// How many moments are begun, one within the other.
    moments: Cell<u32>,
    /// How a transaction is committed.
    end: RefCell<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Session {
    /// A session over a client that is connected, and whose connection the driver drives.
    ///
    /// # Errors
    /// [`Error`] when the server does not take the path to the schema.
    pub(crate) fn new(client: Client, driver: Arc<Driver>, schema: Schema) -> Result<Self> {
        let session = Self {
            client: RefCell::new(Arc::new(client)),
            renew: None,
            told: RefCell::default(),
            _driver: driver,
            schema,
            statements: RefCell::default(),
            wrote_to_incidents: Cell::new(false),
            queue: RefCell::default(),
            in_transaction: Cell::new(false),
            moments: Cell::new(0),
            end: RefCell::new("COMMIT".to_owned()),
        };
        session.batch_as_it_is(&format!("SET search_path TO {}", session.schema.quoted()))?;
        Ok(session)
    }

    /// The same, which is made anew by itself when the server or the way to it failed.
    pub(crate) fn renewed_by(self, renew: Renew) -> Self {
        Self { renew: Some(renew), ..self }
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.borrow())
    }

    /// Makes a session that is over anew, with all that it was told, or says why not: nothing is asked of one that was told less.
    fn renew_if_over(&self) -> Result<()> {
        let Some(renew) = self.renew.as_ref().filter(|_| self.is_closed()) else { return Ok(()) };
        if self.in_transaction.get() || self.moments.get() > 0 {
            return Ok(());
        }
        let client = renew().map_err(|error| Error::Unreachable(Box::new(error)))?.client();
        for sql in self.told.borrow().iter() {
            wait(client.batch_execute(sql))?;
        }
        self.statements.borrow_mut().clear();
        self.queue.borrow_mut().clear();
        *self.client.borrow_mut() = client;
        Ok(())
    }

    /// Statements that belong to the session, which are said again whenever it is made anew.
    pub(super) fn tell(&self, sql: &str) -> Result<()> {
        self.renew_if_over()?;
        let sql = dialect::translated(sql, &self.schema);
        wait(self.client().batch_execute(&sql))?;
        self.told.borrow_mut().push(sql);
        Ok(())
    }

    /// What it was told so far is not said again.
    pub(super) fn forget_told(&self) {
        self.told.borrow_mut().clear();
        self.statements.borrow_mut().clear();
    }

    /// A statement that is prepared.
    pub(super) fn prepare(&self, sql: &str) -> Result<Prepared<'_>> {
        Ok(Prepared { session: self, statement: self.statement(sql)? })
    }

    fn statement(&self, sql: &str) -> Result<Statement> {
        self.renew_if_over()?;
        if let Some((known, writes)) = self.statements.borrow().get(sql) {
            self.wrote_to_incidents.set(self.wrote_to_incidents.get() || *writes);
            return Ok(known.clone());
        }
        let writes = touched::writes(sql);
        self.wrote_to_incidents.set(self.wrote_to_incidents.get() || writes);
        let prepared = wait(self.client().prepare(&dialect::translated(sql, &self.schema)))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(sql.to_owned(), (prepared.clone(), writes));
        Ok(prepared)
    }

    /// Whether a statement of the transaction was one that writes to incidents.
    pub(super) fn wrote_to_incidents(&self) -> bool {
        self.wrote_to_incidents.get()
    }

    /// Sends a statement and does not wait for what comes of it. Outside of a transaction it is waited for.
    pub(super) fn queue(&self, sql: &str, params: &[&dyn ToSql]) -> Result<()> {
        let statement = self.statement(sql)?;
        if !self.in_transaction.get() {
            return self.execute(&statement, params).map(drop);
        }
        let params = value::kept(params)?;
        self.send(statement, params);
        if self.queue.borrow().len() >= QUEUE_MAX { self.settle() } else { Ok(()) }
    }

    fn send(&self, statement: Statement, params: Vec<impl BorrowToSql + Send + 'static>) {
        let client = self.client();
        self.push(Box::pin(async move { client.execute_raw(&statement, params).await }));
    }

    /// Sends statements without parameters and does not wait for what comes of them.
    pub(super) fn send_batch(&self, sql: &str) {
        let (client, sql) = (self.client(), sql.to_owned());
        self.push(Box::pin(async move { client.batch_execute(&sql).await.map(|()| 0) }));
    }

    fn push(&self, mut answer: Answer) {
        // The first look sends it; what comes is looked at again by whoever waits.
        let ready = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let answer: Answer = match ready {
            Poll::Ready(done) => Box::pin(std::future::ready(done)),
            Poll::Pending => answer,
        };
        self.queue.borrow_mut().push(answer);
    }

    /// Waits for all that was sent; the first that failed is the one that is said.
    pub(crate) fn settle(&self) -> Result<()> {
        let sent = std::mem::take(&mut *self.queue.borrow_mut());
        let mut first = Ok(());
        for answer in sent {
            let answer = wait(answer);
            if first.is_ok() {
                first = answer.map(drop).map_err(Error::from);
            }
        }
        first
    }

    fn execute(&self, statement: &Statement, params: &[&dyn ToSql]) -> Result<usize> {
        let params = value::borrowed(params)?;
        let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = params.iter().map(|one| one as _).collect();
        let done = wait(self.client().execute(statement, &params));
        self.settle()?;
        Ok(usize::try_from(done?).unwrap_or(usize::MAX))
    }

    fn query(&self, statement: &Statement, params: &[&dyn ToSql]) -> Result<Vec<Row>> {
        let params = value::borrowed(params)?;
        let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = params.iter().map(|one| one as _).collect();
        let rows = wait(self.client().query(statement, &params));
        self.settle()?;
        Ok(rows?)
    }

    /// Statements without parameters, translated like the others.
    pub(super) fn batch(&self, sql: &str) -> Result<()> {
        self.renew_if_over()?;
        let done = wait(self.client().batch_execute(&dialect::translated(sql, &self.schema)));
        let settled = self.settle();
        if sql == "ROLLBACK" {
            self.in_transaction.set(false);
        }
        settled?;
        Ok(done?)
    }

    /// Statements of PostgreSQL's own, as they stand.
    pub(crate) fn batch_as_it_is(&self, sql: &str) -> Result<()> {
        Ok(wait(self.client().batch_execute(sql))?)
    }

    /// From now on tables are looked for in folded history first.
    pub(crate) fn look_into_history(&self) -> Result<()> {
        self.tell(&format!("SET search_path TO {}", self.schema.history_path()))
    }

    /// From now on a statement is said in one message with each `COMMIT`, before it: where it fails nothing is committed. It proves the lease.
    pub(crate) fn say_before_commits(&self, sql: &str) {
        *self.end.borrow_mut() = format!("{sql}; COMMIT");
    }

    /// Whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.borrow().is_closed()
    }

    pub(super) fn begin(&self) -> Result<()> {
        self.renew_if_over()?;
        let begun = wait(self.client().batch_execute("BEGIN"));
        self.wrote_to_incidents.set(false);
        self.in_transaction.set(begun.is_ok());
        Ok(begun?)
    }

    /// Ends the transaction in one go with everything that was sent. Where one of the statements failed nothing is committed, and that is what is
    /// said.
    pub(super) fn commit(&self) -> Result<()> {
        let (client, end) = (self.client(), self.end.borrow().clone());
        let mut done = Box::pin(async move { client.batch_execute(&end).await });
        // Sent behind the rest at the first look.
        let early = done.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let settled = self.settle();
        let done = match early {
            Poll::Ready(done) => done,
            Poll::Pending => wait(done),
        };
        self.in_transaction.set(false);
        let made = settled.and(done.map_err(Error::from));
        if made.is_err() {
            // What is not committed is still open, unless the server has ended it.
            let _ = wait(self.client().batch_execute("ROLLBACK"));
        }
        made
    }

    /// From here on all is read as it is at this moment.
    pub(super) fn begin_moment(&self) -> Result<()> {
        if self.moments.get() == 0 {
            self.renew_if_over()?;
            wait(self.client().batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ"))?;
        }
        self.moments.set(self.moments.get() + 1);
        Ok(())
    }

    pub(super) fn end_moment(&self) -> Result<()> {
        self.moments.set(self.moments.get().saturating_sub(1));
        // What failed within it ends as well.
        if self.moments.get() == 0 {
            wait(self.client().batch_execute("COMMIT"))?;
        }
        Ok(())
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.in_transaction.get()
    }
}

/// A statement that is prepared in its session.
pub(crate) struct Prepared<'s> {
    session: &'s Session,
    statement: Statement,
}

impl Prepared<'_> {
    pub(super) fn execute(&self, params: &[&dyn ToSql]) -> Result<usize> {
        self.session.execute(&self.statement, params)
    }

    pub(super) fn query(&self, params: &[&dyn ToSql]) -> Result<Rows> {
        let rows = self.session.query(&self.statement, params)?;
        Ok(Rows { rows: rows.into_iter(), current: None })
    }
}

/// All rows of an answer.
pub(crate) struct Rows {
    rows: std::vec::IntoIter<Row>,
    current: Option<Row>,
}

impl Rows {
    pub(super) fn next(&mut self) -> Option<&Row> {
        self.current = self.rows.next();
        self.current.as_ref()
    }
}

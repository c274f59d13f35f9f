//! The rows of history of a commit, as one statement: a column is one array. Like binary COPY it costs the server a look at each row and no more, and other
//! than COPY it is sent with the rest and not waited for.

use super::value::Column;
use super::{Result, Session};

const SQL: &str = "INSERT INTO sample (number, device, previous, epoch, seq, at, received, layout, data) \
                   SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[])";

/// Rows that are not sent yet.
#[derive(Debug, Default)]
pub(crate) struct SampleRows {
    /// All columns but the last.
    numbers: [Vec<i64>; 8],
    data: Vec<Vec<u8>>,
}

impl SampleRows {
    pub(crate) fn push(&mut self, numbers: [i64; 8], data: &[u8]) {
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        self.data.push(data.to_vec());
    }

    /// Sends them.
    pub(crate) fn send(&mut self, session: &Session) -> Result<()> {
        if self.data.is_empty() {
            return Ok(());
        }
        let statement = session.statement(SQL)?;
        let Self { numbers, data } = std::mem::take(self);
        let columns = numbers.into_iter().map(Column::Integers).chain([Column::Blobs(data)]);
        session.send(statement, columns.collect());
        Ok(())
    }
}

//! Values on their way to PostgreSQL and back: SQLite's five, as columns of the types of our schema have them.
//!
//! Integers are `bigint`, `integer`, `smallint` or `boolean`, numbers `double precision`, texts `text` or `json`, blobs `bytea`. What a sum of
//! `bigint` gives is `numeric`, and comes as an integer. A text cannot hold the letter U+0000 there: U+FFFD takes its place.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::BytesMut;
use rusqlite::types::{ToSqlOutput, Type as ValueType, Value, ValueRef};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::sql::{Error, Result};

type Fault = Box<dyn StdError + Sync + Send>;

/// What goes to the server, borrowed.
#[derive(Debug)]
pub(super) struct Param<'p>(ToSqlOutput<'p>);

/// What goes to the server later.
#[derive(Debug)]
pub(super) struct Kept(Value);

/// A column of many rows.
#[derive(Debug)]
pub(super) enum Column {
    Integers(Vec<i64>),
    Blobs(Vec<Vec<u8>>),
}

pub(super) fn borrowed<'p>(params: &[&'p dyn rusqlite::ToSql]) -> Result<Vec<Param<'p>>> {
    params.iter().map(|one| Ok(Param(rusqlite::ToSql::to_sql(*one)?))).collect()
}

pub(super) fn kept(params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Kept>> {
    let keep = |one: &&dyn rusqlite::ToSql| {
        Ok(Kept(match rusqlite::ToSql::to_sql(*one)? {
            ToSqlOutput::Borrowed(value) => Value::try_from(value)?,
            ToSqlOutput::Owned(value) => value,
            _ => return Err(Error::ToSqlConversionFailure("such a value cannot be stored".into())),
        }))
    };
    params.iter().map(keep).collect()
}

impl ToSql for Param<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match &self.0 {
            ToSqlOutput::Borrowed(value) => write(*value, kind, out),
            ToSqlOutput::Owned(value) => write(ValueRef::from(value), kind, out),
            _ => Err("such a value cannot be stored".into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl ToSql for Kept {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        write(ValueRef::from(&self.0), kind, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl ToSql for Column {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match self {
            Self::Integers(all) => all.to_sql_checked(kind, out),
            Self::Blobs(all) => all.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Writes a value as a parameter of a type has it.
fn write(value: ValueRef<'_>, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
    match (value, kind) {
        (ValueRef::Null, _) => Ok(IsNull::Yes),
        (ValueRef::Integer(number), &Type::INT8) => number.to_sql(kind, out),
        (ValueRef::Integer(number), &Type::BOOL) => (number != 0).to_sql(kind, out),
        (ValueRef::Integer(number), &Type::INT4) => i32::try_from(number)?.to_sql(kind, out),
        (ValueRef::Integer(number), &Type::INT2) => i16::try_from(number)?.to_sql(kind, out),
        (ValueRef::Integer(number), &Type::FLOAT8) => (number as f64).to_sql(kind, out),
        (ValueRef::Integer(number), &Type::TEXT) => number.to_string().to_sql(kind, out),
        (ValueRef::Real(number), &Type::FLOAT8) => number.to_sql(kind, out),
        (ValueRef::Text(bytes) | ValueRef::Blob(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
        (ValueRef::Text(text), _) if is_text(kind) => plain(std::str::from_utf8(text)?).to_sql(&Type::TEXT, out),
        (other, _) => Err(format!("{} cannot be stored as {kind}", other.data_type()).into()),
    }
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN, Type::JSON].contains(kind)
}

/// A text without the one letter that PostgreSQL cannot keep.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A value as the server sent it.
struct Sent<'r>(ValueRef<'r>);

impl<'r> FromSql<'r> for Sent<'r> {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Fault> {
        Ok(Self(match *kind {
            Type::INT8 => ValueRef::Integer(i64::from_sql(kind, raw)?),
            Type::INT4 => ValueRef::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => ValueRef::Integer(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => ValueRef::Integer(bool::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => ValueRef::Real(f64::from_sql(kind, raw)?),
            Type::FLOAT4 => ValueRef::Real(f32::from_sql(kind, raw)?.into()),
            Type::NUMERIC => numeric(raw).ok_or("a number that is none")?,
            Type::BYTEA => ValueRef::Blob(raw),
            Type::JSONB => ValueRef::Text(raw.get(1..).unwrap_or_default()),
            _ => ValueRef::Text(raw),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Fault> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value of a row, where it lies.
pub(in crate::sql) fn value(row: &Row, column: usize) -> Result<ValueRef<'_>> {
    match row.try_get::<_, Sent<'_>>(column) {
        Ok(Sent(value)) => Ok(value),
        Err(error) => Err(Error::FromSqlConversionFailure(column, ValueType::Null, error.into())),
    }
}

/// A `numeric` as the server writes it: an integer where it is one that fits, else a real number.
fn numeric(raw: &[u8]) -> Option<ValueRef<'static>> {
    /// Each digit counts this much more than the one behind it.
    const BASE: i64 = 10_000;
    const NEGATIVE: u16 = 0x4000;
    let mut words = raw.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let (count, weight, sign, _scale) = (words.next()?, words.next()?.cast_signed(), words.next()?, words.next()?);
    if sign != 0 && sign != NEGATIVE {
        return Some(ValueRef::Real(f64::NAN));
    }
    let (mut whole, mut real) = (Some(0_i64), 0_f64);
    let mut power = i32::from(weight);
    for digit in words.take(usize::from(count)) {
        real += f64::from(digit) * (BASE as f64).powi(power);
        whole = whole.and_then(|whole| match power {
            0.. => whole.checked_mul(BASE)?.checked_add(i64::from(digit)),
            _ if digit == 0 => Some(whole),
            _ => None,
        });
        power -= 1;
    }
    // Digits that are nought at its end are not sent.
    for _ in 0..=power {
        whole = whole.and_then(|whole| whole.checked_mul(BASE));
    }
    let negative = sign == NEGATIVE;
    Some(match whole {
        Some(whole) => ValueRef::Integer(if negative { -whole } else { whole }),
        None => ValueRef::Real(if negative { -real } else { real }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_comes_as_the_integer_that_it_is() {
        let sent = |count: u16, weight: i16, sign: u16, digits: &[u16]| {
            let head = [count, weight.cast_unsigned(), sign, 0];
            let raw: Vec<u8> = head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect();
            numeric(&raw)
        };
        assert_eq!(sent(0, 0, 0, &[]), Some(ValueRef::Integer(0)));
        assert_eq!(sent(1, 0, 0, &[7]), Some(ValueRef::Integer(7)));
        assert_eq!(sent(1, 1, 0, &[3]), Some(ValueRef::Integer(30_000)), "digits that are nought are left out");
        assert_eq!(sent(2, 1, NEGATIVE_SIGN, &[1, 5]), Some(ValueRef::Integer(-10_005)));
        assert_eq!(sent(2, 0, 0, &[2, 5000]), Some(ValueRef::Real(2.5)));
        assert!(matches!(sent(1, 9, 0, &[1]), Some(ValueRef::Real(number)) if (number / 1e36 - 1.0).abs() < 1e-9));
        assert_eq!(numeric(&[0]), None);
    }

    const NEGATIVE_SIGN: u16 = 0x4000;

    #[test]
    fn a_value_takes_the_type_of_its_column() {
        let mut out = BytesMut::new();
        write(ValueRef::Integer(1), &Type::BOOL, &mut out).expect("a boolean");
        assert_eq!(&out[..], [1]);
        out.clear();
        write(ValueRef::Text(b"a\0b"), &Type::TEXT, &mut out).expect("a text");
        assert_eq!(&out[..], "a\u{fffd}b".as_bytes());
        assert!(write(ValueRef::Integer(1 << 40), &Type::INT4, &mut out).is_err(), "it does not fit");
        assert!(write(ValueRef::Blob(b"x"), &Type::INT8, &mut out).is_err(), "it is none");
    }
}

//! What all of the JSON API shares (`docs/api.md`): lists by pages, identifiers, limits.

pub(crate) mod openapi;

use axum::Json;
use serde::{Deserialize, Serialize};

use ioc_common::id::DeviceId;

use crate::problem::Problem;

/// Most items in one answer.
pub(crate) const LIMIT_MAX: usize = 500;
/// Items in one answer where nothing else is asked.
pub(crate) const LIMIT: usize = 100;

pub(crate) type ApiResult<T> = Result<Json<T>, Problem>;

/// One page of a list.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Give this as `cursor` to go on; none at the end.
    pub(crate) next_cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ListQuery {
    pub(crate) cursor: Option<String>,
    limit: Option<usize>,
    pub(crate) active: bool,
    pub(crate) device: Option<String>,
}

impl ListQuery {
    pub(crate) fn limit(&self) -> usize {
        page_limit(self.limit)
    }

    pub(crate) fn before(&self) -> Result<Option<u64>, Problem> {
        number_of_cursor(self.cursor.as_deref())
    }

    pub(crate) fn device(&self) -> Result<Option<DeviceId>, Problem> {
        self.device.as_deref().map(device_id).transpose()
    }
}

/// How many items one answer has, where so many are asked for.
pub(crate) fn page_limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
}

/// The cursor of a list that goes by numbers.
pub(crate) fn number_of_cursor(cursor: Option<&str>) -> Result<Option<u64>, Problem> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Problem::invalid(format!("cursor: found {text:?}; allowed is a number that next_cursor gave")))
    };
    cursor.map(parse).transpose()
}

pub(crate) fn device_id(text: &str) -> Result<DeviceId, Problem> {
    Ok(ioc_engine::inventory::device::device_id(text)?)
}

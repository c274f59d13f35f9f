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
    pub(crate) search: String,
    pub(crate) bad: bool,
    pub(crate) active: bool,
    pub(crate) device: Option<String>,
}

impl ListQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
    }

    pub(crate) fn before(&self) -> Result<Option<u64>, Problem> {
        let parse = |text: &String| {
            text.parse().map_err(|_| {
                Problem::invalid(format!("cursor: found {text:?}; allowed is a number that next_cursor gave"))
            })
        };
        self.cursor.as_ref().map(parse).transpose()
    }

    pub(crate) fn device(&self) -> Result<Option<DeviceId>, Problem> {
        self.device.as_deref().map(device_id).transpose()
    }
}

pub(crate) fn device_id(text: &str) -> Result<DeviceId, Problem> {
    DeviceId::new(text).map_err(|error| Problem::invalid(error.to_string()))
}

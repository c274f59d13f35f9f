//! Errors for programs, as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use ioc_judge::Refusal;

use ioc_engine::account::password_hashing::{HashQueueFull, RETRY_AFTER_S};
use ioc_engine::command::{CommandError, MissingProof};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason};

/// What a program knows by that more of who asks has to be shown, and what of it.
const fn kind_of(missing_proof: MissingProof) -> &'static str {
    match missing_proof {
        MissingProof::Stale => "urn:ioc-watch:confirm",
        MissingProof::NoSecondFactor => "urn:ioc-watch:no-second-factor",
        MissingProof::SilentProvider => "urn:ioc-watch:provider-without-second-factor",
    }
}

/// An error that is told to whoever asked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip)]
    missing_proof: Option<MissingProof>,
    /// The same in words that people read in their language.
    #[serde(skip)]
    reason: Option<Box<RefusalReason>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            missing_proof: None,
            reason: None,
        }
    }

    /// A problem for a reason that people read in their language.
    pub(crate) fn explained(kind: RefusalKind, reason: RefusalReason) -> Self {
        let status = match kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let english = reason.english().to_owned();
        Self { reason: Some(Box::new(reason)), ..Self::new(status, english) }
    }

    /// Why, in words that people read in their language, where there are some.
    pub(crate) fn reason(&self) -> Option<&RefusalReason> {
        self.reason.as_deref()
    }

    /// The same as a refused command.
    pub(crate) fn refused(self) -> CommandError {
        let kind = match self.status() {
            StatusCode::NOT_FOUND => RefusalKind::NotFound,
            StatusCode::FORBIDDEN => RefusalKind::Forbidden,
            StatusCode::UNPROCESSABLE_ENTITY => RefusalKind::Invalid,
            StatusCode::CONFLICT => RefusalKind::Conflict,
            _ => RefusalKind::Unavailable,
        };
        match self.reason {
            Some(reason) => CommandError::Explained(kind, reason),
            None if kind == RefusalKind::NotFound => CommandError::NotFound(self.detail),
            None => CommandError::Unavailable(self.detail),
        }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(crate) fn too_many(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// What is not shown of who asks, where that is why.
    pub(crate) const fn missing_proof(&self) -> Option<MissingProof> {
        self.missing_proof
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NotFound(_) => Self::not_found(detail),
            CommandError::Refused(refusal) => match refusal {
                Refusal::State { .. } | Refusal::Gate { .. } => Self::new(StatusCode::CONFLICT, detail),
                Refusal::Invalid { .. } => Self::invalid(detail),
                Refusal::Unknown(_) | Refusal::NoDevice(_) | Refusal::NoFault(_) | Refusal::Missing { .. } => {
                    Self::not_found(detail)
                }
                Refusal::Warned(_) => Self::conflict(detail),
            },
            CommandError::Conflict(_) | CommandError::Warned(_) => Self::new(StatusCode::CONFLICT, detail),
            CommandError::Invalid(_) => Self::invalid(detail),
            CommandError::Forbidden(_) => Self::forbidden(detail),
            CommandError::MissingProof(missing_proof) => {
                Self { kind: kind_of(missing_proof), missing_proof: Some(missing_proof), ..Self::forbidden(detail) }
            }
            CommandError::TooMany { .. } => Self::too_many(detail),
            CommandError::Unavailable(_) => Self::unavailable(detail),
            CommandError::Explained(kind, reason) => Self::explained(kind, *reason),
        }
    }
}

impl From<HashQueueFull> for Problem {
    fn from(busy: HashQueueFull) -> Self {
        Self::unavailable(busy.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self)).into_response();
        let kind = header::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}

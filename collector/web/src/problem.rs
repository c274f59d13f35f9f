//! Errors for programs, as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use ioc_judge::Refusal;

use ioc_engine::account::password_hashing::{HashQueueFull, RETRY_AFTER_S};
use ioc_engine::command::{CommandError, MissingProof};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};

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
    /// Which refusal it is: it stays when its words change. None for what programs alone meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The same in words that people read in their language.
    #[serde(skip)]
    error: Option<Box<CommandError>>,
}

impl Problem {
    /// A problem for programs, in English: a page says it by its kind. What people are to read has a [`RefusalReason`].
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            reason: None,
            error: None,
        }
    }

    /// A problem for a reason that people read in their language.
    pub(crate) fn explained(kind: RefusalKind, reason: RefusalReason) -> Self {
        reason.refuse(kind).into()
    }

    /// Whoever asks is not known, for a reason that people read in their language.
    pub(crate) fn unknown_person(reason: RefusalReason) -> Self {
        Self::explained(RefusalKind::Forbidden, reason).with_status(StatusCode::UNAUTHORIZED)
    }

    /// Whoever asks does so too often, for a reason that people read in their language.
    pub(crate) fn too_often(reason: RefusalReason) -> Self {
        Self::explained(RefusalKind::Unavailable, reason).with_status(StatusCode::TOO_MANY_REQUESTS)
    }

    /// A page of another site asks.
    pub(crate) fn other_site() -> Self {
        let reason = RefusalReason::new("refusal-other-site", [], "this request comes from another site");
        Self::explained(RefusalKind::Forbidden, reason)
    }

    /// The second factor is to be shown, too.
    pub(crate) fn needs_code() -> Self {
        let english = "code: this account has a second factor; give its code, too";
        Self::unknown_person(RefusalReason::new("refusal-code-needed", [], english))
    }

    /// The same as another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status: status.as_u16(), title: status.canonical_reason().unwrap_or("Error"), ..self }
    }

    /// Why, in words that people read in their language, where there are some.
    pub(crate) fn error(&self) -> Option<&CommandError> {
        self.error.as_deref()
    }

    /// The same as a refused command.
    pub(crate) fn refused(self) -> CommandError {
        let english = self.detail;
        match (self.error, StatusCode::from_u16(self.status)) {
            (Some(error), _) => *error,
            (None, Ok(StatusCode::NOT_FOUND)) => RefusalReason::new("refusal-other-404", [], english).not_found(),
            (None, Ok(StatusCode::FORBIDDEN)) => RefusalReason::new("refusal-other-403", [], english).forbidden(),
            (None, Ok(StatusCode::UNPROCESSABLE_ENTITY)) => {
                RefusalReason::new("refusal-other-422", [], english).invalid()
            }
            (None, Ok(StatusCode::CONFLICT)) => RefusalReason::new("refusal-other-409", [], english).conflict(),
            (None, _) => CommandError::Unavailable(english),
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
    pub(crate) fn missing_proof(&self) -> Option<MissingProof> {
        match self.error() {
            Some(CommandError::MissingProof(missing_proof)) => Some(*missing_proof),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

/// What the API answers to a refusal.
const fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        let (status, reason) = match &error {
            CommandError::Refused(Refusal::State { .. }) => (StatusCode::CONFLICT, "incident-state"),
            CommandError::Refused(Refusal::Gate { .. }) => (StatusCode::CONFLICT, "incident-gate"),
            CommandError::Refused(Refusal::Invalid { .. }) => (StatusCode::UNPROCESSABLE_ENTITY, "incident-field"),
            CommandError::Refused(
                Refusal::Unknown(_) | Refusal::NoDevice(_) | Refusal::NoFault(_) | Refusal::Missing { .. },
            ) => (StatusCode::NOT_FOUND, "incident-missing"),
            CommandError::Refused(Refusal::Warned(_)) | CommandError::Warned(_) => (StatusCode::CONFLICT, "warned"),
            CommandError::MissingProof(_) => (StatusCode::FORBIDDEN, "missing-proof"),
            CommandError::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "refusal-attempts-wait"),
            CommandError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "refused-unavailable"),
            CommandError::Explained(kind, reason) => (status_of(*kind), reason.key),
        };
        let kind = match &error {
            CommandError::MissingProof(missing_proof) => kind_of(*missing_proof),
            _ => "about:blank",
        };
        Self { kind, reason: Some(reason), error: Some(Box::new(error)), ..Self::new(status, detail) }
    }
}

impl From<HashQueueFull> for Problem {
    fn from(busy: HashQueueFull) -> Self {
        let wait = [("wait", Word::text(RETRY_AFTER_S.to_string()))];
        Self::explained(RefusalKind::Unavailable, RefusalReason::new("refusal-busy", wait, busy.to_string()))
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

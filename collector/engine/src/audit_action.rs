//! What the audit log says was done: each action with its text, which is kept for ever and given out by the API.

/// An action of the audit log.
#[allow(missing_docs, reason = "the texts below say it, as `noun.verb`")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLogAction {
    AccountChanged,
    AccountCodesGuessed,
    AccountConfirmed,
    AccountCreated,
    AccountPasswordChanged,
    AccountPasswordKnown,
    AccountPasswordReset,
    AccountSecondCodesMade,
    AccountSecondRemoved,
    AccountSecondStarted,
    AccountSessionEnded,
    AccountSessionsEnded,
    AccountSignInFailed,
    AccountSignedIn,
    AccountSignedOut,
    AccountTokenCreated,
    AuditWitnessDisagrees,
    AuthorityMadeAnew,
    BackupAttested,
    BackupDrilled,
    BackupEvidenceAdded,
    BackupExpected,
    BackupFailed,
    BackupMade,
    BackupRemoved,
    BackupStarted,
    BackupWithdrawn,
    CertificateAdopted,
    CertificateRenewed,
    ClockConfirmed,
    ClockFollowed,
    ClockReturned,
    ClockStepped,
    ConfigReloaded,
    ContactTested,
    CoverAdded,
    CoverRemoved,
    DeviceDescribed,
    DeviceEnrolled,
    DeviceQuarantined,
    DeviceRegistered,
    DeviceReleased,
    DeviceRemarked,
    DeviceRevoked,
    DutyHandover,
    EnrolmentApproved,
    EnrolmentRefused,
    EnrolmentWaits,
    HistoryCorrupt,
    HistoryPruned,
    IncidentAction,
    IncidentAttached,
    IncidentOpened,
    IncidentStep,
    NoticeGivenUp,
    NoticeResent,
    PersonalListed,
    PersonalRead,
    RecordsDeleted,
    RecordsExported,
    RecordsHeld,
    RecordsHoldEnded,
    RetentionChanged,
    SettingsApplied,
    SettingsRefused,
    StoreExamined,
    StoreLossConfirmed,
    StoreLossFound,
    StoreMadeAnew,
    StoreRestored,
    TokenCreated,
    TokenEnded,
    WindowEnded,
    WindowPlanned,
    /// What the judge says of a report.
    Judged(ioc_judge::JudgedAction),
}

impl AuditLogAction {
    /// The name used in the audit log, as `noun.verb`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountChanged => "account.changed",
            Self::AccountCodesGuessed => "account.codes_guessed",
            Self::AccountConfirmed => "account.confirmed",
            Self::AccountCreated => "account.created",
            Self::AccountPasswordChanged => "account.password_changed",
            Self::AccountPasswordKnown => "account.password_known",
            Self::AccountPasswordReset => "account.password_reset",
            Self::AccountSecondCodesMade => "account.second_codes_made",
            Self::AccountSecondRemoved => "account.second_removed",
            Self::AccountSecondStarted => "account.second_started",
            Self::AccountSessionEnded => "account.session_ended",
            Self::AccountSessionsEnded => "account.sessions_ended",
            Self::AccountSignInFailed => "account.sign_in_failed",
            Self::AccountSignedIn => "account.signed_in",
            Self::AccountSignedOut => "account.signed_out",
            Self::AccountTokenCreated => "account.token_created",
            Self::AuditWitnessDisagrees => "audit.witness_disagrees",
            Self::AuthorityMadeAnew => "authority.made_anew",
            Self::BackupAttested => "backup.attested",
            Self::BackupDrilled => "backup.drilled",
            Self::BackupEvidenceAdded => "backup.evidence_added",
            Self::BackupExpected => "backup.expected",
            Self::BackupFailed => "backup.failed",
            Self::BackupMade => "backup.made",
            Self::BackupRemoved => "backup.removed",
            Self::BackupStarted => "backup.started",
            Self::BackupWithdrawn => "backup.withdrawn",
            Self::CertificateAdopted => "certificate.adopted",
            Self::CertificateRenewed => "certificate.renewed",
            Self::ClockConfirmed => "clock.confirmed",
            Self::ClockFollowed => "clock.followed",
            Self::ClockReturned => "clock.returned",
            Self::ClockStepped => "clock.stepped",
            Self::ConfigReloaded => "config.reloaded",
            Self::ContactTested => "contact.tested",
            Self::CoverAdded => "cover.added",
            Self::CoverRemoved => "cover.removed",
            Self::DeviceDescribed => "device.described",
            Self::DeviceEnrolled => "device.enrolled",
            Self::DeviceQuarantined => "device.quarantined",
            Self::DeviceRegistered => "device.registered",
            Self::DeviceReleased => "device.released",
            Self::DeviceRemarked => "device.remarked",
            Self::DeviceRevoked => "device.revoked",
            Self::DutyHandover => "duty.handover",
            Self::EnrolmentApproved => "enrolment.approved",
            Self::EnrolmentRefused => "enrolment.refused",
            Self::EnrolmentWaits => "enrolment.waits",
            Self::HistoryCorrupt => "history.corrupt",
            Self::HistoryPruned => "history.pruned",
            Self::IncidentAction => "incident.action",
            Self::IncidentAttached => "incident.attached",
            Self::IncidentOpened => "incident.opened",
            Self::IncidentStep => "incident.step",
            Self::NoticeGivenUp => "notice.given_up",
            Self::NoticeResent => "notice.resent",
            Self::PersonalListed => "personal.listed",
            Self::PersonalRead => "personal.read",
            Self::RecordsDeleted => "records.deleted",
            Self::RecordsExported => "records.exported",
            Self::RecordsHeld => "records.held",
            Self::RecordsHoldEnded => "records.hold_ended",
            Self::RetentionChanged => "retention.changed",
            Self::SettingsApplied => "settings.applied",
            Self::SettingsRefused => "settings.refused",
            Self::StoreExamined => "store.examined",
            Self::StoreLossConfirmed => "store.loss_confirmed",
            Self::StoreLossFound => "store.loss_found",
            Self::StoreMadeAnew => "store.made_anew",
            Self::StoreRestored => "store.restored",
            Self::TokenCreated => "token.created",
            Self::TokenEnded => "token.ended",
            Self::WindowEnded => "window.ended",
            Self::WindowPlanned => "window.planned",
            Self::Judged(action) => action.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ioc_judge::JudgedAction as Judged;
    use ioc_store::audit_text::text_of;

    #[test]
    fn every_action_has_its_text() {
        // As they stand above, so that none is forgotten.
        let own = include_str!("audit_action.rs").lines().filter_map(|line| line.trim().strip_prefix("Self::"));
        let own: Vec<&str> = own.filter_map(|line| line.split('"').nth(1)).collect();
        assert!(own.len() > 70, "{own:?}");
        let judged = [
            Judged::DeviceRebooted,
            Judged::DeviceFingerprintChanged,
            Judged::SensorAnnounced,
            Judged::SensorRefused,
            Judged::ChangeAccepted,
        ];
        for action in own.into_iter().chain(judged.map(Judged::as_str)) {
            assert!(
                text_of(action).is_some(),
                "{action}: a line for it is missing in collector/store/src/audit_text.rs"
            );
        }
    }
}

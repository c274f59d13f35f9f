//! Records as they will be once what is decided and not committed yet is committed. Whoever decides on a record that the store keeps looks at
//! it through these: what ended it a moment ago holds already. A new change does not compile before it says here what it does to them.

use std::collections::{BTreeMap, BTreeSet};

use ioc_store::dashboard::Dashboard;
use ioc_store::{Change, RequestRecord, RequestState, SavedView, SessionRecord, TokenRecord};

/// What changes none of these records.
macro_rules! of_other_records {
    () => {
        Change::Sample { .. }
            | Change::Watermark { .. }
            | Change::Entrance { .. }
            | Change::Layout(_)
            | Change::Device { .. }
            | Change::Revoked { .. }
            | Change::Presence { .. }
            | Change::Hello { .. }
            | Change::Event { .. }
            | Change::Losses { .. }
            | Change::Document { .. }
            | Change::Software { .. }
            | Change::EventsPruned { .. }
            | Change::SoftwareCleared { .. }
            | Change::Fault(_)
            | Change::Incident(_)
            | Change::Step(_)
            | Change::Outbox(_)
            | Change::Delivery(_)
            | Change::TicketDue { .. }
            | Change::TicketSystems(_)
            | Change::Ticket(_)
            | Change::Attachment { .. }
            | Change::Comparison { .. }
            | Change::Window(_)
            | Change::WindowGone { .. }
            | Change::Cover(_)
            | Change::CoverGone(_)
            | Change::Handover(_)
            | Change::FloorPlan(_)
            | Change::FloorPicture { .. }
            | Change::DutyFeed(_)
            | Change::DutyFeedEnded { .. }
            | Change::RequestedTurn(_)
            | Change::ContactCheck(_)
            | Change::Job(_)
            | Change::JobGone(_)
            | Change::ExpectedBackup(_)
            | Change::ExpectedBackupGone { .. }
            | Change::BackupAttested { .. }
            | Change::BackupEvidence { .. }
            | Change::Asset(_)
            | Change::AssetAttested { .. }
            | Change::TableImport(_)
            | Change::TableImportUndone { .. }
            | Change::TableImportLeft { .. }
            | Change::AccountWord { .. }
            | Change::AccountAttested { .. }
            | Change::AccountEvidence { .. }
            | Change::AssetEvidence { .. }
            | Change::AccountReviewLines { .. }
            | Change::AccountReviewOpened(_)
            | Change::AccountReviewLine { .. }
            | Change::AccountReviewSigned { .. }
            | Change::InventoryCount(_)
            | Change::InventoryTick { .. }
            | Change::InventoryFind { .. }
            | Change::Product(_)
            | Change::ProductUses { .. }
            | Change::DocumentSettings(_)
            | Change::ReportText(_)
            | Change::ReportIssued { .. }
            | Change::ReportRegistered { .. }
            | Change::Certificate { .. }
            | Change::Account(_)
            | Change::LossConfirmed
            | Change::Clock(_)
            | Change::RetentionRule(_)
            | Change::Configuration(_)
            | Change::Hold(_)
            | Change::HoldEnded { .. }
            | Change::Expired(_)
            | Change::NumbersDeleted { .. }
            | Change::Audit(_)
            | Change::AuditKey(_)
            | Change::AuditHead { .. }
            | Change::AuditStamp(_)
    };
}

macro_rules! of_dashboards {
    () => {
        Change::Dashboard(_) | Change::DashboardGone(_)
    };
}

macro_rules! of_sessions {
    () => {
        Change::Session(_)
            | Change::SessionsEnded { .. }
            | Change::SessionConfirmed { .. }
            | Change::SecondFactorEnded { .. }
            | Change::SessionEnded { .. }
    };
}

macro_rules! of_requests {
    () => {
        Change::Request(_) | Change::RequestSeen { .. } | Change::RequestGone(_) | Change::RequestsPruned { .. }
    };
}

macro_rules! of_tokens {
    () => {
        Change::Token(_) | Change::TokenEnded { .. } | Change::TokenUsed { .. }
    };
}

/// The session with this digest, or none once it has ended.
pub(super) fn session_after(kept: Option<SessionRecord>, of: &str, changes: &[Change]) -> Option<SessionRecord> {
    changes.iter().fold(kept, |session, change| match change {
        Change::Session(made) if made.digest == of => Some(made.clone()),
        Change::SessionEnded { digest } if digest == of => None,
        Change::SessionsEnded { account, except } => session.filter(|one| one.account != *account || except == of),
        Change::SessionConfirmed { digest, at, second_factor } if digest == of => {
            session.map(|one| SessionRecord { confirmed_at: *at, second_factor: *second_factor, ..one })
        }
        Change::SecondFactorEnded { account } => session.map(|one| {
            let second_factor = one.second_factor && (one.federated || one.account != *account);
            SessionRecord { second_factor, ..one }
        }),
        Change::ClockStepped { by_ms, .. } => session.map(|one| SessionRecord {
            confirmed_at: one.confirmed_at.plus_millis(*by_ms),
            expires_at: one.expires_at.plus_millis(*by_ms),
            ..one
        }),
        // The first three are of other sessions.
        Change::Session(_)
        | Change::SessionEnded { .. }
        | Change::SessionConfirmed { .. }
        | of_requests!()
        | of_tokens!()
        | Change::View(_)
        | of_dashboards!()
        | of_other_records!() => session,
    })
}

/// Machines that asked to come in, by identifier: these, and those that the changes bring.
pub(super) fn requests_after(
    kept: impl IntoIterator<Item = RequestRecord>,
    changes: &[Change],
) -> BTreeMap<String, RequestRecord> {
    let mut all: BTreeMap<String, RequestRecord> = kept.into_iter().map(|one| (one.id.clone(), one)).collect();
    for change in changes {
        match change {
            Change::Request(request) => drop(all.insert(request.id.clone(), (**request).clone())),
            Change::RequestSeen { id, at } => {
                if let Some(one) = all.get_mut(id).filter(|one| one.state == RequestState::Waiting) {
                    one.seen_at = *at;
                }
            }
            Change::RequestGone(id) => drop(all.remove(id)),
            Change::ClockStepped { by_ms, .. } => {
                for one in all.values_mut() {
                    (one.at, one.seen_at) = (one.at.plus_millis(*by_ms), one.seen_at.plus_millis(*by_ms));
                }
            }
            // What is pruned stays in the store while the clock is in doubt; whoever counts passes over what has not asked for so long.
            Change::RequestsPruned { .. }
            | of_sessions!()
            | of_tokens!()
            | Change::View(_)
            | of_dashboards!()
            | of_other_records!() => {}
        }
    }
    all
}

/// An enrolment token.
pub(super) fn token_after(kept: TokenRecord, changes: &[Change]) -> TokenRecord {
    changes.iter().fold(kept, |token, change| match change {
        Change::TokenEnded { digest, at } if *digest == token.digest => {
            TokenRecord { ended_at: token.ended_at.or(Some(*at)), ..token }
        }
        Change::TokenUsed { digest, at, .. } if *digest == token.digest => {
            TokenRecord { uses: token.uses.saturating_add(1), used_at: Some(*at), ..token }
        }
        Change::ClockStepped { by_ms, .. } => TokenRecord {
            created_at: token.created_at.plus_millis(*by_ms),
            expires_at: token.expires_at.plus_millis(*by_ms),
            ..token
        },
        // Those of tokens are of others.
        of_tokens!() | of_sessions!() | of_requests!() | Change::View(_) | of_dashboards!() | of_other_records!() => {
            token
        }
    })
}

/// The names of the lists of devices that a person keeps.
pub(super) fn view_names_after(kept: Vec<SavedView>, account: &str, changes: &[Change]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = kept.into_iter().map(|view| view.name).collect();
    for change in changes {
        match change {
            Change::View(other) if other.account != account => {}
            Change::View(other) if other.query.is_empty() => drop(names.remove(&other.name)),
            Change::View(other) => drop(names.insert(other.name.clone())),
            of_sessions!()
            | of_requests!()
            | of_tokens!()
            | Change::ClockStepped { .. }
            | of_dashboards!()
            | of_other_records!() => {}
        }
    }
    names
}

/// The dashboards that there are.
pub(super) fn dashboards_after(kept: Vec<Dashboard>, changes: &[Change]) -> Vec<Dashboard> {
    changes.iter().fold(kept, |mut all, change| {
        match change {
            Change::Dashboard(one) => {
                all.retain(|known| known.number != one.number);
                all.push((**one).clone());
            }
            Change::DashboardGone(number) => all.retain(|known| known.number != *number),
            of_sessions!()
            | of_requests!()
            | of_tokens!()
            | Change::View(_)
            | Change::ClockStepped { .. }
            | of_other_records!() => {}
        }
        all
    })
}

//! The one way to the engine: what people ask, as far as their rights and their places reach, and the named entrances of those who
//! are no such person. A command that is new has to say here what it needs and what it is about before anything compiles; nothing is
//! allowed because nobody thought of it.

pub(crate) mod rights;

use tokio::sync::watch;

use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{Action, Common, Incident, Named, Warning, Window};

use crate::person::Person;
use crate::problem::Problem;
use crate::readers::StoreReaders;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_engine::writer::{EngineHandle, SessionRef};
use ioc_store::inventory_count::Tick;
use ioc_store::scope::AccessScope;
use ioc_store::{Right, audit};

/// The engine, reached through this file alone: nothing else sees its handle.
#[derive(Clone)]
pub(crate) struct EngineGateway(EngineHandle);

/// Who may ask for a command.
#[derive(Debug, PartialEq, Eq)]
enum Requester {
    /// A person who has this right.
    Person(Right),
    /// A person for their own account.
    Owner(String),
    /// Signing in and out, and what accounts are: `sign_in` and `account` say themselves who may.
    Accounts,
    /// A machine that enrols, with its token.
    Machine,
    /// Another system's alerts, with that source's token.
    Source,
    /// A record of what was read.
    Note,
    /// Other tasks of the collector; never a request.
    Inside,
}

/// What a command is about.
#[derive(Debug, PartialEq)]
enum Target {
    Device(DeviceId),
    Incidents(Vec<IncidentId>),
    Window(Box<Window>),
    WindowOf(u64),
    /// What stands at a place that whoever asks wrote down.
    Place(String),
    /// The asker's own things, or nothing that stands at a place.
    Nothing,
    /// The whole centre: out of reach for whoever is limited to places.
    Whole,
}

#[allow(clippy::too_many_lines, reason = "a line for each command; splitting it would hide that the list is whole")]
fn target_of(command: &Command) -> (Requester, Target) {
    let whole = |right| (Requester::Person(right), Target::Whole);
    match command {
        Command::NewToken { .. }
        | Command::EndToken { .. }
        | Command::DecideRequest { .. }
        | Command::Import { .. }
        | Command::Revoke { .. }
        | Command::Release { .. }
        | Command::Describe { .. }
        | Command::Register { .. }
        | Command::ExpectBackup { .. }
        | Command::WithdrawBackup { .. }
        | Command::ChangeAssets { .. }
        | Command::ImportAssets { .. }
        | Command::ImportAccounts { .. }
        | Command::ImportProducts { .. }
        | Command::UndoImport { .. }
        | Command::ChangeProducts { .. }
        | Command::DescribeAccounts { .. }
        | Command::ConfirmClock { .. }
        | Command::SetHold { .. }
        | Command::EndHold { .. }
        | Command::BeginDeletion { .. }
        | Command::SetConfiguration { .. }
        | Command::ImportConfiguration { .. }
        | Command::ConfirmLoss { .. } => whole(Right::Administer),
        Command::Remark { device, .. }
        | Command::AttestBackup { device, .. }
        | Command::AddBackupEvidence { device, .. }
        | Command::AttestAccount { device, .. }
        | Command::AddAccountEvidence { device, .. }
        | Command::AddAssetEvidence { device, .. }
        | Command::TickAsset { tick: Tick { device, .. }, .. }
        | Command::AttestAsset { device, .. } => (Requester::Person(Right::Handle), Target::Device(device.clone())),
        Command::AddFind { thing, .. } => (Requester::Person(Right::Handle), Target::Place(thing.place.clone())),
        Command::Open { manual, .. } => {
            (Requester::Person(Right::Handle), manual.device.clone().map_or(Target::Whole, Target::Device))
        }
        Command::Act { incident, action, .. } => {
            (Requester::Person(right_of(action)), target_of_action(*incident, action))
        }
        Command::Attach { incident, .. } => (Requester::Person(Right::Handle), Target::Incidents(vec![*incident])),
        Command::PlanWindow { window, .. } => {
            (Requester::Person(Right::Plan), Target::Window(Box::new(window.clone())))
        }
        Command::SetFloorPicture { room, .. } | Command::PlaceOnFloor { room, .. } => {
            (Requester::Person(Right::Plan), Target::Place(room.trim().to_owned()))
        }
        Command::EndWindow { id, .. } => (Requester::Person(Right::Plan), Target::WindowOf(*id)),
        // Of one's own turns, and what one is asked: the engine looks whose they are.
        Command::AskTurn { .. } | Command::AnswerTurn { .. } | Command::WithdrawTurn { .. } => {
            (Requester::Person(Right::View), Target::Nothing)
        }
        Command::Cover { .. }
        | Command::Uncover { .. }
        | Command::Handover(_)
        | Command::SignShift(_)
        | Command::Resend { .. }
        | Command::SendContactCode { .. }
        | Command::VerifyContact { .. }
        | Command::TestContact { .. } => whole(Right::Duty),
        Command::OpenCount { .. }
        | Command::CloseCount { .. }
        | Command::SettleCounted { .. }
        | Command::SettleFind { .. }
        | Command::SetDocumentSettings { .. }
        | Command::WriteReport { .. }
        | Command::IssueReport { .. }
        | Command::OpenAccountReview { .. }
        | Command::WriteAccountReview { .. }
        | Command::SignAccountReview { .. }
        | Command::RegisterReport { .. } => whole(Right::Report),
        Command::SaveView(view) => (Requester::Owner(view.account.clone()), Target::Nothing),
        // Its owner, or who administers; the engine looks whose it is. What it shows is read by whoever looks.
        Command::SaveDashboard { actor, .. }
        | Command::RemoveDashboard { actor, .. }
        | Command::NewDutyFeed { actor, .. }
        | Command::EndDutyFeed { actor, .. } => (Requester::Owner(actor.clone()), Target::Nothing),
        Command::Account(_) => (Requester::Accounts, Target::Nothing),
        Command::Enrol { .. } => (Requester::Machine, Target::Nothing),
        Command::Alerts { .. } | Command::JobReported { .. } => (Requester::Source, Target::Nothing),
        Command::Note(_) => (Requester::Note, Target::Nothing),
        Command::CheckDuty
        | Command::CheckReports
        | Command::Delivered(_)
        | Command::FallBack(_)
        | Command::Ticket { .. }
        | Command::RecordIntegrityCheck { .. }
        | Command::BackgroundTask { .. }
        | Command::KeepStamp(_)
        | Command::AwaitCommit
        | Command::Reload(_)
        | Command::Expire { .. }
        | Command::DeletionsAhead(_)
        | Command::NumbersDeleted(_)
        | Command::GroupSoftware { .. }
        | Command::ForgetRows { .. } => (Requester::Inside, Target::Whole),
    }
}

/// That an incident is serious is said for the whole centre: by who leads the shift, not by who repairs.
fn right_of(action: &Action) -> Right {
    match action {
        Action::MarkSerious { .. } | Action::UnmarkSerious { .. } | Action::ClockSent { .. } => Right::Duty,
        Action::Acknowledge { .. }
        | Action::Comment { .. }
        | Action::Assign { .. }
        | Action::Repair { .. }
        | Action::Resolve { .. }
        | Action::Close { .. }
        | Action::Accept { .. }
        | Action::Reopen { .. }
        | Action::Merge { .. }
        | Action::Split { .. }
        | Action::Regulator { .. }
        | Action::RegulatorReceived
        | Action::RegulatorResult { .. }
        | Action::RegulatorConfirmed
        | Action::Verify { .. }
        | Action::AskUnit { .. }
        | Action::AnswerUnit { .. }
        | Action::WithdrawRequest { .. } => Right::Handle,
    }
}

fn target_of_action(incident: IncidentId, action: &Action) -> Target {
    match action {
        // Joining touches two.
        Action::Merge { into } => Target::Incidents(vec![incident, IncidentId(*into)]),
        Action::Acknowledge { .. }
        | Action::Comment { .. }
        | Action::Assign { .. }
        | Action::Repair { .. }
        | Action::Resolve { .. }
        | Action::Close { .. }
        | Action::Accept { .. }
        | Action::Reopen { .. }
        | Action::Split { .. }
        | Action::Regulator { .. }
        | Action::RegulatorReceived
        | Action::RegulatorResult { .. }
        | Action::RegulatorConfirmed
        | Action::Verify { .. }
        | Action::MarkSerious { .. }
        | Action::UnmarkSerious { .. }
        | Action::ClockSent { .. }
        | Action::AskUnit { .. }
        | Action::AnswerUnit { .. }
        | Action::WithdrawRequest { .. } => Target::Incidents(vec![incident]),
    }
}

/// Whether a window touches nothing that is out of reach: it names its devices, or its places.
pub(crate) fn is_within(window: &Window, access: &AccessScope, sees: impl Fn(&DeviceId) -> bool) -> bool {
    let scope = &window.scope;
    let sees = |id: &String| DeviceId::new(id).is_ok_and(|id| sees(&id));
    // A window is for what stands in all of its lists: one that is within reach is enough.
    let by_devices = !scope.devices.is_empty() && scope.devices.iter().all(sees);
    let by_places = !scope.places.is_empty() && scope.places.iter().all(|place| access.holds(place));
    !window.freeze && (by_devices || by_places)
}

impl EngineGateway {
    pub(crate) const fn new(engine: EngineHandle) -> Self {
        Self(engine)
    }

    /// Wakes pages when what they show has changed.
    pub(crate) fn pages_wake(&self) -> watch::Receiver<u64> {
        self.0.pages_wake()
    }

    /// Whether the engine has ended.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    async fn send(&self, is_for: &Requester, command: Command) -> Result<Answer, CommandError> {
        let (requester, _) = target_of(&command);
        if requester != *is_for {
            tracing::error!(?requester, ?is_for, "a command came by an entrance that is not its own");
            let english = "this cannot be asked for here";
            return Err(RefusalReason::new("refusal-not-here", [], english).forbidden());
        }
        self.0.command(command).await
    }

    /// Signing in and out, and what accounts are: whoever calls this has asked who may.
    pub(crate) async fn account_command(&self, command: Command) -> Result<Answer, CommandError> {
        self.send(&Requester::Accounts, command).await
    }

    /// A machine with its token.
    pub(crate) async fn enrolment_command(&self, command: Command) -> Result<Answer, CommandError> {
        self.send(&Requester::Machine, command).await
    }

    /// Another system with its token.
    pub(crate) async fn alert_command(&self, command: Command) -> Result<Answer, CommandError> {
        self.send(&Requester::Source, command).await
    }

    /// Keeps a record of what was read.
    pub(crate) async fn record_access(&self, entry: audit::AuditEntry) -> Result<Answer, CommandError> {
        self.send(&Requester::Note, Command::Note(entry)).await
    }

    /// Whoever presses the signed link of a notice takes its incident, and can do nothing else with it.
    pub(crate) async fn acknowledge_by_link(
        &self,
        incident: IncidentId,
        person: String,
    ) -> Result<Answer, CommandError> {
        let action = Action::Acknowledge { note: String::new() };
        self.send(&Requester::Person(Right::Handle), Command::Act { incident, action, actor: person }).await
    }
}

impl EngineGateway {
    /// Whoever presses the signed link of a notice answers whether they take the turn that they are asked for, and can do nothing else with it.
    pub(crate) async fn answer_turn_by_link(
        &self,
        number: u64,
        person: String,
        (agreed, answer): (bool, String),
    ) -> Result<Answer, CommandError> {
        let by_link = Some(person.clone());
        let command = Command::AnswerTurn { number, agreed, answer, actor: person, by_link };
        self.send(&Requester::Person(Right::View), command).await
    }
}

/// Warnings with the names that may be read, and without those that may not.
fn within_reach(mut warnings: Vec<Warning>, access: &AccessScope) -> Vec<Warning> {
    // One that is about more than is within reach is about that, too.
    let holds =
        |place: &String| access.places().iter().any(|own| AccessScope::of(std::slice::from_ref(place)).holds(own));
    let reached = |named: &Named| named.places.iter().any(|place| access.holds(place) || (named.below && holds(place)));
    for warning in &mut warnings {
        if !access.is_everywhere() && !warning.names.iter().all(reached) {
            warning.text.clone_from(&warning.unnamed);
        }
    }
    warnings
}

impl EngineGateway {
    /// Has carried out what a person asks for, where they have the right to it; what is out of their reach is not there for them.
    pub(crate) async fn carry_out(
        &self,
        readers: &StoreReaders,
        person: &Person,
        command: Command,
    ) -> Result<Answer, CommandError> {
        let (requester, target) = target_of(&command);
        let has_right = match &requester {
            Requester::Person(right) => person.may(*right),
            Requester::Owner(account) => *account == person.name,
            Requester::Accounts | Requester::Machine | Requester::Source | Requester::Note | Requester::Inside => false,
        };
        if !has_right {
            let english = "your role, or the places of your account, do not allow this";
            return Err(RefusalReason::new("refusal-role-or-places", [], english).forbidden());
        }
        if !person.scope.is_everywhere() && !is_in_scope(readers, &person.scope, target).await? {
            let places = person.scope.places().join("; ");
            let english = format!("it is not within the places of your account: {places}");
            let args = [("places", Word::text(places))];
            return Err(RefusalReason::new("refusal-beyond-places", args, english).not_found());
        }
        let carried = if person.session.is_empty() {
            // Whoever sits at this machine.
            self.0.command(command).await
        } else {
            let session = SessionRef { account: person.name.clone(), digest: person.session.clone() };
            self.0.session_command(session, command).await
        };
        carried.map_err(|error| match error {
            CommandError::Warned(warnings) => CommandError::Warned(within_reach(warnings, &person.scope)),
            other => other,
        })
    }
}

async fn is_in_scope(readers: &StoreReaders, access: &AccessScope, target: Target) -> Result<bool, CommandError> {
    let asked = access.clone();
    let allowed = readers.read(access, move |reader| {
        let sees = |id: &DeviceId| reader.device(id).is_ok_and(|found| found.is_some());
        Ok(match target {
            Target::Device(id) => sees(&id),
            Target::Incidents(all) => {
                // One that is about the centre as a whole can be read, and is for those who reach all of it. One of many devices is for those who
                // reach the place that all of them have in common.
                let stands_here = |id| {
                    let found = reader.incident(id)?;
                    Ok::<_, ioc_store::StoreError>(found.is_some_and(|(incident, ..)| stands_within(&incident, &asked)))
                };
                all.into_iter().map(stands_here).collect::<Result<Vec<bool>, _>>()?.into_iter().all(|here| here)
            }
            Target::Window(window) => is_within(&window, &asked, sees),
            Target::WindowOf(id) => {
                let found = reader.windows()?.into_iter().find(|window| window.id == id);
                found.is_some_and(|window| is_within(&window, &asked, sees))
            }
            Target::Place(place) => asked.holds(&place),
            Target::Nothing => true,
            Target::Whole => false,
        })
    });
    allowed.await.map_err(Problem::refused)
}

/// Whether an incident that somebody may read is about a device, or about many at a place, that is within reach.
fn stands_within(incident: &Incident, access: &AccessScope) -> bool {
    let common = incident.progress.storm.iter().flat_map(|storm| &storm.common);
    let mut places = common.filter_map(|common| match common {
        Common::Rack(place) | Common::Room(place) => Some(place),
        Common::Power(_) | Common::Uplink(_) | Common::Rule(_) => None,
    });
    incident.device.is_some() || places.any(|place| access.holds(place))
}

#[cfg(test)]
mod tests {
    use ioc_engine::account::intent::{Actor, Intent};
    use ioc_engine::command::{BackgroundTask, NewToken};
    use ioc_judge::{NewIncident, Scope, Severity, Text, WindowSchedule};
    use ioc_store::{Handover, ImportRegister, NewDevice, SavedView};

    use super::*;

    fn device() -> DeviceId {
        DeviceId::new("srv-1").expect("valid")
    }

    fn window(scope: Scope, freeze: bool) -> Window {
        let when =
            WindowSchedule::Once { from: ioc_common::clock::Timestamp::MIN, until: ioc_common::clock::Timestamp::MAX };
        Window { id: 7, title: String::new(), scope, when, freeze, who: String::new(), overruled: Vec::new() }
    }

    fn opened(device: Option<DeviceId>) -> Command {
        let [title, reason, advice] = [(); 3].map(|()| Text::default());
        let manual = NewIncident { device, severity: Severity::Warning, title, reason, advice, report: None };
        Command::Open { manual, actor: String::new() }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "one list of commands")]
    fn what_is_of_the_whole_centre_is_out_of_reach_for_whoever_is_limited() {
        let actor = String::new;
        let info = NewToken { device: NewDevice::default(), label: actor(), group: true, uses: 1, approve: false };
        let life = "1h".parse().expect("a span");
        for (right, command) in [
            (Right::Administer, Command::NewToken { info, life, actor: actor() }),
            (Right::Administer, Command::EndToken { digest: actor(), actor: actor() }),
            (Right::Administer, Command::DecideRequest { id: actor(), approved: None, actor: actor() }),
            (Right::Administer, Command::Import { devices: Vec::new(), actor: actor() }),
            (Right::Administer, Command::Revoke { device: device(), actor: actor() }),
            (Right::Administer, Command::Release { device: device(), actor: actor() }),
            (Right::Administer, Command::Describe { info: NewDevice::default(), fields: None, actor: actor() }),
            (Right::Administer, Command::Register { info: NewDevice::default(), actor: actor() }),
            (
                Right::Administer,
                Command::WithdrawBackup { device: device(), kind: ioc_store::BackupKind::Files, actor: actor() },
            ),
            (
                Right::Administer,
                Command::ChangeProducts {
                    products: Vec::new(),
                    fields: Default::default(),
                    was: Default::default(),
                    keep: Vec::new(),
                    actor: actor(),
                },
            ),
            (Right::Administer, Command::ImportAssets { rows: Vec::new(), actor: actor() }),
            (Right::Administer, Command::ImportAccounts { rows: Vec::new(), actor: actor() }),
            (Right::Administer, Command::ImportProducts { rows: Vec::new(), actor: actor() }),
            (Right::Administer, Command::UndoImport { register: ImportRegister::Assets, number: 1, actor: actor() }),
            (Right::Administer, Command::ChangeAssets { changes: Vec::new(), actor: actor() }),
            (Right::Administer, Command::ConfirmClock { step_s: None, actor: actor() }),
            (
                Right::Administer,
                Command::SetHold {
                    target: ioc_store::retention::HoldTarget::Period,
                    from: None,
                    until: None,
                    reason: actor(),
                    name: actor(),
                    actor: actor(),
                },
            ),
            (Right::Administer, Command::EndHold { number: 1, reason: actor(), name: actor(), actor: actor() }),
            (
                Right::Administer,
                Command::BeginDeletion {
                    class: ioc_store::retention::RecordClass::Events,
                    reason: actor(),
                    name: actor(),
                    actor: actor(),
                },
            ),
            (Right::Administer, Command::ImportConfiguration { parts: Vec::new(), reason: actor(), actor: actor() }),
            (Right::Administer, Command::SetConfiguration { changes: Vec::new(), reason: actor(), actor: actor() }),
            (Right::Administer, Command::ConfirmLoss { reason: actor(), actor: actor() }),
            (Right::Report, Command::SetDocumentSettings { settings: Box::default(), seen: actor(), actor: actor() }),
            (
                Right::Report,
                Command::WriteReport { report: actor(), texts: Vec::new(), was: Default::default(), actor: actor() },
            ),
            (
                Right::Administer,
                Command::DescribeAccounts { accounts: Vec::new(), holder: None, note: None, actor: actor() },
            ),
            (Right::Report, Command::OpenAccountReview { actor: actor() }),
            (
                Right::Report,
                Command::WriteAccountReview { review: 1, lines: Vec::new(), was: Default::default(), actor: actor() },
            ),
            (Right::Report, Command::OpenCount { place: actor(), actor: actor() }),
            (Right::Handle, opened(None)),
            (Right::Duty, Command::Cover { covers: Vec::new(), instead_of: Vec::new(), actor: actor() }),
            (Right::Duty, Command::Uncover { id: 1, actor: actor() }),
            (
                Right::Duty,
                Command::Handover(Handover {
                    at: ioc_common::clock::Timestamp::MIN,
                    rota: actor(),
                    who: actor(),
                    text: actor(),
                    shift: None,
                }),
            ),
            (
                Right::Duty,
                Command::SignShift(Box::new(ioc_engine::command::ShiftToSign {
                    rota: actor(),
                    from: ioc_common::clock::Timestamp::MIN,
                    side: ioc_store::ShiftSide::Given,
                    note: actor(),
                    name: actor(),
                    account: Default::default(),
                    actor: actor(),
                })),
            ),
            (Right::Duty, Command::Resend { key: actor(), actor: actor() }),
            (Right::Duty, Command::TestContact { person: actor(), actor: actor() }),
        ] {
            assert_eq!(target_of(&command), (Requester::Person(right), Target::Whole), "{command:?}");
        }
    }

    #[test]
    fn what_stands_at_a_place_is_asked_for_there() {
        let actor = String::new;
        let this = || Target::Device(device());
        let remark = Command::Remark { device: device(), text: actor(), actor: actor() };
        assert_eq!(target_of(&remark), (Requester::Person(Right::Handle), this()));
        assert_eq!(target_of(&opened(Some(device()))), (Requester::Person(Right::Handle), this()));
        let incidents = |all: &[u64]| Target::Incidents(all.iter().map(|id| IncidentId(*id)).collect());
        let attach = Command::Attach { incident: IncidentId(3), name: actor(), content: Vec::new(), actor: actor() };
        assert_eq!(target_of(&attach), (Requester::Person(Right::Handle), incidents(&[3])));
        let note = Action::Comment { text: actor() };
        for (action, all) in
            [(note, &[3][..]), (Action::Split { fault: 9, note: actor() }, &[3]), (Action::Merge { into: 5 }, &[3, 5])]
        {
            let act = Command::Act { incident: IncidentId(3), action, actor: actor() };
            assert_eq!(target_of(&act), (Requester::Person(Right::Handle), incidents(all)), "{act:?}");
        }
        let mark = Action::UnmarkSerious { reason: actor() };
        let act = Command::Act { incident: IncidentId(3), action: mark, actor: actor() };
        assert_eq!(target_of(&act), (Requester::Person(Right::Duty), incidents(&[3])), "not who repairs");
        let plan = Command::PlanWindow { window: window(Scope::default(), true), overrule: true, actor: actor() };
        let meant = Target::Window(Box::new(window(Scope::default(), true)));
        assert_eq!(target_of(&plan), (Requester::Person(Right::Plan), meant));
        let end = Command::EndWindow { id: 7, actor: actor() };
        assert_eq!(target_of(&end), (Requester::Person(Right::Plan), Target::WindowOf(7)));
    }

    #[test]
    fn nobody_asks_as_a_person_for_what_is_not_for_people() {
        let view = SavedView { account: "lan".to_owned(), ..SavedView::default() };
        let mine = (Requester::Owner("lan".to_owned()), Target::Nothing);
        assert_eq!(target_of(&Command::SaveView(view)), mine, "and a list is its owner's");
        let ended = Command::EndDutyFeed { digest: String::new(), actor: "lan".to_owned() };
        assert_eq!(target_of(&ended), mine, "and so is a calendar");
        let asked = Command::WithdrawTurn { number: 1, actor: String::new() };
        assert_eq!(target_of(&asked), (Requester::Person(Right::View), Target::Nothing), "the engine looks whose turn");
        let account = Command::Account(Box::new(Intent::StartSecond { actor: Actor::Machine(String::new()) }));
        assert_eq!(target_of(&account), (Requester::Accounts, Target::Nothing));
        let alerts = Command::Alerts { source: String::new(), alerts: Vec::new() };
        assert_eq!(target_of(&alerts), (Requester::Source, Target::Nothing));
        for command in [
            Command::CheckDuty,
            Command::CheckReports,
            Command::Delivered(Vec::new()),
            Command::FallBack(Vec::new()),
            Command::RecordIntegrityCheck { findings: Vec::new(), full: true },
            Command::BackgroundTask { task: BackgroundTask::Compaction, failing: None },
            Command::ForgetRows { folded: Default::default() },
        ] {
            assert_eq!(target_of(&command), (Requester::Inside, Target::Whole), "{command:?}");
        }
    }

    #[test]
    fn a_window_is_within_reach_by_all_of_its_devices_or_all_of_its_places() {
        let access = AccessScope::of(&["Tầng 2".to_owned()]);
        let within = |devices: &[&str], places: &[&str], freeze| {
            let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let scope = Scope { devices: all(devices), places: all(places), ..Scope::default() };
            is_within(&window(scope, freeze), &access, |id| id.as_str() == "srv-1")
        };
        assert!(within(&["srv-1"], &[], false) && within(&[], &["Tầng 2, phòng máy"], false));
        assert!(within(&["srv-9"], &["Tầng 2"], false), "what stands in both lists stands at the place");
        assert!(!within(&["srv-1", "srv-9"], &[], false) && !within(&[], &["Tầng 2", "Tầng 3"], false));
        assert!(!within(&[], &[], false), "one that names neither is for all");
        assert!(!within(&["srv-1"], &[], true), "a freeze is for all");
    }

    #[test]
    fn a_warning_names_only_what_is_within_reach() {
        let shown = |names: &[(&[&str], bool)], access: &[&str]| {
            let named = |(places, below): &(&[&str], bool)| Named {
                places: places.iter().map(|place| (*place).to_owned()).collect(),
                below: *below,
            };
            let (text, unnamed) = (Text::new("Đổi UPS", "Change the UPS"), Text::new("đợt khác", "another window"));
            let warning = Warning { text, unnamed, names: names.iter().map(named).collect() };
            let places: Vec<String> = access.iter().map(|place| (*place).to_owned()).collect();
            within_reach(vec![warning], &AccessScope::of(&places)).remove(0).text.en
        };
        let (full, other) = ("Change the UPS", "another window");
        assert_eq!(shown(&[(&["Floor 2"], false)], &[]), full, "everywhere");
        assert_eq!(shown(&[], &["Floor 1"]), full, "it is about all");
        assert_eq!(shown(&[(&["Floor 1, rack 2"], false)], &["Floor 1"]), full);
        assert_eq!(shown(&[(&["Floor 2"], false)], &["Floor 1"]), other);
        assert_eq!(shown(&[(&[], false)], &["Floor 1"]), other, "nobody knows where it stands");
        assert_eq!(shown(&[(&["Floor 2", "Floor 1"], false)], &["Floor 1"]), full, "one of its devices is seen");
        assert_eq!(shown(&[(&["Floor 1"], false), (&["Floor 2"], false)], &["Floor 1"]), other, "a partner elsewhere");
        assert_eq!(shown(&[(&["Floor 1"], false)], &["Floor 1, rack 2"]), other);
        assert_eq!(shown(&[(&["Floor 1"], true)], &["Floor 1, rack 2"]), full, "all of the floor is meant");
    }
}

//! What a law asks to be filed and registers can fill: a dossier with its parts and tables, a yearly form. Which parts, which tables with which
//! columns, which measures a level asks for and what shows each is data of a pack; what a cell can be filled from is named here, so that a pack
//! that names something else is refused when it is read.

use serde::Deserialize;

use super::Sure;

/// Something that is filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// In addresses and keys: lower case, digits and `-`.
    pub id: String,
    /// As lists call it.
    pub title: String,
    /// What sort of document it becomes.
    pub kind: FilingKind,
    /// What it is about (*trích yếu*); `{system}` and `{year}` stand for the system's name and the year.
    pub summary: String,
    /// Where it is asked for.
    pub article: String,
    /// The report of the pack's calendar that it answers: it is then made once a year.
    pub report: Option<String>,
    /// Whether somebody signs it.
    pub signed: bool,
    /// Its parts, in their order.
    pub parts: Vec<FilingPart>,
    /// How sure its form is.
    pub sure: Sure,
}

/// What sort of document a filing becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilingKind {
    /// One with a title that Decree 30/2020 does not list.
    Dossier {
        /// The title.
        title: String,
        /// How it stands in the number.
        abbreviation: String,
    },
    /// A letter (*công văn*).
    Letter,
}

/// A part of a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilingPart {
    /// In keys.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Which article asks for it.
    pub basis: String,
    /// It is enclosed as an annex, instead of standing in the text.
    pub annex: bool,
    /// An annex lies on its side.
    pub landscape: bool,
    /// Of which levels it is asked; of all where there are none.
    pub levels: Vec<u8>,
    /// What stands in it.
    pub items: Vec<FilingItem>,
}

/// A text or a table of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilingItem {
    /// In keys.
    pub id: String,
    /// What stands above it; nothing where it is the only one.
    pub title: Option<String>,
    /// What it holds.
    pub content: ItemContent,
}

/// What an item holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemContent {
    /// A text that only people know.
    Text {
        /// What is to be written.
        what: String,
        /// What the pack says until a person writes something else.
        preset: Option<String>,
    },
    /// A table of names and values.
    Facts(Vec<FactLine>),
    /// A row for each device.
    Devices(Vec<CellColumn<DeviceCell>>),
    /// A row for each service that listens to others.
    Services(Vec<CellColumn<ServiceCell>>),
    /// A row for each zone of the network.
    Zones(Vec<CellColumn<ZoneCell>>),
    /// A row for each device that the network of others goes through.
    Links(Vec<CellColumn<LinkCell>>),
    /// A row for each room and rack.
    Places(Vec<CellColumn<PlaceCell>>),
    /// A row for each product of the software register.
    Software(Vec<CellColumn<SoftwareCell>>),
    /// A row for each account of machines and of the collector.
    Accounts(Vec<CellColumn<AccountCell>>),
    /// A row for each information system.
    Systems(Vec<CellColumn<SystemCell>>),
    /// A row for each measure that the level asks for, of these groups.
    Measures(Vec<CellColumn<MeasureCell>>, Vec<MeasureGroup>),
}

/// A line of a table of names and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactLine {
    /// In keys.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What fills it.
    pub from: FactCell,
    /// What is to be written where nothing fills it.
    pub what: String,
    /// What the pack says until a person writes something else.
    pub preset: Option<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellColumn<C> {
    /// What its head says.
    pub title: String,
    /// How wide it is against the others.
    pub width: u16,
    /// What fills its cells.
    pub from: C,
}

/// Something that fills cells, by the name that packs have for it.
pub trait CellName: Sized + Copy + 'static {
    /// All of them.
    const ALL: &'static [(&'static str, Self)];

    /// The one of a name.
    #[must_use]
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(one, _)| *one == name).map(|(_, cell)| *cell)
    }
}

macro_rules! cells {
    ($(#[$about:meta])* $name:ident { $($(#[$says:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$says])* $variant,)+ }

        impl CellName for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];
        }
    };
}

cells! {
    /// What fills a line of names and values.
    FactCell {
        /// What people write, or the pack says.
        People = "people",
        /// What the system is called.
        System = "system",
        /// Who owns it.
        Owner = "owner",
        /// Who runs it.
        Operator = "operator",
        /// Name of whoever represents who runs it.
        Representative = "representative",
        /// Title of whoever does.
        RepresentativeTitle = "representative-title",
        /// Address and telephone of who runs it.
        Contact = "contact",
        /// The unit that answers for security.
        SecurityUnit = "security-unit",
        /// The level, and where it comes from.
        Level = "level",
        /// Why it is that level.
        LevelBasis = "level-basis",
        /// Which law is in force, since when.
        Regime = "regime",
        /// Who appraises and approves.
        Approval = "approval",
        /// Devices by kind.
        DevicesByKind = "devices-by-kind",
        /// Rooms and racks, how many.
        Rooms = "rooms",
        /// Zones of the network, how many.
        Zones = "zones",
        /// Products of software, how many.
        Software = "software",
        /// Accounts that use the system here, by role.
        Users = "users",
        /// Information of people that the system holds.
        PersonalData = "personal-data",
        /// Systems in all.
        SystemsAll = "systems-all",
        /// Systems of which the level is decided.
        SystemsClassified = "systems-classified",
        /// Systems whose dossier is built.
        SystemsDossier = "systems-dossier",
        /// Systems whose dossier is appraised.
        SystemsAppraised = "systems-appraised",
        /// Systems whose level is approved.
        SystemsApproved = "systems-approved",
        /// Systems that are approved and were reviewed.
        SystemsReviewed = "systems-reviewed",
        /// By when all of them are to be approved.
        SystemsExpected = "systems-expected",
        /// Measures of the level: met, in all.
        MeasuresMet = "measures-met",
        /// Incidents of the year.
        Incidents = "incidents",
    }
}

cells! {
    /// What fills a column of devices.
    DeviceCell {
        /// The row's number.
        Number = "number",
        /// Name.
        Name = "name",
        /// Kind, maker and model.
        Model = "model",
        /// The label that stands on it.
        Label = "label",
        /// Room and rack.
        Place = "place",
        /// What it is for.
        Purpose = "purpose",
        /// Address on the network.
        Address = "address",
        /// Hardware address and serial number.
        MacSerial = "mac-serial",
        /// When its maker ends support.
        SupportEnd = "support-end",
        /// Zone, switch and port.
        Network = "network",
        /// In use, spare, repair.
        State = "state",
        /// Who looks after it.
        Responsible = "responsible",
    }
}

cells! {
    /// What fills a column of services.
    ServiceCell {
        /// The row's number.
        Number = "number",
        /// Name, port, program.
        Name = "name",
        /// On which machines.
        Servers = "servers",
        /// Where these stand.
        Place = "place",
        /// Their operating systems.
        System = "system",
        /// What it is for.
        Purpose = "purpose",
    }
}

cells! {
    /// What fills a column of zones.
    ZoneCell {
        /// The row's number.
        Number = "number",
        /// Its name.
        Zone = "zone",
        /// Addresses that are used only inside.
        Private = "private",
        /// Addresses that others can reach.
        Public = "public",
        /// Devices in it.
        Devices = "devices",
        /// Whether the level asks for it.
        Required = "required",
    }
}

cells! {
    /// What fills a column of network links.
    LinkCell {
        /// The row's number.
        Number = "number",
        /// What others go through.
        Uplink = "uplink",
        /// Its zone.
        Zone = "zone",
        /// Devices that go through it.
        Devices = "devices",
    }
}

cells! {
    /// What fills a column of places.
    PlaceCell {
        /// The row's number.
        Number = "number",
        /// Room.
        Room = "room",
        /// Rack in it.
        Rack = "rack",
        /// Devices there.
        Devices = "devices",
    }
}

cells! {
    /// What fills a column of software.
    SoftwareCell {
        /// The row's number.
        Number = "number",
        /// Name.
        Name = "name",
        /// What it is for.
        Purpose = "purpose",
        /// Who uses it, where.
        Scope = "scope",
        /// Who manages it.
        Owner = "owner",
        /// Licence.
        Licence = "licence",
        /// Versions.
        Version = "version",
        /// On which machines it is kept.
        Kept = "kept",
        /// When its maker ends support.
        SupportEnd = "support-end",
    }
}

cells! {
    /// What fills a column of accounts.
    AccountCell {
        /// The row's number.
        Number = "number",
        /// Of an administrator, of an operator.
        Kind = "kind",
        /// Its name.
        Name = "name",
        /// In use, locked.
        Status = "status",
        /// On which system.
        System = "system",
        /// Who manages it.
        Manager = "manager",
        /// Of which department.
        Department = "department",
        /// Since when it, or its password, is there.
        Activated = "activated",
        /// Since or until when it is not used.
        Disabled = "disabled",
    }
}

cells! {
    /// What fills a column of systems.
    SystemCell {
        /// The row's number.
        Number = "number",
        /// Its name.
        System = "system",
        /// Who owns it.
        Owner = "owner",
        /// Who runs it.
        Operator = "operator",
        /// Its level.
        Level = "level",
        /// Why it is that level.
        LevelBasis = "level-basis",
        /// Drafting, sent, appraised, approved.
        Approval = "approval",
        /// The decision that approved it.
        Decision = "decision",
        /// Its security regulation.
        Regulation = "regulation",
        /// By when it is to be approved.
        ExpectedApproval = "expected-approval",
        /// How far the plan is carried out: none, partly, fully.
        Plan = "plan",
        /// By when it is to be carried out.
        ExpectedPlan = "expected-plan",
        /// When it was reviewed.
        Review = "review",
    }
}

cells! {
    /// What fills a column of measures.
    MeasureCell {
        /// The measure's sign.
        Id = "id",
        /// What is asked.
        Requirement = "requirement",
        /// Where it is asked.
        Basis = "basis",
        /// How it is carried out.
        Implementation = "implementation",
        /// Met, partly, not, unknown.
        Status = "status",
        /// What shows it.
        Evidence = "evidence",
        /// Who mends what is lacking by when.
        Remedy = "remedy",
    }
}

/// Of what a measure is (N331 article 30; TT12 annexes): seven of management, four technical ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasureGroup {
    /// Policy.
    Policy,
    /// Organisation.
    Organisation,
    /// People.
    People,
    /// Design and construction.
    Design,
    /// Operation.
    Operation,
    /// Risk.
    Risk,
    /// Taking out of service.
    Decommissioning,
    /// Network.
    Network,
    /// Servers and other machines.
    Server,
    /// Applications.
    Application,
    /// Data.
    Data,
}

/// A measure that levels ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its sign, in keys, too: lower case, digits, `.` and `-`.
    pub id: String,
    /// Of what it is.
    pub group: MeasureGroup,
    /// What is asked.
    pub what: String,
    /// Where it is asked.
    pub basis: String,
    /// The levels that ask for it.
    pub levels: Vec<u8>,
    /// How it is carried out, where the pack can say that; else people do.
    pub how: Option<String>,
    /// What shows it.
    pub evidence: EvidenceKey,
    /// The requirement of the pack whose number is its limit.
    pub requirement: Option<String>,
    /// How sure it is.
    pub sure: Sure,
}

/// What shows that a measure is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKey {
    /// Only people know.
    People,
    /// The asset register: devices that lack nothing.
    AssetRegister,
    /// Devices with name and label.
    Labels,
    /// The software register: products that lack nothing.
    SoftwareRegister,
    /// Software that is not allowed.
    SoftwareAllowed,
    /// How far back the log goes, against the number of the level.
    LogRetention,
    /// The chain of the audit log and its signed heads.
    AuditChain,
    /// Machines whose clock follows a source.
    TimeSync,
    /// Ages of passwords.
    PasswordAge,
    /// Second factors of accounts here.
    SecondFactor,
    /// Wrong passwords lock the way in.
    SignInLock,
    /// Accounts that nobody signs in with, of the register of accounts, against the number of the level.
    IdleAccounts,
    /// The last review of accounts that a leader signed, against the number of the level.
    AccountReview,
    /// Roles of accounts here.
    Roles,
    /// Machines that let root in over the network.
    RemoteRoot,
    /// Anti-malware.
    Antivirus,
    /// Security updates.
    Patches,
    /// Systems whose maker supports them.
    OsSupport,
    /// Expected backups.
    Backups,
    /// Three copies, two media, one elsewhere.
    BackupCopies,
    /// Restore drills.
    RestoreDrill,
    /// Firewalls of machines.
    Firewall,
    /// Ports that nobody approved.
    Ports,
    /// Encrypted disks.
    DiskEncryption,
    /// SELinux, AppArmor.
    MandatoryAccess,
    /// Devices that are watched.
    Monitoring,
    /// Rules that judge, and alarms that reach people.
    Rules,
    /// Incidents that were handled with all that the gates ask.
    Incidents,
    /// Maintenance windows.
    Maintenance,
    /// Readings of personal data are on record.
    PersonalData,
    /// Zones that the level asks for.
    Zones,
    /// Devices that can stand in for each other.
    Redundancy,
    /// Devices that were taken out of service.
    Retired,
    /// Certificates of devices: what is sent is sealed.
    Certificates,
    /// How far numbers can be believed.
    Authenticity,
}

/// A zone of the network that levels ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredZone {
    /// In keys.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The levels that ask for it.
    pub levels: Vec<u8>,
    /// Words by which a zone of the register is known as this one, lower case without accents.
    pub words: Vec<String>,
    /// Where it is asked.
    pub basis: String,
    /// How sure it is.
    pub sure: Sure,
}

/// Why a system is of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelBasis {
    /// The level.
    pub level: u8,
    /// In a sentence.
    pub text: String,
    /// How sure it is.
    pub sure: Sure,
}

/// What a port is commonly for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownService {
    /// As `tcp/22`.
    pub port: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
}

/// What a kind of device is called, and what it is commonly for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKind {
    /// As the inventory names it: `ups`.
    pub kind: String,
    /// What it is called.
    pub name: String,
    /// What it is for, where that goes by its kind.
    pub purpose: Option<String>,
}

//! The command line, as clap reads it; its manual is made from this.

mod records;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use records::{AuditCommand, HoldCommand, RecordsCommand};

/// Receives the reports of the machines of an operations centre, judges them and notifies the duty officer.
#[derive(Parser)]
#[command(name = "ioc-collector", version, after_help = crate::cli::EXAMPLES)]
pub struct Cli {
    /// Configuration file. Without it, /etc/ioc-watch/collector.toml where that is there, else the built-in defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The command.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands.
#[derive(Subcommand)]
pub enum CliCommand {
    /// Run the collector until it is stopped. This is what the service runs.
    Serve,
    /// Bring a second collector in, which stands by: the keys of the site in one file that a token opens, and where the configurations differ.
    Join {
        /// What to do.
        #[command(subcommand)]
        command: JoinCommand,
    },
    /// Ask about this site, write the configuration, and say what to do next.
    Init(Box<InitOptions>),
    /// Create the keys, the store and the administrator's account, then exit. The first start of the service does the same by itself.
    Prepare {
        /// Create the missing keys or the missing store again, although the other of the two exists. If you have a backup, restore that
        /// instead: new keys mean that every machine has to be enrolled again, and a new store is empty.
        #[arg(long, value_name = "WHAT")]
        anew: Option<crate::first_start::Recreate>,
    },
    /// Check the store, recover it, or confirm that a loss is known.
    Store {
        /// The command.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// The collector's own backups: make one, list them, check one, prove that the newest can be restored.
    Backup {
        /// What to do.
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Restore a backup into an empty directory, which then is a data directory. Nothing of the running collector is touched. Where the configuration names
    /// PostgreSQL, the record goes into its schema, in which there must be none yet, and keys and notes into the directory.
    Restore {
        /// The archive.
        archive: PathBuf,
        /// The directory: empty, or not there.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Why it is restored: it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// What opens it.
        #[command(flatten)]
        opened_by: OpenedBy,
    },
    /// Check this installation, and say what is wrong and how to mend it. Fails when something is broken.
    Doctor {
        /// Write a report for whoever helps you into this file. It holds no secrets, but look at it before you hand it on.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration and the rules, then exit.
    CheckConfig {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// The configuration that is set on pages: have all of it as one text, apply one, look at versions, take parts over from files.
    Config {
        /// What to do.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Enrol devices: tokens, and requests that wait for approval.
    Enrol {
        /// The command.
        #[command(subcommand)]
        command: EnrolCommand,
    },
    /// Test rules on history.
    Rule {
        /// The command.
        #[command(subcommand)]
        command: RuleCommand,
    },
    /// List, show, change, import and revoke devices.
    Device {
        /// The command.
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Manage people's accounts.
    Account {
        /// The command.
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// The audit log.
    Audit {
        /// The command.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Records for an investigation: audit, incidents, faults, events and notices in one archive that proves itself.
    Records {
        /// What to do.
        #[command(subcommand)]
        command: RecordsCommand,
    },
    /// How much of the security-level dossier or of a yearly form fills itself: so many of so many cells, part by part.
    FillRate {
        /// The filing: level-dossier, or a form with its year, such as form-08.2026.
        #[arg(default_value = "level-dossier")]
        filing: String,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// A broker through which devices come.
    Broker {
        /// What to do.
        #[command(subcommand)]
        command: BrokerCommand,
    },
    /// The machine's clock.
    Clock {
        /// The command.
        #[command(subcommand)]
        command: ClockCommand,
    },
    /// Print a generated page of the documentation.
    Docs {
        /// The page: metrics.
        page: String,
    },
}

/// The configuration that is set on pages.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print all of it as one TOML text, which can be applied here or on another collector. Secrets that were typed into forms are not in it: what
    /// stands in their place keeps them where they are known.
    Export {
        /// Write it into this file, for its owner alone to read.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Give every part that stands in a text what it says there: all of them, or none. Parts that it does not name stay as they are.
    Apply {
        /// The text that was exported; - for standard input.
        file: PathBuf,
        /// Only say what would change.
        #[arg(long)]
        plan: bool,
        /// Why, for the versions and the audit log.
        #[arg(long, default_value = "config apply")]
        reason: String,
    },
    /// List the parts and who says what each is; the versions of one; or print one version.
    Versions {
        /// The part, such as site, duty, rules or channels.
        part: Option<String>,
        /// The number of a version.
        number: Option<u64>,
    },
    /// Take parts that files hold over as versions, so that they can be taken out of the files and are set on pages from then on.
    Import {
        /// The parts; all that files hold without one.
        parts: Vec<String>,
        /// Why, for the versions and the audit log.
        #[arg(long, default_value = "config import")]
        reason: String,
    },
}

/// A broker through which devices come.
#[derive(Subcommand)]
pub enum BrokerCommand {
    /// Make a certificate by which agents know a broker: they trust the collector's own authority alone. It lasts a year; make it anew
    /// before that. Writes broker.pem, broker.key.pem and ca.pem.
    Certificate {
        /// Names and addresses by which agents reach it.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// The directory to write into.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

/// The collector's own backups.
#[derive(Subcommand)]
pub enum BackupCommand {
    /// Make one now, whether the collector runs or not.
    Now,
    /// List them, each with what its last drill said.
    List,
    /// Read one through: seal, checksums, manifest and signature. Whether it can be restored, a drill says.
    Check {
        /// The archive.
        archive: PathBuf,
        /// What opens it.
        #[command(flatten)]
        opened_by: OpenedBy,
    },
    /// Restore the newest one for a trial, compare all of it, and write a certificate. Fails when it is not as it was.
    Drill,
}

/// What opens an archive, where the configuration does not say it.
#[derive(Args)]
pub struct OpenedBy {
    /// File with the passphrase in its first line.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// File with an identity of age, whose recipient it was sealed for.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub identity: Option<PathBuf>,
    /// SHA-256 of the authority that must have signed it, hex. Without it, the one of the data directory, where there is one.
    #[arg(long, value_name = "SHA256")]
    pub authority: Option<String>,
}

/// A second collector.
#[derive(Subcommand)]
pub enum JoinCommand {
    /// On a collector that has the keys of the site: write them into a file, sealed, and print the token that opens it.
    Offer {
        /// The file, which is not there yet.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// On the new machine, with its configuration written: take the keys out of the file. The token is read from standard input.
    Take {
        /// The file.
        file: PathBuf,
    },
}

/// The store.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Check every page, index and checksum of the store, and the chain of the audit log. The collector may be running. Fails when the
    /// store is damaged.
    Check,
    /// Copy what can be read of a damaged store into a new one, and keep the damaged one beside it. The collector must be stopped.
    Recover,
    /// Copy the whole store into that of another configuration: from SQLite into PostgreSQL, or back. No collector may run on either, and the other one must be
    /// empty. Every table is compared, and the chain of the audit log followed.
    Copy {
        /// The other configuration.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Confirm that you know what the store has lost, so that the collector reports itself ready again.
    Confirm {
        /// What was done about the loss, or why nothing has to be done.
        #[arg(long)]
        reason: String,
    },
}

/// Options of `init`. What is not given is asked, or taken as proposed with --yes.
#[derive(Args)]
pub struct InitOptions {
    /// Ask nothing: use the proposed value of everything that is not given.
    #[arg(long)]
    pub yes: bool,
    /// Replace a configuration that was changed by hand, and keep a copy of it.
    #[arg(long)]
    pub replace: bool,
    /// Name of the site.
    #[arg(long)]
    pub site: Option<String>,
    /// An agency that owns or runs the site; may be given several times.
    #[arg(long = "agency")]
    pub agencies: Vec<String>,
    /// Language: vi, en.
    #[arg(long)]
    pub language: Option<String>,
    /// Time zone, an IANA name.
    #[arg(long)]
    pub zone: Option<String>,
    /// A name or address by which agents and browsers reach this machine; may be given several times. Links and agents use the first one.
    #[arg(long = "name")]
    pub names: Vec<String>,
    /// Address to listen on; 127.0.0.1 lets only this machine connect.
    #[arg(long)]
    pub listen: Option<std::net::IpAddr>,
    /// Mail server for notices, host:port.
    #[arg(long, requires_all = ["mail_from", "mail_to"])]
    pub mail_server: Option<String>,
    /// Address that notices are sent from.
    #[arg(long)]
    pub mail_from: Option<String>,
    /// Address that every notice is sent to; may be given several times.
    #[arg(long)]
    pub mail_to: Vec<String>,
}

/// Enrolment of machines.
#[derive(Subcommand)]
pub enum EnrolCommand {
    /// Tokens, for one machine or for many.
    Token {
        /// The command.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// List machines that wait for approval.
    Requests,
    /// Approve a machine that waits.
    Approve {
        /// The request, as `enrol requests` lists it.
        request: String,
    },
    /// Refuse a machine that waits.
    Refuse {
        /// The request, as `enrol requests` lists it.
        request: String,
    },
}

/// Enrolment tokens.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Create a token, and print it.
    New(Box<TokenOptions>),
    /// List tokens.
    List,
    /// Revoke a token.
    End {
        /// The beginning of its digest, as the list shows it.
        digest: String,
    },
}

/// Options of `enrol token new`.
#[derive(Args)]
pub struct TokenOptions {
    /// Name of the device, as people see it. If the device exists already, what is not given stays as it is.
    #[arg(long, default_value = "", required_unless_present_any = ["group", "device"])]
    pub name: String,
    /// A token for many machines. Each becomes the registered asset with its label, serial number or MAC address, or else a new device named
    /// after its host.
    #[arg(long)]
    pub group: bool,
    /// How often the token can be used.
    #[arg(long, default_value_t = 1, requires = "group")]
    pub uses: u32,
    /// Let each machine wait until a person approves it.
    #[arg(long)]
    pub approve: bool,
    /// What the token is for.
    #[arg(long, default_value = "")]
    pub purpose: String,
    /// Groups that the device belongs to.
    #[arg(long, value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Kind: server, workstation, display, other.
    #[arg(long, default_value = "", required_unless_present = "device")]
    pub kind: String,
    /// Identifier of the device; chosen by the collector when it is not given.
    #[arg(long, default_value = "")]
    pub device: String,
    /// Asset label.
    #[arg(long, default_value = "")]
    pub label: String,
    /// Place where the device stands.
    #[arg(long, default_value = "")]
    pub place: String,
    /// Responsible officer.
    #[arg(long, default_value = "")]
    pub officer: String,
    /// Responsible leader.
    #[arg(long, default_value = "")]
    pub leader: String,
    /// How long the token can be used.
    #[arg(long, default_value = "1d")]
    pub life: String,
}

/// Tests of rules.
#[derive(Subcommand)]
pub enum RuleCommand {
    /// Run a rule over a device's history, and show every decision with its reason.
    Test {
        /// The rule, by its id.
        rule: String,
        /// The device, by its identifier.
        #[arg(long)]
        device: String,
        /// Take the rule from this file instead of the rules in use.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// Beginning of the history to use, such as 2026-11-24T00:00:00Z.
        #[arg(long)]
        from: Option<String>,
        /// End of the history to use.
        #[arg(long)]
        until: Option<String>,
    },
}

/// Commands for devices.
#[derive(Subcommand)]
pub enum DeviceCommand {
    /// List devices.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Words that the devices listed must contain.
        #[arg(default_value = "")]
        search: String,
    },
    /// Change fields of a device; those that are not named stay as they are.
    Set {
        /// The device, by its identifier.
        device: String,
        /// Fields to change: name, kind, label, place, officer, leader, uplink, redundancy, importance, address, serial, mac, tags (with commas), as KEY=VALUE.
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
    /// Show one device.
    Show {
        /// The device, by its identifier.
        device: String,
    },
    /// Show which agents use the settings of their groups, and which do not yet.
    Settings {
        /// Show only agents that do not use them yet.
        #[arg(long)]
        open: bool,
    },
    /// Import the asset register: a table with headings, as CSV or XLSX. If one line is faulty, nothing is imported.
    Import {
        /// The table; - for standard input.
        file: PathBuf,
        /// Check the table without importing it.
        #[arg(long)]
        check: bool,
        /// Take the columns of the asset register, as it exports them: an empty cell changes nothing, and what changes is printed.
        #[arg(long)]
        register: bool,
    },
    /// Revoke a device's right to report, at once.
    Revoke {
        /// The device, by its identifier.
        device: String,
    },
    /// Let a device report again after its identity was found on two machines, once the other machine is gone for good.
    Release {
        /// The device, by its identifier.
        device: String,
    },
}

/// Accounts of people.
#[derive(Subcommand)]
pub enum AccountCommand {
    /// List all accounts.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Create an account, and print its first password, which must be changed at the first sign-in.
    Add {
        /// Name to sign in with.
        name: String,
        /// Role: viewer, technician, duty_officer, leader, auditor, administrator.
        #[arg(long)]
        role: String,
        /// The person's own name.
        #[arg(long, default_value = "")]
        full_name: String,
        /// A place that the account is limited to, with everything below it; may be given several times. Without one, the account sees all
        /// places.
        #[arg(long = "place")]
        places: Vec<String>,
    },
    /// Limit an account to places. Without a place, the account sees all places.
    Places {
        /// The account's name.
        name: String,
        /// The places.
        places: Vec<String>,
    },
    /// Print all that is kept of one person, as JSON: accounts, sign-ins, incidents, notices, accounts on machines, audit records. Each time is
    /// recorded in the audit log.
    Data {
        /// The name to sign in with, the person's own name, or an account on machines.
        name: String,
        /// Print a table (CSV) instead.
        #[arg(long)]
        csv: bool,
    },
    /// Give an account another role.
    Role {
        /// The account's name.
        name: String,
        /// Role: viewer, technician, duty_officer, leader, auditor, administrator.
        role: String,
    },
    /// Disable an account. It can be enabled again.
    Disable {
        /// The account's name.
        name: String,
    },
    /// Enable a disabled account.
    Enable {
        /// The account's name.
        name: String,
    },
    /// Remove the second factor of an account whose owner has lost both phone and recovery codes. Its sessions and tokens end.
    RemoveSecondFactor {
        /// The account's name.
        name: String,
    },
    /// Set a new password for an account, and print it.
    Reset {
        /// The account's name.
        name: String,
    },
}

/// The machine's clock.
#[derive(Subcommand)]
pub enum ClockCommand {
    /// Show what the machine's clock says, and which time the collector uses.
    Show,
    /// Confirm that the clock is right after it was stepped: everything that is due moves with it, and old data is deleted again.
    Confirm,
}

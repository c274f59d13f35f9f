//! The command line, as clap reads it; its manual is made from this.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Takes in the reports of an operations centre's machines, judges them and tells the duty officer.
#[derive(Parser)]
#[command(name = "ioc-collector", version)]
pub struct Cli {
    /// Configuration file. Without it, the built-in defaults are used.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// What to do.
#[derive(Subcommand)]
pub enum CliCommand {
    /// Serve until told to stop (what the service runs).
    Serve,
    /// Ask what must be known of this site, write the configuration, and say what to do next.
    Init(Box<Init>),
    /// Make keys, store and administrator, and end: what the first start of the service does by itself.
    Prepare {
        /// Make anew what is gone although its counterpart is there. Restore a copy instead where there is one.
        #[arg(long, value_name = "WHAT")]
        anew: Option<crate::first_start::Recreate>,
    },
    /// The store: whether it is sound, and a word that a loss is known.
    Store {
        /// What to do.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// The collector's own backups: make one, list them, check one, prove that the newest can be restored.
    Backup {
        /// What to do.
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Restore a backup into an empty directory, which then is a data directory. Nothing of the running collector is touched.
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
    /// Say what is wrong here, and the mend. Fails when something is broken.
    Doctor {
        /// Write what helps whoever helps into this file, without secrets: look at it before you hand it on.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
    },
    /// Check configuration and rules, and end.
    CheckConfig,
    /// Enrolment of devices.
    Enrol {
        /// What to do.
        #[command(subcommand)]
        command: EnrolCommand,
    },
    /// Look at what the rules would have said.
    Rule {
        /// What to do.
        #[command(subcommand)]
        command: RuleCommand,
    },
    /// List devices, end what they may do.
    Device {
        /// What to do.
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Accounts of people.
    Account {
        /// What to do.
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// The audit log.
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// The machine's clock.
    Clock {
        /// What to do.
        #[command(subcommand)]
        command: ClockCommand,
    },
    /// Print a generated page of the documentation.
    Docs {
        /// The page: metrics.
        page: String,
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

/// The store.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Look it over, whether the collector runs or not: every page, index, checksum and the audit log's chain. Fails when it is damaged.
    Check,
    /// Save what can be read of a damaged store into a new one; the damaged one is kept beside it. The collector must be stopped.
    Recover,
    /// Confirm what the store lost, so that the collector calls itself ready again.
    Confirm {
        /// What was done about it, or why nothing is to be done.
        #[arg(long)]
        reason: String,
    },
}

/// What is said of a site; what is not said is asked, or taken as proposed with --yes.
#[derive(Args)]
pub struct Init {
    /// Ask nothing.
    #[arg(long)]
    pub yes: bool,
    /// Replace a configuration that was changed by hand; a copy of it is kept.
    #[arg(long)]
    pub replace: bool,
    /// Name of the site.
    #[arg(long)]
    pub site: Option<String>,
    /// An agency that owns or runs it; may be given several times.
    #[arg(long = "agency")]
    pub agencies: Vec<String>,
    /// Language: vi, en.
    #[arg(long)]
    pub language: Option<String>,
    /// Time zone, an IANA name.
    #[arg(long)]
    pub zone: Option<String>,
    /// A name or address of this machine for agents and browsers; may be given several times, the first is the one they are told.
    #[arg(long = "name")]
    pub names: Vec<String>,
    /// Address to listen on; 127.0.0.1 for this machine alone.
    #[arg(long)]
    pub listen: Option<std::net::IpAddr>,
    /// Mail server for notices, host:port.
    #[arg(long, requires_all = ["mail_from", "mail_to"])]
    pub mail_server: Option<String>,
    /// Who notices are from.
    #[arg(long)]
    pub mail_from: Option<String>,
    /// Who gets every notice; may be given several times.
    #[arg(long)]
    pub mail_to: Vec<String>,
}

/// How machines come in.
#[derive(Subcommand)]
pub enum EnrolCommand {
    /// Tokens, for one machine or for many.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// List machines that wait for approval.
    Requests,
    /// Let a machine in that waits.
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
    /// Make a token, and print it.
    New(Box<TokenOptions>),
    /// List tokens.
    List,
    /// End a token.
    End {
        /// The beginning of its digest, as the list shows it.
        digest: String,
    },
}

/// What a token is to be good for.
#[derive(Args)]
pub struct TokenOptions {
    /// Name of the device, for people; of one that is known, what is not said stays as it is.
    #[arg(long, default_value = "", required_unless_present_any = ["group", "device"])]
    pub name: String,
    /// For many machines: each takes its host name, or is the registered asset with its label, serial number or MAC address.
    #[arg(long)]
    pub group: bool,
    /// How often it can be used.
    #[arg(long, default_value_t = 1, requires = "group")]
    pub uses: u32,
    /// Each machine waits until a person approves it.
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
    /// Identifier; made up when it is not given.
    #[arg(long, default_value = "")]
    pub device: String,
    /// Asset label.
    #[arg(long, default_value = "")]
    pub label: String,
    /// Where it stands.
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

/// What can be asked of rules.
#[derive(Subcommand)]
pub enum RuleCommand {
    /// Show what a rule would have said of a device's history: every decision with its reason.
    Test {
        /// The rule, by its id.
        rule: String,
        /// The device, by its identifier.
        #[arg(long)]
        device: String,
        /// Take the rule from this file instead of the rules in use.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// From this moment on, such as 2026-11-24T00:00:00Z.
        #[arg(long)]
        from: Option<String>,
        /// Until this moment.
        #[arg(long)]
        until: Option<String>,
    },
}

/// What can be done with devices.
#[derive(Subcommand)]
pub enum DeviceCommand {
    /// List devices.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Words to find.
        #[arg(default_value = "")]
        search: String,
    },
    /// Change what is said of a device; what is not named stays.
    Set {
        /// The device, by its identifier.
        device: String,
        /// What: name, kind, label, place, officer, leader, uplink, redundancy, importance, address, serial, mac, tags (with commas), as KEY=VALUE.
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
    /// Show one device.
    Show {
        /// The device, by its identifier.
        device: String,
    },
    /// Show how agents stand with the settings that their groups are given.
    Settings {
        /// Only those whose settings are not in use.
        #[arg(long)]
        open: bool,
    },
    /// Import the asset register: a table with headings, as CSV or XLSX. A faulty line means that nothing is imported.
    Import {
        /// The table; - for standard input.
        file: PathBuf,
        /// Only check it.
        #[arg(long)]
        check: bool,
    },
    /// Take a device's right to report, at once.
    Revoke {
        /// The device, by its identifier.
        device: String,
    },
    /// Let a device report again whose identity was found on two machines, when the other is gone for good.
    Release {
        /// The device, by its identifier.
        device: String,
    },
}

/// Accounts of people.
#[derive(Subcommand)]
pub enum AccountCommand {
    /// List all accounts.
    List,
    /// Make an account, and print its first password, which must be changed at the first sign-in.
    Add {
        /// Name to sign in with.
        name: String,
        /// viewer, technician, duty_officer, leader, auditor, administrator.
        #[arg(long)]
        role: String,
        /// The person's own name.
        #[arg(long, default_value = "")]
        full_name: String,
        /// A place that it is limited to, with what is below it; may be given several times. Everywhere when there is none.
        #[arg(long = "place")]
        places: Vec<String>,
    },
    /// Limit an account to places, or let it reach everywhere when none is given.
    Places {
        /// The account's name.
        name: String,
        /// The places.
        places: Vec<String>,
    },
    /// Give an account another role.
    Role {
        /// The account's name.
        name: String,
        /// viewer, technician, duty_officer, leader, auditor, administrator.
        role: String,
    },
    /// End an account: it can be enabled again.
    Disable {
        /// The account's name.
        name: String,
    },
    /// Let an account be used again.
    Enable {
        /// The account's name.
        name: String,
    },
    /// Take an account's second factor away: its owner has lost phone and recovery codes. Their sessions and tokens end.
    RemoveSecondFactor {
        /// The account's name.
        name: String,
    },
    /// Give an account a new password, and print it.
    Reset {
        /// The account's name.
        name: String,
    },
}

/// The machine's clock.
#[derive(Subcommand)]
pub enum ClockCommand {
    /// Say what it shows, and by what time the collector goes.
    Show,
    /// Say that it is right after a step of it: what is due moves with it, and what is past its time is deleted again.
    Confirm,
}

/// The audit log.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check that no record was changed or removed.
    Verify,
}

//! What is asked of records and of the audit log.

use std::path::PathBuf;

use clap::Subcommand;

/// Records for an investigation.
#[derive(Subcommand)]
pub enum RecordsCommand {
    /// Make an archive of a period. What is read and by whom is in the audit log.
    Export {
        /// From this moment on, RFC 3339, such as 2026-10-01T00:00:00+07:00.
        #[arg(long)]
        from: ioc_common::clock::Timestamp,
        /// Before this moment.
        #[arg(long)]
        to: ioc_common::clock::Timestamp,
        /// Of this device alone.
        #[arg(long)]
        device: Option<String>,
        /// Of this incident alone, such as INC-000012.
        #[arg(long)]
        incident: Option<String>,
        /// Numbers of the device, or of the devices of the incident, too: as fine as pages show a period of that length, of 185 days at most.
        #[arg(long)]
        numbers: bool,
        /// The archive, a tar file; it must not be there yet.
        #[arg(long)]
        to_file: PathBuf,
    },
    /// How long each class of records is kept, how much of it there is, and what was deleted last.
    Retention {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have a rule that is new or shorter delete from now on: it waits for the grace of retention.toml otherwise.
    BeginDeletion {
        /// The class, such as events.
        class: String,
        /// Why it need not wait.
        #[arg(long)]
        reason: String,
        /// Your name.
        #[arg(long)]
        name: String,
    },
    /// Legal holds: what they are on is not deleted before a named person ends them.
    Hold {
        /// The command.
        #[command(subcommand)]
        command: HoldCommand,
    },
    /// Check an archive, on any machine and without a collector. Fails when it is not whole or does not prove itself.
    Verify {
        /// The archive.
        archive: PathBuf,
        /// The authority's certificate that you already have, PEM; without it the archive's own is believed.
        #[arg(long)]
        authority: Option<PathBuf>,
        /// The time stamping authority's certificate that you already have, PEM; without it the archive's own is believed.
        #[arg(long)]
        stamp_authority: Option<PathBuf>,
    },
}

/// Legal holds.
#[derive(Subcommand)]
pub enum HoldCommand {
    /// List them, with how much each keeps.
    List {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set one: on an incident, a device, a person, a class or a period.
    Set {
        /// On what: incident, device, person, class or period.
        kind: String,
        /// Which: INC-000012, the identifier of a device, the name of an account, a class; none for a period.
        #[arg(default_value = "")]
        subject: String,
        /// Only what lasted until this moment or longer, RFC 3339.
        #[arg(long)]
        from: Option<ioc_common::clock::Timestamp>,
        /// Only what began by this moment.
        #[arg(long)]
        until: Option<ioc_common::clock::Timestamp>,
        /// Why, and who asks for it.
        #[arg(long)]
        reason: String,
        /// Your name.
        #[arg(long)]
        name: String,
    },
    /// End one.
    End {
        /// Its number.
        number: u64,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Your name.
        #[arg(long)]
        name: String,
    },
}

/// The audit log.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check that no record was changed, removed, inserted or moved, and that the log is the one that was signed. Fails where it is not.
    Verify {
        /// List what each device witnessed of the log last, too, and whether it is the one here.
        #[arg(long)]
        witnesses: bool,
        /// Check every time stamp of a signed head, not only the newest: about fifty a second.
        #[arg(long)]
        stamps: bool,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

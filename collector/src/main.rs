//! The command line of the collector.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::json;

use ioc_collector::arguments::{
    AccountCommand, AuditCommand, BrokerCommand, Cli, CliCommand, ClockCommand, DeviceCommand, EnrolCommand,
    InitOptions, RecordsCommand, RuleCommand, StoreCommand, TokenCommand, TokenOptions,
};
use ioc_collector::setup::{self, MailSetup, SetupAnswers};
use ioc_collector::{
    audit_verify, backup, cli, cluster, config, configuration, doctor, fill_rate, first_start, join, records,
    store_copy, xlsx,
};
use ioc_common::clock;
use ioc_common::metric::CATALOGUE;
use ioc_common::owner::as_owner;
use ioc_engine::config::{Config, DEFAULT_CONFIG};
use ioc_engine::pki::Authority;
use ioc_engine::site_setup::SetupFacts;
use ioc_store::template::percent_encoded;

/// Threads for what waits for others: one for each processor, as far as a unit's limit of tasks bears them on a large machine.
const WORKERS_MAX: usize = 32;
/// Threads for what blocks.
const BLOCKING_MAX: usize = 32;
/// How long one of them stays with nothing to do: as long as the program. Where the system gives no thread any more, what blocks waits for
/// one that is there, and would wait for ever if all had ended.
const BLOCKING_STAYS: std::time::Duration = std::time::Duration::from_secs(10 * 365 * 86_400);
/// How long what blocks may still take at the end.
const END: std::time::Duration = std::time::Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        CliCommand::Serve => serve(cli.config),
        _ => runtime().context("cannot start the runtime").and_then(|runtime| {
            let done = runtime.block_on(run(cli));
            // A look at the store, or a name that is being looked up, does not hold up the end.
            runtime.shutdown_timeout(END);
            done
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ioc-collector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Each thread that ever ran keeps a stack and a part of the heap: files, the store's readers and names are looked up on these.
        .max_blocking_threads(BLOCKING_MAX)
        .thread_keep_alive(BLOCKING_STAYS)
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).min(WORKERS_MAX))
        .build()
}

/// Runs the collector until it is told to stop.
fn serve(path: Option<PathBuf>) -> anyhow::Result<()> {
    let config = config::read(path.as_deref())?;
    ioc_journal::start("ioc-collector", "info", || clock::now().to_string());
    // SMTP uses the process-wide provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(cluster::run(path, config, runtime)?)
}

#[allow(clippy::too_many_lines, reason = "a line for each command; splitting it would hide that the list is whole")]
async fn run(cli: Cli) -> anyhow::Result<()> {
    if let CliCommand::Docs { page } = &cli.command {
        anyhow::ensure!(page == "metrics", "found page {page:?}; allowed is metrics");
        return say(&metrics_page());
    }
    if let CliCommand::Records { command: RecordsCommand::Verify { archive, authority, stamp_authority } } =
        &cli.command
    {
        return check_records(archive, authority.as_deref(), stamp_authority.as_deref()).await;
    }
    if let CliCommand::Init(asked) = cli.command {
        return init(cli.config.as_deref(), *asked);
    }
    let cli = Cli { config: cli.config.or_else(shipped_config), ..cli };
    let config = config::read(cli.config.as_deref())?;
    let runtime = config.runtime.clone();
    match cli.command {
        CliCommand::Prepare { anew } => prepare(&config, anew),
        CliCommand::Join { command } => say(&join::run(&config, cli.config.as_deref(), command)?),
        CliCommand::Store { command: StoreCommand::Check } => check_store(&config),
        CliCommand::Store { command: StoreCommand::Recover } => recover(&config),
        CliCommand::Store { command: StoreCommand::Copy { to } } => {
            say(&store_copy::run(&config, &config::read(Some(&to))?)?)
        }
        CliCommand::Store { command: StoreCommand::Confirm { reason } } => {
            cli::ask(&runtime, "POST", "/api/v1/store/confirm", Some(json!({ "reason": reason }))).await?;
            say("confirmed\n")
        }
        CliCommand::Doctor { bundle, json } => examine(&config, cli.config.as_deref(), bundle.as_deref(), json).await,
        CliCommand::Backup { command } => say(&backup::command::run(&config, cli.config.as_deref(), command).await?),
        CliCommand::Restore { archive, to, reason, opened_by } => {
            say(&backup::command::restore(&config, &archive, &to, &opened_by, &reason)?)
        }
        CliCommand::CheckConfig { json } => {
            let (file, rules, channels) =
                (read_from(cli.config.as_deref()), config.rules.rules().len(), config.channels.len());
            if json {
                return say(&format!("{}\n", json!({ "file": file, "rules": rules, "channels": channels })));
            }
            say(&format!("{file}: the configuration is in order: {rules} rules, {channels} channels\n"))
        }
        CliCommand::Config { command } => say(&configuration::run(&runtime, &config, command).await?),
        CliCommand::Enrol { command } => enrol(&runtime, command).await,
        CliCommand::Rule { command: RuleCommand::Test { rule, device, rules, from, until } } => {
            let text = rules.as_ref().map(std::fs::read_to_string).transpose();
            let text = text.with_context(|| format!("cannot read {}", rules.unwrap_or_default().display()))?;
            let mut body = json!({ "rule": rule, "rules": text });
            for (key, value) in [("from", from), ("until", until)] {
                if let Some(value) = value {
                    body[key] = json!(value);
                }
            }
            let path = format!("/api/v1/devices/{}/replay", percent_encoded(&device));
            say(&cli::replayed(&cli::ask(&runtime, "POST", &path, Some(body)).await?, config.language))
        }
        CliCommand::Device { command } => device(&runtime, command).await,
        CliCommand::Account { command } => account(&runtime, command).await,
        CliCommand::Audit { command: AuditCommand::Verify { witnesses, stamps, json } } => {
            let authority = config.data.join("pki/ca.pem");
            let asked = audit_verify::Asked { witnesses, all_stamps: stamps, as_json: json };
            audit_verify::run(&runtime, &authority, config.timestamp.as_ref(), asked).await
        }
        CliCommand::Records { command: RecordsCommand::Export { from, to, device, incident, numbers, to_file } } => {
            let wanted = records::Wanted { from, to, device, incident, numbers };
            let (pki, stamps_by) = (config.data.join("pki"), config.timestamp.as_ref());
            say(&records::export::run(&runtime, &pki, stamps_by, &wanted, &to_file).await?)
        }
        CliCommand::Records { command: RecordsCommand::Retention { json } } => {
            say(&records::kept::retention(&runtime, config.language, json).await?)
        }
        CliCommand::Records { command: RecordsCommand::BeginDeletion { class, reason, name } } => {
            say(&records::kept::begin_deletion(&runtime, &class, &reason, &name).await?)
        }
        CliCommand::Records { command: RecordsCommand::Hold { command } } => {
            say(&records::kept::hold(&runtime, command).await?)
        }
        CliCommand::FillRate { filing, json } => say(&fill_rate::run(&runtime, &filing, json).await?),
        CliCommand::Broker { command: BrokerCommand::Certificate { names, to } } => {
            let pki = config.data.join("pki");
            anyhow::ensure!(
                Authority::is_there(&pki),
                "there is no authority in {}; mend: start the service once, or name its configuration with --config",
                pki.display()
            );
            Authority::open(&pki, &config.site_name, clock::now())?.broker_server(&names, &to, clock::now())?;
            say(&format!("written to {}: broker.pem, broker.key.pem, ca.pem\n", to.display()))
        }
        CliCommand::Clock { command } => clock(&runtime, command).await,
        CliCommand::Serve
        | CliCommand::Init(_)
        | CliCommand::Docs { .. }
        | CliCommand::Records { command: RecordsCommand::Verify { .. } } => Ok(()),
    }
}

/// Where the configuration lies when nothing else is said.
const CONFIG: &str = "/etc/ioc-watch/collector.toml";

/// The configuration of the service, where it is there.
fn shipped_config() -> Option<PathBuf> {
    let path = Path::new(CONFIG);
    path.is_file().then(|| path.to_owned())
}

/// Which file was read, for whoever reads what comes of it.
fn read_from(path: Option<&Path>) -> String {
    path.map_or_else(|| format!("built-in defaults (there is no {CONFIG})"), |path| path.display().to_string())
}

/// Asks, checks, and writes the configuration.
fn init(path: Option<&Path>, asked: InitOptions) -> anyhow::Result<()> {
    let path = path.unwrap_or(Path::new(CONFIG));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    let mut answers = SetupAnswers::proposed(host);
    let InitOptions { yes, replace, site, agencies, language, zone, names, listen, mail_server, mail_from, mail_to } =
        asked;
    answers.site = site.unwrap_or(answers.site);
    answers.agencies = agencies;
    answers.language = language.unwrap_or(answers.language);
    answers.zone = zone.unwrap_or(answers.zone);
    answers.listen = listen.unwrap_or(answers.listen);
    if !names.is_empty() {
        answers.names = names;
    }
    answers.mail =
        mail_server.zip(mail_from).map(|(server, from)| MailSetup { server, from, to: mail_to }).or(answers.mail);
    let before = std::fs::read_to_string(path).ok().filter(|text| text.trim() != DEFAULT_CONFIG.trim());
    anyhow::ensure!(
        before.is_none() || replace,
        "{} was changed by hand; mend: change it further, or give --replace (a copy is kept)",
        path.display()
    );
    if !yes {
        answers = setup::ask(answers, &mut std::io::stdin().lock(), &mut std::io::stderr()).context("no answer")?;
    }
    let text = answers.to_toml().map_err(anyhow::Error::msg)?;
    if before.is_some() {
        let copy = path.with_extension("toml.before");
        std::fs::copy(path, &copy).with_context(|| format!("cannot keep {}", copy.display()))?;
    }
    // Written over, not replaced: owner and mode stay as the package made them. On the disk, so that power that is lost now leaves no empty file.
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    let (file, first) = (path.display(), answers.names.first().map_or("localhost", String::as_str));
    let password = first_start::FIRST_PASSWORD_FILE;
    let account = first_start::FIRST_ACCOUNT;
    let next = [
        format!("{file} is written. Next:"),
        "systemctl enable --now ioc-collector".to_owned(),
        format!("cat /var/lib/ioc-collector/{password}   # account {account:?}; delete the file when read"),
        format!("https://{first}:8443/"),
        format!("ioc-collector --config {file} enrol token new --kind server --name \"…\"   # for each machine"),
        format!("ioc-collector --config {file} doctor"),
    ];
    // The same list stands on the overview until it is done.
    let facts = SetupFacts {
        site: SetupFacts::is_named(&answers.site, &answers.agencies),
        channel: answers.mail.is_some(),
        ..SetupFacts::default()
    };
    let missing = facts.steps().into_iter().filter(|(_, done)| !done).map(|(step, _)| step.english());
    let missing: Vec<String> = missing.map(|what| format!("\n  - {what}")).collect();
    say(&format!("{}\nStill missing; the overview leads through it:{}\n", next.join("\n  "), missing.concat()))
}

/// Says what is wrong.
async fn examine(config: &Config, path: Option<&Path>, bundle: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let findings = doctor::examine(config).await;
    let file = read_from(path);
    if json {
        say(&format!("{}\n", json!({ "file": file, "findings": doctor::to_json(&findings) })))?;
    } else {
        say(&format!("configuration: {file}\n{}", doctor::to_text(&findings)))?;
    }
    if let Some(file) = bundle {
        let text = doctor::bundle(config, path, &findings).await;
        ioc_common::redact::write(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        say(&format!("written to {}: look at it before you hand it on\n", file.display()))?;
    }
    let broken = findings.iter().filter(|one| one.verdict == doctor::Verdict::Broken).count();
    anyhow::ensure!(broken == 0, "{broken} broken; each line says the mend");
    Ok(())
}

/// Looks the store over.
/// Checks an archive of records; it needs no configuration.
async fn check_records(archive: &Path, authority: Option<&Path>, stamps_by: Option<&Path>) -> anyhow::Result<()> {
    let given = authority.map(std::fs::read_to_string).transpose();
    let given = given.with_context(|| format!("cannot read {}", authority.unwrap_or(archive).display()))?;
    let checked = records::verify::check(archive, given.as_deref())?;
    let stamps = records::stamps::check(checked.stamps, stamps_by).await?;
    let findings: Vec<String> = checked.findings.into_iter().chain(stamps.findings).collect();
    for line in findings.iter().chain(&checked.about).chain(&stamps.about) {
        say(&format!("{line}\n"))?;
    }
    anyhow::ensure!(findings.is_empty(), "{} is not whole, or does not prove itself", archive.display());
    say("whole, and proven by its own signatures\n")
}

fn check_store(config: &Config) -> anyhow::Result<()> {
    only_sqlite(
        config,
        "store check",
        "the running collector looks its tables over every day (/readyz); PostgreSQL's own pages: pg_checksums, pg_amcheck",
    )?;
    let findings = as_owner(&config.data, || ioc_store::examine(&config.data, true))??;
    for finding in &findings {
        say(&format!("{finding}\n"))?;
    }
    anyhow::ensure!(
        findings.is_empty(),
        "the store is damaged; mend: restore a copy, or stop the collector and run: ioc-collector store recover (docs/operate.md)"
    );
    say("the store is sound\n")
}

/// Refuses what reads or writes files of SQLite's where the store is in PostgreSQL.
fn only_sqlite(config: &Config, command: &str, mend: &str) -> anyhow::Result<()> {
    let Some(plan) = config.store.postgres() else { return Ok(()) };
    anyhow::bail!("{command} knows no store in PostgreSQL ({}); mend: {mend}", plan.settings.place())
}

fn recover(config: &Config) -> anyhow::Result<()> {
    only_sqlite(
        config,
        "store recover",
        "restore a base backup, or promote a standby (docs/scale.md, Backup); then: ioc-collector audit verify",
    )?;
    for one in as_owner(&config.data, || ioc_store::recover(&config.data))?? {
        let damaged =
            if one.damaged > 0 { format!("; {} places could not be read", one.damaged) } else { String::new() };
        say(&format!("{}: {} rows{damaged}\n", one.table, one.rows))?;
    }
    say("the damaged files are kept beside the new ones; next: systemctl start ioc-collector\n")
}

fn prepare(config: &Config, anew: Option<first_start::Recreate>) -> anyhow::Result<()> {
    // Root leaves nothing there that the service's user cannot use, and follows none of its links.
    let password = as_owner(&config.data, || first_start::prepare(config, anew).map(|(_, _, password)| password))??;
    let data = config.data.display();
    match password {
        Some(path) => say(&format!(
            "made keys, store and the account {:?} in {data}; its password is in {}\nnext: ioc-collector serve\n",
            first_start::FIRST_ACCOUNT,
            path.display()
        )),
        None => say(&format!("{data} is in order; nothing was changed\n")),
    }
}

async fn enrol(runtime: &Path, command: EnrolCommand) -> anyhow::Result<()> {
    let request = |id: &str| format!("/api/v1/enrolments/{}", percent_encoded(id));
    match command {
        EnrolCommand::Token { command: TokenCommand::New(new) } => {
            let TokenOptions {
                name,
                group,
                uses,
                approve,
                purpose,
                tags,
                kind,
                device,
                label,
                place,
                officer,
                leader,
                life,
            } = *new;
            let body = json!({ "name": name, "kind": kind, "device": device, "label": label, "place": place,
                "officer": officer, "leader": leader, "tags": tags, "life": life, "group": group, "uses": uses,
                "approve": approve, "purpose": purpose });
            let answer = cli::ask(runtime, "POST", "/api/v1/tokens", Some(body)).await?;
            // Only the token on standard output, so that it can be piped.
            let whom =
                answer["device"].as_str().map_or_else(|| format!("{uses} machines"), |id| format!("device {id}"));
            let _ = writeln!(std::io::stderr(), "token for {whom}, shown once:");
            say(&format!("{}\n", cli::said(&answer["token"])))
        }
        EnrolCommand::Token { command: TokenCommand::List } => {
            let all = cli::ask(runtime, "GET", "/api/v1/tokens?limit=500", None).await?;
            let mut lines = String::new();
            for one in all["items"].as_array().into_iter().flatten() {
                let digest: String = cli::said(&one["digest"]).chars().take(12).collect();
                let what =
                    one["grant"]["info"]["name"].as_str().unwrap_or_else(|| one["label"].as_str().unwrap_or("-"));
                let state = if one["ended_at"].is_null() { "" } else { "ended" };
                let (uses, most, until) = (&one["uses"], &one["uses_max"], cli::said(&one["expires_at"]));
                lines += format!("{digest}  {uses}/{most}  until {until}  {what} {state}").trim_end();
                lines.push('\n');
            }
            say(&lines)
        }
        EnrolCommand::Token { command: TokenCommand::End { digest } } => {
            let all = cli::ask(runtime, "GET", "/api/v1/tokens?limit=500", None).await?;
            let digests = all["items"].as_array().into_iter().flatten().map(|one| cli::said(&one["digest"]));
            let found: Vec<String> = digests.filter(|whole| whole.starts_with(&digest)).collect();
            anyhow::ensure!(found.len() == 1 && !digest.is_empty(), "{} tokens begin with {digest:?}", found.len());
            cli::ask(runtime, "DELETE", &format!("/api/v1/tokens/{}", found.concat()), None).await?;
            say("ended\n")
        }
        EnrolCommand::Requests => {
            let all = cli::ask(runtime, "GET", "/api/v1/enrolments", None).await?;
            let mut lines = String::new();
            for one in all.as_array().into_iter().flatten() {
                let reasons: Vec<String> =
                    one["reasons"].as_array().into_iter().flatten().map(|one| cli::said(&one["why"])).collect();
                let (id, host, peer) =
                    (cli::said(&one["id"]), cli::said(&one["facts"]["hostname"]), cli::said(&one["peer"]));
                lines += &format!(
                    "{id}  {host:<24} {peer:<22} as {}  {}\n",
                    cli::said(&one["info"]["id"]),
                    reasons.join(", ")
                );
            }
            say(&lines)
        }
        EnrolCommand::Approve { request: id } => {
            cli::ask(runtime, "POST", &request(&id), Some(json!({ "approve": true }))).await?;
            say("approved; the machine gets its certificate when it asks again\n")
        }
        EnrolCommand::Refuse { request: id } => {
            cli::ask(runtime, "POST", &request(&id), Some(json!({ "approve": false }))).await?;
            say("refused\n")
        }
    }
}

async fn account(runtime: &Path, command: AccountCommand) -> anyhow::Result<()> {
    let path = |name: &str| format!("/api/v1/accounts/{}", percent_encoded(name));
    match command {
        AccountCommand::List { json } => {
            let all = cli::ask(runtime, "GET", "/api/v1/accounts", None).await?;
            if json {
                return say(&format!("{all}\n"));
            }
            let mut lines = String::new();
            for one in all.as_array().into_iter().flatten() {
                let disabled = if one["disabled"] == true { "disabled" } else { "" };
                let due = if one["password_due"] == true { "password due" } else { "" };
                let (name, role, full) =
                    (cli::said(&one["name"]), cli::said(&one["role"]), cli::said(&one["full_name"]));
                let places =
                    one["places"].as_array().into_iter().flatten().map(cli::said).collect::<Vec<_>>().join("; ");
                lines += format!("{name:<20} {role:<14} {full:<30} {places} {disabled} {due}").trim_end();
                lines.push('\n');
            }
            say(&lines)
        }
        AccountCommand::Data { name, csv: true } => {
            say(&cli::text(runtime, &format!("/api/v1/people.csv?name={}", percent_encoded(&name))).await?)
        }
        AccountCommand::Data { name, csv: false } => {
            let found =
                cli::ask(runtime, "GET", &format!("/api/v1/people?name={}", percent_encoded(&name)), None).await?;
            say(&format!("{found:#}\n"))
        }
        AccountCommand::Add { name, role, full_name, places } => {
            let body = json!({ "name": name, "role": role, "full_name": full_name, "places": places });
            let answer = cli::ask(runtime, "POST", "/api/v1/accounts", Some(body)).await?;
            say(&format!("{}\n", cli::said(&answer["password"])))
        }
        AccountCommand::Places { name, places } => {
            cli::ask(runtime, "PATCH", &path(&name), Some(json!({ "places": places }))).await?;
            Ok(())
        }
        AccountCommand::Role { name, role } => {
            cli::ask(runtime, "PATCH", &path(&name), Some(json!({ "role": role }))).await?;
            Ok(())
        }
        AccountCommand::Disable { name } => {
            cli::ask(runtime, "PATCH", &path(&name), Some(json!({ "disabled": true }))).await?;
            Ok(())
        }
        AccountCommand::Enable { name } => {
            cli::ask(runtime, "PATCH", &path(&name), Some(json!({ "disabled": false }))).await?;
            Ok(())
        }
        AccountCommand::RemoveSecondFactor { name } => {
            cli::ask(runtime, "DELETE", &format!("{}/second-factor", path(&name)), None).await?;
            Ok(())
        }
        AccountCommand::Reset { name } => {
            let answer = cli::ask(runtime, "POST", &format!("{}/reset", path(&name)), None).await?;
            say(&format!("{}\n", cli::said(&answer["password"])))
        }
    }
}

async fn device(runtime: &Path, command: DeviceCommand) -> anyhow::Result<()> {
    match command {
        DeviceCommand::List { json, search } => {
            let mut cursor = String::new();
            let mut all = Vec::new();
            loop {
                let path = format!("/api/v1/devices?limit=500&search={}{cursor}", percent_encoded(&search));
                let mut page = cli::ask(runtime, "GET", &path, None).await?;
                all.append(page["items"].as_array_mut().unwrap_or(&mut Vec::new()));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            if json {
                return say(&(serde_json::to_string_pretty(&all)? + "\n"));
            }
            let mut table =
                format!("{:<24} {:<12} {:<12} {:<24} {}\n", "DEVICE", "KIND", "STATE", "LAST HEARD", "NAME");
            for device in &all {
                table += &format!(
                    "{:<24} {:<12} {:<12} {:<24} {}\n",
                    cli::said(&device["id"]),
                    cli::said(&device["kind"]),
                    cli::said(&device["state"]),
                    cli::said(&device["last_heard"]),
                    cli::said(&device["name"])
                );
            }
            say(&table)
        }
        DeviceCommand::Set { device, changes } => {
            const KEYS: [&str; 12] = [
                "name",
                "kind",
                "label",
                "place",
                "officer",
                "leader",
                "uplink",
                "redundancy",
                "importance",
                "address",
                "serial",
                "mac",
            ];
            let path = format!("/api/v1/devices/{}", percent_encoded(&device));
            // Only what is changed: what somebody else changes meanwhile stays.
            let mut body = json!({});
            for change in changes {
                let (key, value) = change.split_once('=').unwrap_or((change.as_str(), ""));
                body[key] = match key {
                    "tags" => json!(value.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect::<Vec<_>>()),
                    key if KEYS.contains(&key) && change.contains('=') => json!(value),
                    _ => anyhow::bail!("found {change:?}; allowed are KEY=VALUE with {}, tags", KEYS.join(", ")),
                };
            }
            cli::ask(runtime, "PATCH", &path, Some(body)).await?;
            say("kept\n")
        }
        DeviceCommand::Show { device } => {
            let answer =
                cli::ask(runtime, "GET", &format!("/api/v1/devices/{}", percent_encoded(&device)), None).await?;
            say(&(serde_json::to_string_pretty(&answer)? + "\n"))
        }
        DeviceCommand::Settings { open } => settings(runtime, open).await,
        DeviceCommand::Import { file, check, register: true } => {
            let table = xlsx::table_of_file(&file)?;
            let path = format!("/api/v1/assets/import?check={check}");
            let answer = cli::send(runtime, "POST", &path, "text/csv", table).await?;
            say(&cli::changes_of(&answer, check))
        }
        DeviceCommand::Import { file, check, register: false } => {
            let table = xlsx::table_of_file(&file)?;
            let path = format!("/api/v1/devices/import?check={check}");
            let answer = cli::send(runtime, "POST", &path, "text/csv", table).await?;
            let done =
                if check { "nothing was imported".to_owned() } else { format!("{} new or changed", answer["changed"]) };
            say(&format!("{} assets are in order; {done}\n", answer["assets"]))
        }
        DeviceCommand::Revoke { device } => {
            cli::ask(runtime, "POST", &format!("/api/v1/devices/{}/revoke", percent_encoded(&device)), None).await?;
            say("revoked; its link is closed\n")
        }
        DeviceCommand::Release { device } => {
            cli::ask(runtime, "POST", &format!("/api/v1/devices/{}/release", percent_encoded(&device)), None).await?;
            say("it may report again\n")
        }
    }
}

/// How agents stand with their settings, a line each.
async fn settings(runtime: &Path, open: bool) -> anyhow::Result<()> {
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/settings?limit=1000{cursor}");
        let answer = cli::ask(runtime, "GET", &path, None).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let shown =
            items.iter().filter(|item| !open || ["waiting", "refused"].contains(&cli::said(&item["state"]).as_str()));
        for item in shown {
            let (device, state) = (cli::said(&item["device"]), cli::said(&item["state"]));
            let why = item["reported"]["why"].as_str().unwrap_or_default();
            say(format!("{device:<24} {state:<8} {} {why}", item["settings"]).trim_end())?;
            say("\n")?;
        }
        let Some(next) = answer["next_cursor"].as_str() else { return Ok(()) };
        cursor = format!("&cursor={}", percent_encoded(next));
    }
}

async fn clock(runtime: &Path, command: ClockCommand) -> anyhow::Result<()> {
    let answer = cli::ask(runtime, "GET", "/api/v1/clock", None).await?;
    let step_s = answer["step_s"].as_i64().or(answer["doubt_s"].as_i64());
    match (command, step_s) {
        (ClockCommand::Show, _) | (ClockCommand::Confirm, None) => {
            let state = if step_s.is_some() { "to be confirmed; nothing is deleted until then" } else { "all is well" };
            let (now, wall) = (cli::said(&answer["now"]), cli::said(&answer["wall"]));
            say(&format!("the collector goes by {now}, the machine's clock shows {wall}: {state}\n"))
        }
        (ClockCommand::Confirm, Some(step_s)) => {
            cli::ask(runtime, "POST", "/api/v1/clock/confirm", Some(json!({ "step_s": step_s }))).await?;
            say("confirmed\n")
        }
    }
}

fn metrics_page() -> String {
    let mut page = "# Metrics\n\nGenerated by `ioc-collector docs metrics`; do not edit.\n\n".to_owned();
    page += "| name | unit | range | subject | tiếng Việt | English | OpenTelemetry |\n|---|---|---|---|---|---|---|\n";
    for metric in CATALOGUE {
        page += &format!(
            "| `{}` | {} | {} to {} | {} | {} | {} | {} |\n",
            metric.name, metric.unit, metric.min, metric.max, metric.subject, metric.vi, metric.en, metric.otel
        );
    }
    page
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

//! What developers make from what is there. The manual, made from the command lines as clap reads them: man pages, completions of shells, and docs/commands.md.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _, Parser};
use clap_complete::Shell;

/// Makes the manual.
#[derive(Parser)]
enum Cli {
    /// Man pages and completions of one program, for its package.
    Package {
        /// ioc-agent or ioc-collector.
        program: String,
        /// Below which directory: man1, bash, zsh, fish are made there.
        dir: PathBuf,
    },
    /// docs/commands.md.
    Page,
    /// docs/keys.md.
    Keys,
    /// A text for tests/machines of the machine in a directory, which is an unpacked capture.
    Machine {
        /// Directory it is written to.
        dir: PathBuf,
    },
}

fn programs() -> [Command; 2] {
    [ioc_collector::arguments::Cli::command(), ioc_agent::cli::Cli::command()]
}

fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Package { program, dir } => {
            let command = programs().into_iter().find(|one| one.get_name() == program);
            package(command.with_context(|| format!("there is no program {program:?}"))?, &dir)
        }
        Cli::Keys => Ok(std::io::stdout().write_all(ioc_tests::keys::page().as_bytes())?),
        Cli::Machine { dir } => {
            let text = ioc_tests::machines::pack(&dir, ioc_common::clock::now())?;
            Ok(std::io::stdout().write_all(text.as_bytes())?)
        }
        Cli::Page => Ok(std::io::stdout().write_all(page().as_bytes())?),
    }
}

fn package(mut command: Command, dir: &Path) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    let man = dir.join("man1");
    std::fs::create_dir_all(&man)?;
    for (shell, folder, file) in [
        (Shell::Bash, "bash", name.clone()),
        (Shell::Zsh, "zsh", format!("_{name}")),
        (Shell::Fish, "fish", format!("{name}.fish")),
    ] {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder)?;
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut command, &name, &mut out);
        std::fs::write(folder.join(file), out)?;
    }
    command.build();
    write_man(&command, &name, &man)
}

/// A page for a command, and one for each of those below it: `ioc-collector-device-list(1)`.
fn write_man(command: &Command, name: &str, dir: &Path) -> anyhow::Result<()> {
    // The day of a build must not be in what is built. A name of a command lives as long as the program, which is short.
    let own = command.clone().name(name.to_owned().leak() as &'static str).disable_help_subcommand(true);
    let page = clap_mangen::Man::new(own).title(name.to_owned()).date("").source("IOC Watch");
    let mut out = Vec::new();
    page.render(&mut out)?;
    std::fs::write(dir.join(format!("{name}.1")), out)?;
    for below in command.get_subcommands().filter(|one| one.get_name() != "help" && !one.is_hide_set()) {
        write_man(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(())
}

fn page() -> String {
    let mut out = "# Lệnh · Commands\n\nMade from the programs: `ioc-manual page > docs/commands.md`. Each has `--help`, and a man page.\n".to_owned();
    for mut command in programs() {
        command.build();
        let name = command.get_name().to_owned();
        let _ = writeln!(out, "\n## {name}\n\n{}", about(&command));
        describe(&command, &name, &mut out);
    }
    out
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn describe(command: &Command, name: &str, out: &mut String) {
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|one| !matches!(one.get_id().as_str(), "help" | "version") && !one.is_hide_set())
        .filter(|one| !one.is_global_set() || !name.contains(' '))
        .collect();
    if !arguments.is_empty() {
        let _ = writeln!(out, "\n| argument | what |\n|---|---|");
        for one in arguments {
            let shown = match one.get_long() {
                Some(long) if one.get_action().takes_values() => {
                    format!(
                        "--{long} {}",
                        one.get_value_names()
                            .into_iter()
                            .flatten()
                            .map(clap::builder::Str::as_str)
                            .collect::<Vec<_>>()
                            .join(" ")
                    )
                }
                Some(long) => format!("--{long}"),
                None => one.get_id().as_str().to_uppercase(),
            };
            let default: Vec<String> = one
                .get_default_values()
                .iter()
                .map(|value| value.to_string_lossy().into_owned())
                .filter(|value| !value.is_empty() && value != "false")
                .collect();
            let default = if default.is_empty() { String::new() } else { format!(" Default: {}.", default.join(", ")) };
            let help = one.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(
                out,
                "| `{}` | {}.{default} |",
                shown.trim(),
                help.trim_end_matches('.').replace('|', "\\|").replace('\n', " ")
            );
        }
    }
    for below in command.get_subcommands().filter(|one| one.get_name() != "help" && !one.is_hide_set()) {
        let name = format!("{name} {}", below.get_name());
        let _ = writeln!(out, "\n### {name}\n\n{}.", about(below).trim_end_matches('.'));
        describe(below, &name, out);
    }
}

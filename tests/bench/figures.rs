//! What a benchmark says: a line for people, and, with `--json FILE`, a row for programs (docs/performance.md is made of rows).

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use ioc_common::clock;
use ioc_tests::performance::{Goal, Row, number};

use crate::measure::{self, Busy};

/// Where the figures of one benchmark go.
pub(crate) struct Figures {
    name: String,
    out: Option<std::fs::File>,
    run: String,
    machine: String,
    command: String,
    profile: String,
    since: Busy,
}

/// One figure.
pub(crate) struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
    peer: Option<(String, f64)>,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, goal: None, peer: None }
    }

    /// It should be at most this.
    pub(crate) fn most(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtMost(goal));
        self
    }

    /// It should be at least this.
    pub(crate) fn least(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtLeast(goal));
        self
    }

    /// It should be at most this, where anything is asked for.
    pub(crate) fn most_of(mut self, goal: Option<f64>) -> Self {
        self.goal = goal.map(Goal::AtMost);
        self
    }

    /// The same once more, beside another program.
    pub(crate) fn against(mut self, peer: &str, value: f64) -> Self {
        self.what = format!("{}, beside {peer}", self.what);
        self.goal = None;
        self.beside(peer, value)
    }

    /// What another program needed for the same in the same run.
    pub(crate) fn beside(mut self, peer: &str, value: f64) -> Self {
        self.peer = Some((peer.to_owned(), value));
        self
    }
}

/// Cargo's profile of a built program: the folder that it lies in.
pub(crate) fn profile_of(program: &Path) -> String {
    let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let folder = program.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("unknown");
    if folder == "debug" { "dev".to_owned() } else { folder.to_owned() }
}

impl Figures {
    /// The figures of `name`, whose rows are added to `json`; `run` says which belong together, without it the time does.
    pub(crate) fn new(name: &str, json: Option<&Path>, run: Option<String>) -> anyhow::Result<Self> {
        let out = json.map(|path| {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.with_context(|| path.display().to_string())
        });
        Ok(Self {
            name: name.to_owned(),
            out: out.transpose()?,
            run: run.unwrap_or_else(|| clock::now().to_string()),
            machine: measure::machine(),
            command: command(std::env::args().skip(1)),
            profile: profile_of(&std::env::current_exe()?),
            since: Busy::now(),
        })
    }

    /// What is measured from here on is this program.
    pub(crate) fn measures(&mut self, program: &Path) {
        self.profile = profile_of(program);
        self.since = Busy::now();
    }

    /// From here on it counts what others keep busy.
    pub(crate) fn begin(&mut self) {
        self.since = Busy::now();
    }

    /// Says several figures of one stretch of time.
    pub(crate) fn say(&mut self, figures: impl IntoIterator<Item = Figure>) -> anyhow::Result<()> {
        let load_beside = Busy::now().others_since(self.since);
        for figure in figures {
            let Figure { what, value, unit, goal, peer } = figure;
            let goal_text = goal.map_or(String::new(), |goal| {
                format!("  ({goal}{})", if goal.is_met(value) { "" } else { ", missed" })
            });
            let peer_text = peer.as_ref().map_or(String::new(), |(name, theirs)| {
                format!("  {name} {} {unit}, ratio {}", number(*theirs), number(value / theirs))
            });
            println!("  {what:<58} {:>11} {unit}{goal_text}{peer_text}", number(value));
            let Some(out) = &mut self.out else { continue };
            let (peer, peer_value) = peer.map_or((String::new(), None), |(name, theirs)| (name, Some(theirs)));
            let row = Row {
                name: self.name.clone(),
                what,
                value,
                unit: unit.to_owned(),
                goal,
                profile: self.profile.clone(),
                machine: self.machine.clone(),
                load_beside,
                peer,
                peer_value,
                ratio: peer_value.filter(|theirs| *theirs > 0.0).map(|theirs| value / theirs),
                run: self.run.clone(),
                command: self.command.clone(),
            };
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        }
        println!("  others kept {} processors busy meanwhile; profile {}", number(load_beside), self.profile);
        Ok(())
    }
}

/// How to run it again: the arguments but for where its rows go.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let (mut words, mut skip) = (vec!["scripts/bench".to_owned()], false);
    for argument in arguments {
        match argument.as_str() {
            _ if skip => skip = false,
            "--json" | "--run" => skip = true,
            other if other.starts_with("--json=") || other.starts_with("--run=") => {}
            _ => words.push(argument),
        }
    }
    words.join(" ")
}

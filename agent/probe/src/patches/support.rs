//! When a distribution's security support ends: by the table `config/support.toml`, which is built in, or by the one that lies on the machine.

use std::fmt;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, Source};
use serde::{Deserialize, Deserializer};

use super::LISTS;
use crate::facts::os_release;
use crate::survey_context::SurveyContext;

/// The table that is built in.
const BUILT_IN: &str = include_str!("../../../../config/support.toml");
/// The table that replaces it, where it lies on a machine.
pub const TABLE: &str = "/etc/ioc-watch/support.toml";

/// A day, `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day(String);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match format!("{text}T00:00:00Z").parse::<Timestamp>() {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(serde::de::Error::custom(format!(
                "found {text:?}; allowed is a day as YYYY-MM-DD; mend: write for example \"2027-05-31\""
            ))),
        }
    }
}

/// Releases and the ends of their support.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// The day on which somebody last looked at the sources.
    pub as_of: Day,
    #[serde(default)]
    release: Vec<SupportedRelease>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SupportedRelease {
    /// `ID` of os-release(5).
    id: String,
    /// `VERSION_ID`, or its beginning up to a point.
    version: String,
    /// Part of `NAME`, where two distributions share ID and version.
    #[serde(default)]
    name: String,
    /// The last day with security updates for everyone.
    end: Day,
    /// The last day with updates for whoever subscribed to more; only told where the machine has such a list.
    extended: Option<Day>,
    /// How apt's lists of that subscription begin.
    #[serde(default)]
    extended_list: String,
    /// Address of the document that says so.
    #[allow(dead_code, reason = "for people; the parser holds that it is a text")]
    source: String,
}

impl Support {
    /// Reads a table.
    ///
    /// # Errors
    /// With line, what was found, what is allowed and the mend.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        source.parse()
    }

    /// The end for a release, and none where the table does not know it.
    fn end(&self, os: &str, lists: &[String]) -> Option<String> {
        let [id, version, name] = ["ID", "VERSION_ID", "NAME"].map(|key| os_release(os, key));
        let fits = |release: &&SupportedRelease| release.id == id && name.contains(&release.name);
        // A row for the very version comes before one for its first number, and one with a name before one without.
        let best = |wanted: &str| {
            let rows = self.release.iter().filter(fits).filter(|release| release.version == wanted);
            rows.max_by_key(|release| release.name.len())
        };
        // 9 stands for 9.4, and 3.22 for 3.22.1.
        let mut versions = std::iter::successors(Some(version.as_str()), |version| Some(version.rsplit_once('.')?.0));
        let release = versions.find_map(best).filter(|_| !version.is_empty())?;
        let subscribed = !release.extended_list.is_empty()
            && lists.iter().any(|list| list.starts_with(&release.extended_list) && list.contains("_Packages"));
        let end = release.extended.as_ref().filter(|_| subscribed).unwrap_or(&release.end);
        Some(end.to_string())
    }
}

/// The text of os-release(5), empty where there is none.
pub(super) fn release_file(context: &SurveyContext<'_>) -> String {
    let file = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| context.text_if(path));
    file.unwrap_or_default()
}

/// The end of support: by the machine's own table, else as the distribution says it itself in os-release(5), else by the built-in table.
///
/// # Errors
/// Why it is not known, and the mend.
pub(super) fn end(context: &SurveyContext<'_>) -> Result<String, String> {
    let os = release_file(context);
    let lists = context.names(LISTS);
    if context.exists(TABLE) {
        let text = context.text(TABLE).map_err(|error| error.to_string())?;
        let own = Support::parse(&Source::built_in(TABLE, &text))
            .map_err(|ConfigError { line, message, mend, .. }| format!("{TABLE}:{line}: {message}; mend: {mend}"))?;
        if let Some(end) = own.end(&os, &lists) {
            return Ok(end);
        }
    }
    let said = os_release(&os, "SUPPORT_END");
    if !said.is_empty() {
        return Ok(said);
    }
    let known = if context.exists(TABLE) {
        None
    } else {
        let built_in =
            Support::parse(&Source::built_in("support.toml", BUILT_IN)).map_err(|error| error.to_string())?;
        built_in.end(&os, &lists)
    };
    let [id, version] = ["ID", "VERSION_ID"].map(|key| os_release(&os, key));
    let which = if id.is_empty() { "a system without os-release".to_owned() } else { format!("{id} {version}") };
    known.ok_or_else(|| format!("end of support: {} is in no table; mend: add it to {TABLE}", which.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    const NOW: &str = "2026-11-28T00:00:00Z";

    fn of(os: &str, files: &[(&str, &str)]) -> Result<String, String> {
        let mut all = vec![("/etc/os-release", os)];
        all.extend(files);
        let captured = CapturedMachine::new(&all);
        end(&captured.machine(NOW))
    }

    #[test]
    fn the_built_in_table_knows_the_usual_ones() {
        for (id, version, wanted) in [
            ("almalinux", "8.10", "2029-05-31"),
            ("rocky", "8.10", "2029-05-31"),
            ("rocky", "10.0", "2035-05-31"),
            ("rhel", "9.4", "2032-05-31"),
            ("ol", "9.5", "2032-06-30"),
            ("debian", "11", "2026-08-31"),
            ("debian", "12", "2028-06-30"),
            ("ubuntu", "22.04", "2027-06-01"),
            ("ubuntu", "25.10", "2026-07-09"),
            ("opensuse-leap", "15.6", "2026-04-30"),
            ("opensuse-leap", "16.0", "2027-10-31"),
            ("sles", "15.7", "2031-07-31"),
            ("fedora", "41", "2025-12-15"),
            ("fedora", "44", "2027-05-19"),
            ("amzn", "2", "2026-06-30"),
            ("alpine", "3.22.1", "2027-05-01"),
        ] {
            assert_eq!(
                of(&format!("ID=\"{id}\"\nVERSION_ID=\"{version}\"\n"), &[]).as_deref(),
                Ok(wanted),
                "{id} {version}"
            );
        }
        assert_eq!(of("ID=centos\nNAME=\"CentOS Stream\"\nVERSION_ID=\"8\"\n", &[]).as_deref(), Ok("2024-05-31"));
        assert_eq!(of("ID=centos\nNAME=\"CentOS Linux\"\nVERSION_ID=\"8\"\n", &[]).as_deref(), Ok("2021-12-31"));
    }

    #[test]
    fn unknown_ones_are_unknown_and_a_subscription_counts() {
        for os in ["ID=nixos\nVERSION_ID=\"25.11\"\n", "ID=debian\n", "ID=ubuntu\nVERSION_ID=\"29.10\"\n", ""] {
            assert!(of(os, &[]).is_err_and(|why| why.contains(TABLE)), "{os}");
        }
        let jammy = "ID=ubuntu\nVERSION_ID=\"22.04\"\n";
        let list =
            "/var/lib/apt/lists/esm.ubuntu.com_infra_ubuntu_dists_jammy-infra-security_main_binary-amd64_Packages";
        assert_eq!(of(jammy, &[(list, "")]).as_deref(), Ok("2032-04-21"));
    }

    #[test]
    fn the_machine_s_own_table_comes_first() {
        let table = "as_of = \"2026-11-28\"\n[[release]]\nid = \"nixos\"\nversion = \"25\"\nend = \"2026-06-30\"\nsource = \"x\"\n";
        let os = "ID=nixos\nVERSION_ID=\"25.11\"\n";
        assert_eq!(of(os, &[(TABLE, table)]).as_deref(), Ok("2026-06-30"));
        assert!(of("ID=debian\nVERSION_ID=12\n", &[(TABLE, table)]).is_err(), "it replaces the one that is built in");
        assert_eq!(of("ID=fedora\nVERSION_ID=45\nSUPPORT_END=2027-12-01\n", &[]).as_deref(), Ok("2027-12-01"));
        let wrong = table.replace("2026-06-30", "June");
        assert!(of(os, &[(TABLE, &wrong)]).is_err_and(|why| why.contains("support.toml:5: ") && why.contains("June")));
    }
}

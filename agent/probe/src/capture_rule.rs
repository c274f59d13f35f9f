//! What a capture takes of a machine, as each probe says it in its descriptor: so much that the probe reads the same of it, and nothing that
//! it does not send.

use crate::tree::fits;

/// What a capture takes for one probe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CapturedFiles {
    /// Files that are taken as they are. `*` stands for any one name, and ends a beginning of one.
    pub(crate) whole: &'static [&'static str],
    /// Files of which only a part is taken.
    pub(crate) in_part: &'static [CaptureRule],
    /// Programs that it asks whose output is not kept.
    pub(crate) unkept_programs: &'static [&'static str],
}

impl CapturedFiles {
    pub(crate) const NONE: Self = Self::whole(&[]);

    pub(crate) const fn whole(whole: &'static [&'static str]) -> Self {
        Self { whole, in_part: &[], unkept_programs: &[] }
    }

    pub(crate) const fn in_part(self, in_part: &'static [CaptureRule]) -> Self {
        Self { in_part, ..self }
    }

    pub(crate) const fn without_output_of(self, unkept_programs: &'static [&'static str]) -> Self {
        Self { unkept_programs, ..self }
    }

    pub(crate) fn patterns(&self) -> impl Iterator<Item = &'static str> {
        self.whole.iter().copied().chain(self.in_part.iter().map(|rule| rule.pattern))
    }
}

/// What is left of a file's bytes once that is taken out which probes do not send.
type Redaction = fn(&[u8]) -> Vec<u8>;

/// Files of which a capture takes only a part.
#[derive(Debug, Clone, Copy)]
pub struct CaptureRule {
    pattern: &'static str,
    extent: fn(&str) -> CaptureExtent,
    redact: Option<Redaction>,
}

/// How much of a file is taken; the least stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaptureExtent {
    /// It is left out.
    Nothing,
    /// So many bytes from its beginning; 0 where its name says enough.
    Start(u64),
    /// All of it.
    Whole,
}

impl CaptureRule {
    /// As much of each file as its path says.
    pub(crate) const fn by_path(pattern: &'static str, extent: fn(&str) -> CaptureExtent) -> Self {
        Self { pattern, extent, redact: None }
    }

    /// Each file, with what probes do not send taken out.
    pub(crate) const fn redacted(pattern: &'static str, redact: Redaction) -> Self {
        Self { pattern, extent: |_| CaptureExtent::Whole, redact: Some(redact) }
    }

    /// Only those whose path says so, with what probes do not send taken out.
    pub(crate) const fn redacted_by_path(
        pattern: &'static str,
        extent: fn(&str) -> CaptureExtent,
        redact: Redaction,
    ) -> Self {
        Self { pattern, extent, redact: Some(redact) }
    }

    /// Whether it is about the file of this path.
    #[must_use]
    pub fn applies(&self, path: &str) -> bool {
        let (mut names, mut patterns) = (path.split('/'), self.pattern.split('/'));
        loop {
            match (names.next(), patterns.next()) {
                (None, None) => return true,
                (Some(name), Some(pattern)) if fits(name, pattern) => {}
                _ => return false,
            }
        }
    }

    /// How much is taken of the file of this path.
    #[must_use]
    pub fn extent(&self, path: &str) -> CaptureExtent {
        (self.extent)(path)
    }

    /// What is left of a file.
    #[must_use]
    pub fn redact(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self.redact {
            Some(redact) => redact(&bytes),
            None => bytes,
        }
    }
}

/// For [`CaptureRule::by_path`]: whole where this holds, else left out.
pub(crate) const fn whole_if(wanted: bool) -> CaptureExtent {
    if wanted { CaptureExtent::Whole } else { CaptureExtent::Nothing }
}

/// Changes the fields of each line, which `:` parts.
pub(crate) fn redact_fields(bytes: &[u8], change: impl Fn(&mut Vec<&str>)) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let redacted = text.lines().map(|line| {
        let mut fields = line.split(':').collect();
        change(&mut fields);
        fields.join(":") + "\n"
    });
    redacted.collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_name() {
        let rule = CaptureRule::by_path("/proc/*/comm", |_| CaptureExtent::Whole);
        assert!(rule.applies("/proc/7/comm"));
        assert!(
            ["/proc/comm", "/proc/7/task/comm", "/proc/7/comm/x", "proc/7/comm"].iter().all(|path| !rule.applies(path))
        );
        let kernel = CaptureRule::by_path("/boot/vmlinuz-*", |_| CaptureExtent::Start(0));
        assert!(kernel.applies("/boot/vmlinuz-6.1.0") && !kernel.applies("/boot/initrd.img-6.1.0"));
    }

    #[test]
    fn of_some_files_only_a_part_is_taken() {
        let extent = |path: &str| crate::capture_rules(path).map(|rule| rule.extent(path)).min();
        for (path, wanted) in [
            ("/etc/ssh/sshd_config", Some(CaptureExtent::Whole)),
            ("/etc/ssh/sshd_config.d/50-cloud.conf", Some(CaptureExtent::Whole)),
            ("/etc/ssh/ssh_host_ed25519_key", Some(CaptureExtent::Nothing)),
            ("/etc/ssh/keys/id_rsa", Some(CaptureExtent::Nothing)),
            ("/var/lib/apt/lists/deb_dists_x_main_binary-amd64_Packages.lz4", Some(CaptureExtent::Whole)),
            ("/var/lib/apt/lists/deb_dists_x_InRelease", Some(CaptureExtent::Whole)),
            ("/var/lib/apt/lists/deb_dists_x_main_i18n_Translation-en", Some(CaptureExtent::Nothing)),
            ("/boot/vmlinuz-6.1.0-26-amd64", Some(CaptureExtent::Start(0))),
            ("/var/lib/clamav/daily.cld", Some(CaptureExtent::Start(512))),
            ("/var/lib/clamav/freshclam.dat", Some(CaptureExtent::Whole)),
            ("/proc/self/comm", Some(CaptureExtent::Nothing)),
            ("/proc/7/stat", Some(CaptureExtent::Whole)),
            ("/sys/class/dmi/id/product_uuid", Some(CaptureExtent::Start(0))),
            ("/etc/os-release", None),
        ] {
            assert_eq!(extent(path), wanted, "{path}");
        }
        assert!(crate::unkept_programs().eq(["journalctl"]));
    }
}

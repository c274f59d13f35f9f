//! Any files as sshd's and sudo's configuration, which include each other: read or refused, never a panic, never without end.
#![no_main]
use ioc_probe::sshd::{SshdConnection, read_config, parse_effective};
use ioc_probe::sudoers::{SudoUser, Sudoers};
use ioc_probe::tree::{Tree, fits};

/// Files `a`, `b`, … in every directory, parted by lines of `%%`.
struct Files<'a>(Vec<&'a str>);

impl Tree for Files<'_> {
    fn text(&self, path: &str) -> Result<Option<String>, String> {
        let name = path.rsplit('/').next().and_then(|name| name.bytes().next());
        let place = name.and_then(|name| usize::from(name).checked_sub(usize::from(b'a')));
        Ok(place.and_then(|place| self.0.get(place)).map(|text| (*text).to_owned()))
    }

    fn names(&self, _: &str) -> Result<Option<Vec<String>>, String> {
        Ok(Some(('a'..='z').take(self.0.len()).map(String::from).collect()))
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = Files(text.split("\n%%\n").take(8).collect());
    let root = SshdConnection { user: "root".into(), groups: vec!["root".into()], port: 22 };
    if let Ok(Some(found)) = read_config(&files, "/etc/ssh/a", &root) {
        let _ = (found.decided.lets_root_in(&root), found.decided.password_is_enough());
    }
    let _ = parse_effective(text).map(|found| found.lets_root_in(&root));
    if let Ok(Some(sudoers)) = Sudoers::read(&files, "/etc/a", "srv-01") {
        let who = SudoUser { name: "an", uid: 1000, groups: vec![(1000, "an"), (27, "sudo")] };
        let _ = (sudoers.grant(&who, "srv-01", "20261124000000Z"), sudoers.grant(&who, "", ""), sudoers.principals());
    }
    if let Some((name, pattern)) = text.split_once('\n') {
        let _ = fits(name, pattern);
    }
});

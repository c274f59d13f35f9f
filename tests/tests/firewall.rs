//! The firewall as the agent tells it, against a stranger who really connects: a host and a stranger in network namespaces of their own,
//! rule sets of nftables and of both kinds of iptables. The connection is the judge.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "this is a test")]

use std::process::{Child, Command, Output, Stdio};

use ioc_tests::harness::binary;
use serde_json::Value;

/// The port that somebody forgot: no rule set here names it.
const PORT: u16 = 9345;
/// Where the host is for the stranger, over IPv4 and IPv6: addresses for documentation (RFC 5737, RFC 3849).
const HOST: [&str; 2] = ["203.0.113.1", "2001:db8:7::1"];

/// What loads each rule set, its name, and its text.
fn rule_sets() -> Vec<(&'static str, &'static str, &'static str)> {
    let sets = include_str!("../peers/rulesets.txt").split("\n=== ").skip(1);
    let parts = |set: &'static str| {
        let (head, text) = set.split_once('\n').unwrap_or((set, ""));
        let (how, name) = head.split_once(' ').unwrap();
        (how, name, text)
    };
    sets.map(parts).collect()
}

/// Of these nobody can know: a flag that nft 1.0 does not tell, a set that fills itself, the port from which somebody asks.
const UNCLEAR: [&str; 3] = ["a table that sleeps", "who asks is put on a list", "iptables, either port"];

/// A network namespace, removed with all that is in it.
struct Space(String);

impl Space {
    fn new(name: &str) -> Self {
        let name = format!("ioc-{name}-{}", std::process::id());
        ran("ip", &["netns", "add", &name]);
        let space = Self(name);
        space.ran(&["ip", "link", "set", "lo", "up"]);
        space
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).args(words).stdin(Stdio::null());
        command
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn ran(&self, words: &[&str]) {
        let output = self.output(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ran(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; scripts/test installs what is needed"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Two machines with a cable between them; the way out of the host leads to the stranger.
fn machines() -> (Space, Space) {
    let (host, stranger) = (Space::new("host"), Space::new("far"));
    ran("ip", &["link", "add", "eth0", "netns", &host.0, "type", "veth", "peer", "name", "eth0", "netns", &stranger.0]);
    for (space, last) in [(&host, "1"), (&stranger, "2")] {
        space.ran(&["ip", "address", "add", &format!("203.0.113.{last}/24"), "dev", "eth0"]);
        space.ran(&["ip", "address", "add", &format!("2001:db8:7::{last}/64"), "dev", "eth0", "nodad"]);
        space.ran(&["ip", "link", "set", "eth0", "up"]);
    }
    host.ran(&["ip", "route", "add", "default", "via", "203.0.113.2"]);
    host.ran(&["ip", "-6", "route", "add", "default", "via", "2001:db8:7::2"]);
    (host, stranger)
}

fn load(host: &Space, how: &str, rules: &str) {
    host.ran(&["nft", "flush", "ruleset"]);
    for tool in ["iptables-legacy", "ip6tables-legacy"] {
        host.ran(&[tool, "-P", "INPUT", "ACCEPT"]);
        host.ran(&[tool, "-F"]);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules");
    std::fs::write(&file, rules.to_owned() + "\n").unwrap();
    let file = file.to_str().unwrap();
    match how {
        "nft" => host.ran(&["nft", "-f", file]),
        // The same rules over both protocols.
        "iptables" => ["iptables-restore", "ip6tables-restore"].iter().for_each(|tool| host.ran(&[tool, file])),
        _ => ["iptables-legacy-restore", "ip6tables-legacy-restore"].iter().for_each(|tool| host.ran(&[tool, file])),
    }
}

/// Whether the stranger gets in, over IPv4 and over IPv6, both tried at once.
fn gets_in(stranger: &Space) -> [bool; 2] {
    let script = format!(
        "import select, socket\n\
        socks = [socket.socket(f, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for f in (socket.AF_INET, socket.AF_INET6)]\n\
        [s.connect_ex((to, {PORT})) for s, to in zip(socks, {HOST:?})]\n\
        poll = select.poll()\n\
        [poll.register(s, select.POLLOUT) for s in socks]\n\
        done = set()\n\
        while len(done) < 2 and (ready := poll.poll(300)):\n    \
            [(done.add(fd), poll.unregister(fd)) for fd, _ in ready]\n\
        print(*[int(s.fileno() in done and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0) for s in socks])"
    );
    let output = stranger.output(&["python3", "-c", &script]);
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words = said.split_whitespace().map(|word| word == "1");
    let both = words.next().zip(words.next());
    let (four, six) = both.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    [four, six]
}

#[test]
fn the_firewall_is_what_a_stranger_meets() {
    let (host, stranger) = machines();
    let script = format!(
        "import socket,time\ns=socket.create_server(('::',{PORT}),family=socket.AF_INET6,dualstack_ipv6=True,backlog=128)\nprint('ready',flush=True)\ntime.sleep(600)"
    );
    let mut listener = Listener(host.command(&["python3", "-c", &script]).stdout(Stdio::piped()).spawn().unwrap());
    let mut ready = [0; 5];
    std::io::Read::read_exact(listener.0.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let agent = binary("ioc-agent").display().to_string();
    let mut wrong = Vec::new();
    let sets = rule_sets();
    assert!(sets.len() > 50, "{}", sets.len());
    for &(how, name, rules) in &sets {
        load(&host, how, rules);
        let met = gets_in(&stranger).map(|inside| if inside { "open" } else { "filtering" });
        let output = host.output(&[&agent, "probe", "protection", "--json"]);
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {output:?}"));
        let document = &found["document"];
        let said = [&document["firewall_ipv4"], &document["firewall_ipv6"]];
        let right = |at: usize| said[at] == met[at] || UNCLEAR.contains(&name) && said[at] == "unknown";
        if !right(0) || !right(1) {
            wrong.push(format!(
                "{name}: the stranger met {met:?}, the agent says {said:?}, unknown {}",
                document["unknown"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), sets.len(), wrong.join("\n"));
}

//! Who is let in by sshd, and who may act as root by sudo: our readers against `sshd -T` and `sudo -l -U` of this machine, which get
//! the same files in a mount namespace of their own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use ioc_common::reading::Accounts;
use ioc_probe::settings::SurveySettings;
use ioc_probe::sshd::{SshdConnection, parse_effective, read_config};
use ioc_probe::{NoAccess, SurveyContext};

/// One machine: what lies where.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

fn machine<'a>(root: &'a Path, settings: &'a SurveySettings) -> SurveyContext<'a> {
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    SurveyContext { root, settings, now, memo: "", state: None, host: &NoAccess, record: None }
}

fn lay(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Runs a script where nothing that it mounts is seen by others.
fn apart(script: &str) -> Output {
    Command::new("unshare").args(["-m", "sh", "-ec", script]).env("LC_ALL", "C").output().unwrap()
}

const MAIN: &str = "/etc/ssh/sshd_config";
const SSHD: &[Case] = &[
    ("nothing is said", &[(MAIN, "\n")]),
    (
        "the first value counts",
        &[(MAIN, "PermitRootLogin yes\nPermitRootLogin no\nPasswordAuthentication no\nPasswordAuthentication yes\n")],
    ),
    (
        "in any case, with = and quotes",
        &[(
            MAIN,
            "PERMITROOTLOGIN=Yes\n\tpasswordauthentication = \"no\"\nKbdInteractiveAuthentication\t'no'  # why\n",
        )],
    ),
    (
        "a comment at a line's end",
        &[(
            MAIN,
            "PermitRootLogin no # yes\n  # PasswordAuthentication no\nPasswordAuthentication no #yes\nKbdInteractiveAuthentication no\n",
        )],
    ),
    ("words for prohibit-password", &[(MAIN, "PermitRootLogin without-password\n")]),
    (
        "forced commands",
        &[(
            MAIN,
            "PermitRootLogin forced-commands-only\nChallengeResponseAuthentication no\nPasswordAuthentication no\n",
        )],
    ),
    ("old names", &[(MAIN, "SkeyAuthentication no\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n")]),
    (
        "a block in a drop-in ends with it",
        &[
            (
                MAIN,
                "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            ),
            (
                "/etc/ssh/sshd_config.d/20-sftp.conf",
                "Match Group sftp\n ForceCommand internal-sftp\n PasswordAuthentication yes\n",
            ),
            ("/etc/ssh/sshd_config.d/30.conf", "PermitRootLogin no\n"),
        ],
    ),
    (
        "another directory, by a relative path",
        &[
            (MAIN, "Include local/*/x?.conf\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"),
            ("/etc/ssh/local/a/x1.conf", "PermitRootLogin yes\n"),
            ("/etc/ssh/local/b/x10.conf", "PasswordAuthentication yes\n"),
            ("/etc/ssh/local/b/.x.conf", "PasswordAuthentication yes\n"),
        ],
    ),
    (
        "several patterns in a line, each sorted",
        &[
            (MAIN, "include \"/etc/ssh/b c/*\" a/[1-2]* /etc/ssh/missing/*.conf\nPermitRootLogin no\n"),
            ("/etc/ssh/a/2", "PermitRootLogin yes\n"),
            ("/etc/ssh/a/1", "PasswordAuthentication no\n"),
            ("/etc/ssh/b c/9", "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"),
        ],
    ),
    (
        "included by what is included",
        &[
            (MAIN, "Include one\nPermitRootLogin no\n"),
            ("/etc/ssh/one", "Include two\nPermitRootLogin no\n"),
            ("/etc/ssh/two", "PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"),
        ],
    ),
    ("includes itself", &[(MAIN, "PermitRootLogin yes\nInclude sshd_config\n")]),
    (
        "at the end, too late",
        &[
            (MAIN, "PermitRootLogin no\nInclude x\n"),
            ("/etc/ssh/x", "PermitRootLogin yes\nPasswordAuthentication no\n"),
        ],
    ),
    (
        "a block for all goes before what is outside",
        &[(
            MAIN,
            "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMatch all\n PermitRootLogin yes\n PasswordAuthentication yes\n",
        )],
    ),
    (
        "a block for root",
        &[(
            MAIN,
            "PermitRootLogin no\nMatch User root\n PermitRootLogin yes\nMatch User *,!root\n PasswordAuthentication no\n KbdInteractiveAuthentication no\n",
        )],
    ),
    (
        "every address",
        &[(
            MAIN,
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMatch Address 0.0.0.0/0,::/0\n\tPasswordAuthentication yes\n PermitRootLogin yes\n",
        )],
    ),
    ("the inner network", &[(MAIN, "PermitRootLogin no\nMatch Address 10.0.0.0/8,192.168.*\n PermitRootLogin yes\n")]),
    (
        "all but the inner network",
        &[(
            MAIN,
            "PasswordAuthentication yes\nMatch Address *,!10.0.0.0/8\n PasswordAuthentication no\n KbdInteractiveAuthentication no\n",
        )],
    ),
    (
        "only a negation names nobody",
        &[(MAIN, "Match Address !10.0.0.0/8\n PermitRootLogin yes\nMatch User !an\n PasswordAuthentication no\n")],
    ),
    (
        "the stranger's network",
        &[(
            MAIN,
            "Match Address 203.0.113.0/24\n PermitRootLogin yes\n PermitRootLogin no\nMatch all\n PermitRootLogin no\n",
        )],
    ),
    (
        "several criteria",
        &[(
            MAIN,
            "Match User root Address 203.0.113.0/24 LocalPort 22\n PermitRootLogin yes\nMatch user=nobody host=203.*\n PasswordAuthentication no\n",
        )],
    ),
    (
        "of root's group",
        &[(
            MAIN,
            "Match Group root\n PermitRootLogin yes\nMatch Group *,!root\n PasswordAuthentication no\n KbdInteractiveAuthentication no\n",
        )],
    ),
    ("another port", &[(MAIN, "Port 2222\nPort 22\nMatch LocalPort 2222\n PermitRootLogin yes\n")]),
    (
        "another of its addresses",
        &[(
            MAIN,
            "Match LocalAddress 192.0.2.1\n PermitRootLogin yes\nMatch LocalAddress 0.0.0.0/0\n PasswordAuthentication no\n",
        )],
    ),
    (
        "an include in a block that applies",
        &[
            (MAIN, "Match User root\n Include in\nMatch all\n PasswordAuthentication no\n"),
            ("/etc/ssh/in", "PermitRootLogin yes\nMatch User an\n PermitRootLogin no\n"),
        ],
    ),
    (
        "an include in a block that does not",
        &[
            (MAIN, "Match User an\n Include in\nMatch all\n KbdInteractiveAuthentication no\n"),
            ("/etc/ssh/in", "PermitRootLogin yes\nMatch all\n PasswordAuthentication no\n PermitRootLogin yes\n"),
        ],
    ),
    (
        "after an include in a block",
        &[
            (MAIN, "Match User root\n Include in\n PermitRootLogin yes\n"),
            ("/etc/ssh/in", "Match User an\n PasswordAuthentication no\n"),
        ],
    ),
    (
        "a block of a drop-in that applies to all",
        &[
            (MAIN, "Include d/*\nPermitRootLogin no\n"),
            ("/etc/ssh/d/1", "Match all\nPermitRootLogin yes\n"),
            ("/etc/ssh/d/2", "PasswordAuthentication no\n"),
        ],
    ),
    ("a key and a password", &[(MAIN, "AuthenticationMethods publickey,password publickey,keyboard-interactive\n")]),
    (
        "a key, or a password typed by PAM",
        &[(MAIN, "AuthenticationMethods publickey keyboard-interactive:pam\nPasswordAuthentication no\n")],
    ),
    ("a password that is off", &[(MAIN, "AuthenticationMethods password publickey\nPasswordAuthentication no\n")]),
    ("any way", &[(MAIN, "AuthenticationMethods any\nKbdInteractiveAuthentication no\n")]),
    ("a key and more, in a block", &[(MAIN, "Match Address *\n AuthenticationMethods publickey\n")]),
    ("root is not among those allowed", &[(MAIN, "PermitRootLogin yes\nAllowUsers an binh\nAllowUsers chi\n")]),
    ("root is, from anywhere", &[(MAIN, "PermitRootLogin yes\nAllowUsers an root@*\n")]),
    ("root from inside", &[(MAIN, "PermitRootLogin yes\nAllowUsers root@10.0.0.0/8\n")]),
    ("root is denied", &[(MAIN, "PermitRootLogin yes\nDenyUsers r?ot\n")]),
    ("root's group is denied", &[(MAIN, "PermitRootLogin yes\nDenyGroups wheel root\n")]),
    ("other groups are allowed", &[(MAIN, "PermitRootLogin yes\nAllowGroups ssh-*\n")]),
    ("no such value", &[(MAIN, "PermitRootLogin maybe\n")]),
    ("no value", &[(MAIN, "PasswordAuthentication\n")]),
    ("an open quote", &[(MAIN, "PermitRootLogin \"yes\n")]),
    ("no such network", &[(MAIN, "Match Address 10.0.0.1/8\n PermitRootLogin yes\n")]),
    ("no such criterion", &[(MAIN, "Match Planet earth\n PermitRootLogin yes\n")]),
    ("all beside another", &[(MAIN, "Match User root all\n PermitRootLogin yes\n")]),
    (
        "words in quotes, other cases",
        &[(MAIN, "match User \"root\"\n PermitRootLogin yes\nMATCH ALL\n PasswordAuthentication no\n")],
    ),
    (
        "lists of accounts and groups",
        &[(
            MAIN,
            "Match User an,ro* Group wheel,root\n PermitRootLogin yes\nMatch Group nogroup\n KbdInteractiveAuthentication no\n PasswordAuthentication no\n",
        )],
    ),
    (
        "the stranger himself",
        &[(
            MAIN,
            "Match Address 2001:db8::/32,203.0.113.9\n PermitRootLogin yes\nMatch Address \"203.0.113.?\"\n PasswordAuthentication no\n",
        )],
    ),
    (
        "hosts by name",
        &[(
            MAIN,
            "Match Host *.example.vn\n PermitRootLogin yes\nMatch Host !*.vn,*\n PasswordAuthentication no\n KbdInteractiveAuthentication no\n",
        )],
    ),
    ("more than a value", &[(MAIN, "PermitRootLogin yes please\n")]),
    ("several ports", &[(MAIN, "Match LocalPort 22,2222\n PermitRootLogin yes\n")]),
    ("a routing domain", &[(MAIN, "Match RDomain *\n PermitRootLogin yes\n")]),
    (
        "a directory is included",
        &[(MAIN, "Include d # why\nPermitRootLogin yes\n"), ("/etc/ssh/d/a", "PermitRootLogin no\n")],
    ),
    ("any and another", &[(MAIN, "AuthenticationMethods any publickey\n")]),
    ("no method of that name", &[(MAIN, "AuthenticationMethods passwort\n")]),
    ("two equals signs", &[(MAIN, "PermitRootLogin==yes\n")]),
    ("an empty word", &[(MAIN, "PermitRootLogin \"\"\n")]),
    ("patterns that name nothing", &[(MAIN, "Include /etc/ssh/none/*.conf /etc/ssh/none2\nPermitRootLogin yes\n")]),
    (
        "a block in the middle of what is included",
        &[
            (MAIN, "Include d/*\nMatch User root\n Include e/*\nPasswordAuthentication no\n"),
            ("/etc/ssh/d/1", "PasswordAuthentication yes\nMatch User nobody\nInclude e/*\n"),
            ("/etc/ssh/d/2", "KbdInteractiveAuthentication no\n"),
            ("/etc/ssh/e/1", "PermitRootLogin yes\nPasswordAuthentication no\n"),
        ],
    ),
    ("carriage returns and form feeds", &[(MAIN, "PermitRootLogin yes\r\nPasswordAuthentication no \u{c}\r\n")]),
];

#[test]
fn sshd_lets_in_whom_we_say() {
    let settings = SurveySettings::default();
    let mut wrong = Vec::new();
    for (what, files) in SSHD {
        let dir = tempfile::tempdir().unwrap();
        lay(dir.path(), files);
        let ssh = dir.path().join("etc/ssh");
        let keys = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(dir.path().join("key"))
            .status();
        assert!(keys.expect("openssh-client is installed").success());
        for user in ["root", "nobody"] {
            let groups: Vec<String> = {
                let groups = Command::new("id").args(["-Gn", user]).output().unwrap();
                String::from_utf8(groups.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
            };
            let who = SshdConnection { user: user.to_owned(), groups, port: 22 };
            let ours = read_config(&machine(dir.path(), &settings), MAIN, &who).map(|found| found.unwrap().decided);
            let about = format!("user={user},host=203.0.113.9,addr=203.0.113.9,laddr=198.51.100.1,lport=22");
            // The directory that sshd locks itself into is made by its unit, elsewhere.
            let script = format!(
                "mount -t tmpfs none /run; mkdir -m 755 /run/sshd; mount --bind {} /etc/ssh; exec /usr/sbin/sshd -T -h {} -C {about}",
                ssh.display(),
                dir.path().join("key").display()
            );
            let output = apart(&script);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let theirs =
                output.status.success().then(|| parse_effective(&String::from_utf8_lossy(&output.stdout)).unwrap());
            match (&ours, &theirs) {
                (Err(_), None) => {}
                (Ok(ours), Some(theirs)) => {
                    let both =
                        |one: &ioc_probe::sshd::EffectiveSettings| (one.lets_root_in(&who), one.password_is_enough());
                    if both(ours) != both(theirs) {
                        wrong.push(format!("{what}, {user}: ours {ours:?}\n  theirs {theirs:?}"));
                    }
                }
                _ => wrong.push(format!("{what}, {user}: ours {ours:?}, theirs {}", said.trim())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SUDOERS: &str = "/etc/sudoers";
const USERS: [&str; 8] = ["an", "binh", "chi", "dung", "lan", "minh", "le", "DOM\\adm"];
const PASSWD: &str = "root:x:0:0::/root:/bin/bash\nan:x:1000:1000::/home/an:/bin/bash\nbinh:x:1001:1001::/home/binh:/bin/bash\n\
    chi:x:1002:1002::/home/chi:/bin/bash\ndung:x:1003:1003::/home/dung:/bin/bash\nlan:x:1004:2000::/home/lan:/bin/bash\n\
    minh:x:1005:1005::/home/minh:/bin/bash\nle:x:1006:1006::/home/le:/bin/bash\nDOM\\adm:x:1007:1007::/home/adm:/bin/bash\n";
const GROUP: &str =
    "root:x:0:\nsudo:x:27:binh\nwheel:x:10:chi\nops:x:2000:chi\nkỹ thuật:x:2001:minh\nan:x:1000:\nle:x:1006:\n";
const SUDO: &[Case] = &[
    ("nobody", &[(SUDOERS, "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n")]),
    ("an alias of users", &[(SUDOERS, "User_Alias ADMINS = an, binh\nADMINS ALL=(ALL:ALL) ALL\n")]),
    (
        "aliases of aliases, used before they are defined",
        &[(SUDOERS, "A ALL=ALL\nUser_Alias A = B, !chi : B = an, chi, \\\n  minh\n")],
    ),
    ("numbers", &[(SUDOERS, "#1003 ALL=(ALL) ALL\n%#2000 ALL=(ALL) ALL # lan by its own group\n")]),
    ("lists with blanks", &[(SUDOERS, "an , binh,chi ALL = (ALL) ALL\n \tlan,\\\n\t minh ALL=ALL\n")]),
    ("groups", &[(SUDOERS, "%ops ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n")]),
    ("the group wheel without a rule", &[(SUDOERS, "# %wheel ALL=(ALL) ALL\n#%wheel ALL=(ALL) NOPASSWD: ALL\n")]),
    ("all", &[(SUDOERS, "ALL ALL=(ALL) /usr/bin/id\n")]),
    ("all but one", &[(SUDOERS, "ALL, !an, !%ops ALL=(ALL) ALL\n")]),
    (
        "escapes and quotes",
        &[(SUDOERS, "DOM\\\\adm ALL=ALL\n\"%kỹ thuật\" ALL=ALL\n%DOM\\\\domain\\ admins ALL=ALL\n\"le\" ALL=ALL\n")],
    ),
    ("a group with an escaped blank", &[(SUDOERS, "%kỹ\\ thuật ALL=ALL\n%k\\xe1\\xbb\\xb9\\x20x ALL=ALL\n")]),
    (
        "another host",
        &[(
            SUDOERS,
            "Host_Alias WEB = web1, web2 : ME = ALL, !db\nan WEB=ALL\nbinh db = ALL : ME = ALL\nchi !ME=ALL\nle ALL,!WEB=ALL\n",
        )],
    ),
    (
        "as somebody else",
        &[(
            SUDOERS,
            "Runas_Alias DB = postgres, mysql : R = DB, root\nan ALL=(DB) ALL\nbinh ALL=(R) /bin/ls\n\
             chi ALL=(ALL,!root) ALL\nlan ALL=(:adm) ALL\nle ALL=(www-data) /bin/a, (root) /bin/b\nminh ALL=(#0) ALL\n",
        )],
    ),
    (
        "tags, digests, settings",
        &[(
            SUDOERS,
            "an ALL=(root) NOPASSWD:SETENV: sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== /bin/ls\n\
             binh ALL=CWD=/tmp NOPASSWD: /bin/ls -l, !/bin/su\nchi ALL=TIMEOUT=1m30s /bin/x a\\:b\\,c\\=d : web = ALL\n",
        )],
    ),
    (
        "aliases of commands",
        &[(
            SUDOERS,
            "Cmnd_Alias SHELLS = /bin/sh, /bin/bash : EDIT = sudoedit /etc/hosts\nan ALL=SHELLS\nbinh ALL=EDIT, !SHELLS\nCmd_Alias X=/bin/x\nchi ALL=X\n",
        )],
    ),
    (
        "regular expressions",
        &[(
            SUDOERS,
            "an ALL=^/usr/bin/[a-z,:]+$ ^[0-9]{1,3}$, /bin/ls\nbinh ALL = /usr/bin/journalctl ^-u [a-z]{2,}$\n",
        )],
    ),
    (
        "a directory and a file",
        &[
            (SUDOERS, "@includedir /etc/sudoers.d\n#include /etc/sudoers.local\n"),
            ("/etc/sudoers.d/10-an", "an ALL=ALL\n"),
            ("/etc/sudoers.d/old.bak", "binh ALL=ALL\n"),
            ("/etc/sudoers.d/old~", "chi ALL=ALL\n"),
            ("/etc/sudoers.d/a~b", "dung ALL=ALL\n"),
            ("/etc/sudoers.local", "lan ALL=ALL\n"),
        ],
    ),
    (
        "the old mark, a relative path, an include in an include",
        &[
            (SUDOERS, "#includedir sudoers.more\n"),
            ("/etc/sudoers.more/a", "@include \"b c\"\nan ALL=ALL\n"),
            ("/etc/sudoers.more/b c", "binh ALL=ALL"),
        ],
    ),
    (
        "a file with an escaped blank in its name",
        &[(SUDOERS, "@include x\\ y\nan ALL=ALL\n"), ("/etc/x y", "binh ALL=ALL\n")],
    ),
    ("an include that is not there", &[(SUDOERS, "an ALL=ALL\n@include /etc/none\nbinh ALL=ALL\n")]),
    ("aliases in another file", &[(SUDOERS, "@include /etc/a\nX ALL=ALL\n"), ("/etc/a", "User_Alias X = an\n")]),
    (
        "settings",
        &[(
            SUDOERS,
            "Defaults:an !authenticate\nDefaults secure_path=\"/usr/sbin:/usr/bin\", passprompt=\"a # b\"\n\
             Defaults@web log_output\nDefaults!/bin/x noexec\nDefaults>root !set_logname\nDefaults !fqdn, \\\n  mail_badpass\nan ALL=ALL\n",
        )],
    ),
    ("what runs as nobody by itself", &[(SUDOERS, "Defaults runas_default=nobody\nan ALL=ALL\nbinh ALL=(root) ALL\n")]),
    ("a comment does not go on", &[(SUDOERS, "# a comment \\\nan ALL=ALL\nbinh ALL=ALL # so \\\nchi ALL=ALL\n")]),
    (
        "blanks and continuations everywhere",
        &[(SUDOERS, "an\\\n ALL\\\n = \\\n (root) \\\n ALL\n\n  \t\nUser_Alias\tX=binh,\\\nchi:Y=le\nX,Y ALL=ALL")],
    ),
    ("an alias that nobody defined is a name", &[(SUDOERS, "OPS ALL=ALL\nan ALL=ALL\n")]),
    ("netgroups and groups of others", &[(SUDOERS, "+admins ALL=ALL\n%:domain\\ users ALL=ALL\nan ALL=ALL\n")]),
    ("twice negated", &[(SUDOERS, "User_Alias NOT = !an, binh\nALL, !NOT ALL=ALL\n!!chi ALL=ALL\n")]),
    ("carriage returns", &[(SUDOERS, "an ALL=ALL\r\n%ops ALL=(ALL) ALL\r\n")]),
    (
        "close together",
        &[(
            SUDOERS,
            "an ALL=(ALL)NOPASSWD:ALL\nbinh ALL=NOPASSWD:/bin/x,PASSWD:/bin/y\nchi ALL=( root , an : adm ) ALL\nminh ALL = LOG_OUTPUT: NOEXEC: /bin/x\n%#27,#1004 ALL=ALL\n",
        )],
    ),
    (
        "arguments in quotes",
        &[(
            SUDOERS,
            "an ALL=/bin/sh -c \"a b\"\nbinh ALL=/bin/x \"\"\nchi ALL=sudoedit /etc/a, /usr/bin/\nle ALL=/bin/x [a-z]* --c=d\nminh ALL=list\n",
        )],
    ),
    (
        "hosts",
        &[(
            SUDOERS,
            "Host_Alias H=srv-01 : N=10.0.0.0/8\nan H=ALL\nbinh SRV-01=ALL\nchi SRV=ALL\ndung srv*=ALL\nle web,srv-01=ALL\n",
        )],
    ),
    (
        "directories of commands",
        &[(
            SUDOERS,
            "an ALL=(ALL) CWD=* ALL\nbinh ALL=(root) CHROOT=/x CWD=/y NOPASSWD: ALL\nchi ALL=ROLE=x TYPE=y /bin/x\n",
        )],
    ),
    (
        "several digests",
        &[(
            SUDOERS,
            "an ALL=(root) NOPASSWD: sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ==, sha224 : 0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== /bin/ls, /bin/cat\n",
        )],
    ),
    ("the host's name in a path", &[(SUDOERS, "#include /etc/sudoers.%h\n"), ("/etc/sudoers.srv-01", "an ALL=ALL\n")]),
    (
        "blanks before an include",
        &[
            (SUDOERS, "  #include /etc/x\n\t@include /etc/y\nan ALL=ALL\n"),
            ("/etc/x", "binh ALL=ALL\n"),
            ("/etc/y", "chi ALL=ALL\n"),
        ],
    ),
    (
        "a directory within the directory",
        &[
            (SUDOERS, "@includedir /etc/sudoers.d\n@includedir /etc/sudoers.d/\n@includedir /etc/none\n"),
            ("/etc/sudoers.d/d/a", "binh ALL=ALL\n"),
            ("/etc/sudoers.d/b", "an ALL=ALL\n"),
        ],
    ),
    (
        "a comment behind an include",
        &[
            (SUDOERS, "@include /etc/x # why\n#includedir /etc/d # why\n"),
            ("/etc/x", "an ALL=ALL\n"),
            ("/etc/d/y", "binh ALL=ALL\n"),
        ],
    ),
    (
        "as two",
        &[(
            SUDOERS,
            "an ALL=(www-data) ALL, (root) ALL\nbinh ALL=(root,www-data:ALL) ALL\nchi ALL=(www-data:ALL) ALL\nle ALL=() ALL\n",
        )],
    ),
    (
        "who is named like a group or in capitals",
        &[(SUDOERS, "User_Alias AN=an\nAN,root,%ops ALL=ALL\n%lan ALL=ALL\nBINH ALL=ALL\n")],
    ),
    ("characters by number", &[(SUDOERS, "\\x61n ALL=ALL\nb\\inh ALL=ALL\n\"c\\x68i\" ALL=ALL\n")]),
    ("several parts of a rule", &[(SUDOERS, "an web1 = /bin/a : web2 = (root) /bin/b\nbinh web1=ALL:ALL=/bin/c\n")]),
];

#[test]
fn sudo_obeys_whom_we_say() {
    let settings = SurveySettings::default();
    let mut wrong = Vec::new();
    for (what, files) in SUDO {
        let dir = tempfile::tempdir().unwrap();
        lay(
            dir.path(),
            &[
                ("/etc/passwd", PASSWD),
                ("/etc/group", GROUP),
                ("/etc/shadow", ""),
                ("/proc/sys/kernel/hostname", "srv-01\n"),
            ],
        );
        lay(dir.path(), files);
        let found = ioc_probe::accounts::survey(&machine(dir.path(), &settings)).unwrap();
        let accounts: Accounts = found.document.unwrap().read().unwrap();
        let ours: BTreeSet<&str> = accounts
            .accounts
            .iter()
            .filter(|one| one.administrator && one.name != "root")
            .map(|one| one.name.as_str())
            .collect();
        // Its own rules keep to who owns them and who may write.
        let asked: String =
            USERS.iter().map(|user| format!("printf '>> %s\\n' '{user}'; sudo -l -U '{user}' 2>&1; ")).collect();
        let script = format!(
            "set +e; etc={}/etc; hostname srv-01; cp -r /etc/pam.d /etc/security /etc/ld.so.cache /etc/nsswitch.conf $etc/ 2>/dev/null; \
             chown -R root:root $etc; chmod -R go-w $etc; mount --bind $etc /etc; {asked}",
            dir.path().display()
        );
        let output =
            Command::new("unshare").args(["-m", "-u", "sh", "-ec", &script]).env("LC_ALL", "C.UTF-8").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let theirs: BTreeSet<&str> = said
            .split(">> ")
            .filter_map(|part| {
                let (user, said) = part.split_once('\n')?;
                let as_root = said.lines().filter_map(|line| line.trim_start().strip_prefix('(')).any(|line| {
                    let (runas, command) = line.split_once(')').unwrap();
                    let users: Vec<&str> = runas.split(':').next().unwrap().split(',').map(str::trim).collect();
                    let root =
                        users.iter().any(|user| ["root", "ALL", "R", "#0"].contains(user)) && !users.contains(&"!root");
                    root && !command.trim().starts_with('!')
                });
                as_root.then_some(user)
            })
            .collect();
        if ours != theirs || said.matches(">> ").count() != USERS.len() {
            wrong.push(format!("{what}: ours {ours:?}, theirs {theirs:?}, unknown '{}'\n{said}", accounts.unknown));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

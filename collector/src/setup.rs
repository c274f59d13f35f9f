//! `ioc-collector init`: asks about the site, checks each answer, and makes the configuration.

use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};

use ioc_common::config::Source;
use ioc_common::language::Language;

use crate::config;
use ioc_engine::config::DEFAULT_CONFIG;

/// The answers about a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupAnswers {
    /// Name of the site, on pages and notices.
    pub site: String,
    /// The agencies that own and run it.
    pub agencies: Vec<String>,
    /// `vi` or `en`.
    pub language: String,
    /// IANA name of the time zone.
    pub zone: String,
    /// Names and addresses by which agents and browsers reach the collector. Links and agents use the first one.
    pub names: Vec<String>,
    /// Address on which it listens; `127.0.0.1` for this machine alone.
    pub listen: IpAddr,
    /// How notices are mailed; none while there is no mail.
    pub mail: Option<MailSetup>,
}

/// A mail server and the mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSetup {
    /// Host and port.
    pub server: String,
    /// Address that notices come from.
    pub from: String,
    /// Addresses that notices go to.
    pub to: Vec<String>,
}

impl SetupAnswers {
    /// The answers that are proposed on this machine.
    #[must_use]
    pub fn proposed(host: &str) -> Self {
        Self {
            site: "IOC".to_owned(),
            agencies: Vec::new(),
            language: Language::default().to_string(),
            zone: "Asia/Ho_Chi_Minh".to_owned(),
            names: vec![host.to_owned()],
            listen: IpAddr::from([0, 0, 0, 0]),
            mail: None,
        }
    }

    /// Checks what can be checked without the network.
    ///
    /// # Errors
    /// The answer that is not good, and the mend.
    pub fn check(&self) -> Result<(), String> {
        let plain = |text: &str| !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
        if !plain(self.site.trim()) {
            return Err("name of the site: allowed are 1 to 200 letters in one line".to_owned());
        }
        if !self.agencies.iter().all(|agency| plain(agency.trim())) {
            return Err("agencies: allowed are 1 to 200 letters in one line for each".to_owned());
        }
        if Language::from_code(&self.language).is_none() {
            return Err(format!("language: found {:?}; allowed are {}", self.language, Language::codes()));
        }
        if jiff::tz::TimeZone::get(&self.zone).is_err() {
            return Err(format!(
                "time zone: found {:?}; allowed are IANA names such as Asia/Ho_Chi_Minh (package tzdata)",
                self.zone
            ));
        }
        let host = |name: &String| {
            name.parse::<IpAddr>().is_ok()
                || (plain(name) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)))
        };
        if self.names.is_empty() || !self.names.iter().all(host) {
            return Err(format!("names: found {:?}; allowed are host names and addresses", self.names.join(" ")));
        }
        if let Some(mail) = &self.mail {
            let port = mail.server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
            if port.is_none_or(|(host, port)| host.is_empty() || port == 0) {
                return Err(format!(
                    "mail server: found {:?}; allowed is host:port such as mail.example:587",
                    mail.server
                ));
            }
            let mailbox = |text: &String| text.split_once('@').is_some_and(|(user, host)| plain(user) && plain(host));
            if !mailbox(&mail.from) || mail.to.is_empty() || !mail.to.iter().all(mailbox) {
                return Err("mail: allowed are addresses such as duty@example.gov.vn".to_owned());
            }
        }
        Ok(())
    }

    /// The shipped configuration with these answers in it, read back once to be sure.
    ///
    /// # Errors
    /// The answer that is not good, and the mend.
    pub fn to_toml(&self) -> Result<String, String> {
        self.check()?;
        let quoted = |text: &str| format!("{text:?}");
        let list = |all: &[String]| format!("[{}]", all.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", "));
        let mut names = self.names.clone();
        for local in ["localhost", "127.0.0.1", "::1"] {
            if !names.iter().any(|name| name == local) {
                names.push(local.to_owned());
            }
        }
        let at = |port| quoted(&SocketAddr::new(self.listen, port).to_string());
        let mut section = "";
        let mut text = String::new();
        for line in DEFAULT_CONFIG.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let key = line.split(" = ").next().unwrap_or_default();
            let value = match (section, key) {
                ("[site]", "name") => quoted(self.site.trim()),
                ("[site]", "agencies") => list(&self.agencies),
                ("[site]", "language") => quoted(&self.language),
                ("[site]", "timezone") => quoted(&self.zone),
                ("[ingest]", "listen") => at(8883),
                ("[web]", "listen") => at(8443),
                ("[web]", "names") => list(&names),
                _ => {
                    text += line;
                    text.push('\n');
                    continue;
                }
            };
            text += &format!("{key} = {value}\n");
        }
        if let Some(mail) = &self.mail {
            text += &format!(
                "\n[[channel]]\nname = \"duty-mail\"\ntype = \"smtp\"\nserver = {}\nfrom = {}\nto = {}\n",
                quoted(&mail.server),
                quoted(&mail.from),
                list(&mail.to)
            );
        }
        config::parse(&Source::built_in("(the new configuration)", &text)).map_err(|error| error.to_string())?;
        Ok(text)
    }
}

/// A question: its text, what is proposed, and how an answer is taken.
type Question = (&'static str, fn(&SetupAnswers) -> String, fn(&str, &mut SetupAnswers) -> Result<(), String>);

/// What is asked, Vietnamese first.
const QUESTIONS: [Question; 7] = [
    (
        "Tên trung tâm · Name of the site",
        |all| all.site.clone(),
        |text, all| {
            text.clone_into(&mut all.site);
            Ok(())
        },
    ),
    (
        "Cơ quan chủ quản và vận hành, cách nhau bằng dấu chấm phẩy · Agencies that own and run it, with semicolons",
        |all| all.agencies.join("; "),
        |text, all| {
            all.agencies = text.split(';').map(|one| one.trim().to_owned()).collect();
            Ok(())
        },
    ),
    (
        "Ngôn ngữ · Language (vi, en)",
        |all| all.language.clone(),
        |text, all| {
            text.clone_into(&mut all.language);
            Ok(())
        },
    ),
    (
        "Múi giờ · Time zone",
        |all| all.zone.clone(),
        |text, all| {
            text.clone_into(&mut all.zone);
            Ok(())
        },
    ),
    (
        "Tên và địa chỉ của máy này, cách nhau bằng dấu cách · Names and addresses of this machine, after spaces",
        |all| all.names.join(" "),
        |text, all| {
            all.names = text.split_whitespace().map(str::to_owned).collect();
            Ok(())
        },
    ),
    (
        "Nghe ở địa chỉ · Listen on (127.0.0.1: this machine alone)",
        |all| all.listen.to_string(),
        |text, all| {
            all.listen =
                text.parse().map_err(|_| format!("found {text:?}; allowed is an address such as 0.0.0.0 or ::"))?;
            Ok(())
        },
    ),
    (
        "Thư báo: máy chủ:cổng từ tới… · Mail: server:port from to…",
        |all| all.mail.as_ref().map_or_else(|| "không · none".to_owned(), |mail| mail.server.clone()),
        |text, all| {
            let mut words = text.split_whitespace().map(str::to_owned);
            let (Some(server), Some(from)) = (words.next(), words.next()) else {
                return Err("allowed is: mail.example:587 ioc@example truc-ban@example".to_owned());
            };
            all.mail = Some(MailSetup { server, from, to: words.collect() });
            Ok(())
        },
    ),
];

/// Asks a person, one question after the other, and again where an answer is not good. An empty answer takes what is proposed.
///
/// # Errors
/// When the person, or the terminal, is gone.
pub fn ask(proposed: SetupAnswers, from: &mut dyn BufRead, to: &mut dyn Write) -> std::io::Result<SetupAnswers> {
    let mut answers = proposed;
    for (text, shown, take) in QUESTIONS {
        loop {
            write!(to, "{text} [{}]: ", shown(&answers))?;
            to.flush()?;
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
            let mut tried = answers.clone();
            let taken = if line.trim().is_empty() { Ok(()) } else { take(line.trim(), &mut tried) };
            match taken.and_then(|()| tried.check()) {
                Ok(()) => {
                    answers = tried;
                    break;
                }
                Err(why) => writeln!(to, "  {why}")?,
            }
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_asked_again_until_they_are_good_and_stand_in_the_configuration() {
        let said = "IOC tỉnh \"Hà Nam\"\nSở KH&CN; ; Trung tâm CĐS\nSở KH&CN; Trung tâm CĐS\nfr\nvi\nHanoi\n\nioc.hanam.example 10.1.2.3\n0.0.0\n0.0.0.0\n\
                    mail.example ioc@example\nmail.example:587 ioc@hanam.example truc@hanam.example\n";
        let mut shown = Vec::new();
        let answers = ask(SetupAnswers::proposed("vm"), &mut said.as_bytes(), &mut shown).expect("answered");
        let shown = String::from_utf8(shown).expect("text");
        assert_eq!(shown.matches("allowed").count(), 5, "{shown}");
        let text = answers.to_toml().expect("written");
        let config = config::parse(&Source::built_in("collector.toml", &text)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(config.site_name, "IOC tỉnh \"Hà Nam\"");
        assert_eq!(config.agencies, ["Sở KH&CN", "Trung tâm CĐS"]);
        assert_eq!(config.web_url, "https://ioc.hanam.example:8443");
        assert_eq!((config.mqtt_listen.to_string().as_str(), config.channels.len()), ("0.0.0.0:8883", 1));
        assert!(config.names.iter().any(|name| name == "10.1.2.3") && config.names.iter().any(|name| name == "::1"));
        assert!(text.contains("# Every key is shown with its default"), "the explanations stay");
        assert!(
            ask(SetupAnswers::proposed("vm"), &mut "x\n".as_bytes(), &mut Vec::new()).is_err(),
            "the person is gone"
        );
    }

    #[test]
    fn what_is_proposed_is_good_and_nonsense_is_not() {
        assert!(SetupAnswers::proposed("ioc-01").to_toml().is_ok());
        let wrong = |change: fn(&mut SetupAnswers)| {
            let mut answers = SetupAnswers::proposed("ioc-01");
            change(&mut answers);
            answers.check().expect_err("refused")
        };
        assert!(wrong(|all| all.site = "\n".to_owned()).contains("site"));
        assert!(wrong(|all| all.names.clear()).contains("names"));
        assert!(wrong(|all| all.names = vec!["a b".to_owned()]).contains("names"));
        assert!(wrong(|all| all.zone = "Mars".to_owned()).contains("tzdata"));
    }
}

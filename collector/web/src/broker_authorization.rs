//! What a broker asks of the collector: who may sign in there, and publish and subscribe to what. The form is that of RabbitMQ's
//! `rabbitmq_auth_backend_http`; it is answered on an address of this machine alone (`authorization_listen` in `[ingest.broker]`).
//!
//! Whether a certificate is one of ours the broker has seen itself, and asks by its common name. So a device that was revoked is refused here
//! whichever certificate it shows; that one certificate of it was replaced, nobody can see here.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Router};

use ioc_common::clock;
use ioc_common::id::DeviceId;
use ioc_common::topic::{DownKind, MAJOR, ROOT, UpKind};
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::writer::CertificateAllowlist;

/// Largest question, bytes.
const QUESTION_MAX_BYTES: usize = 8192;
/// Where RabbitMQ keeps what MQTT clients publish, and how it calls the queue of one.
const EXCHANGE: &str = "amq.topic";
const QUEUE: &str = "mqtt-subscription-";

/// Makes the list of certificates that are good no more, PEM; or says why it cannot.
pub type RevocationList = Box<dyn Fn() -> Result<String, String> + Send + Sync>;

/// Who may do what at the broker.
pub struct BrokerAuthorization {
    /// The devices that may come.
    pub access: Arc<CertificateAllowlist>,
    /// Counts who is refused.
    pub health: Arc<Health>,
    /// How often a refusal is written down.
    pub log_limit: Arc<LogRateLimit>,
    /// The name in the certificate of the collector itself.
    pub collector: String,
    /// Its client identifier.
    pub client_id: String,
    /// For brokers that take a list of revoked certificates.
    pub revoked: RevocationList,
}

impl std::fmt::Debug for BrokerAuthorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerAuthorization").field("collector", &self.collector).finish_non_exhaustive()
    }
}

/// What a broker asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    User,
    VirtualHost,
    Resource,
    Topic,
}

type Fields = HashMap<String, String>;

impl BrokerAuthorization {
    /// The routes, for `auth_http.user_path` and its like.
    pub fn router(self) -> Router {
        let ask = |question| post(answer).layer(Extension(question));
        Router::new()
            .route("/user", ask(Question::User))
            .route("/vhost", ask(Question::VirtualHost))
            .route("/resource", ask(Question::Resource))
            .route("/topic", ask(Question::Topic))
            .route("/revoked.pem", get(revoked))
            .layer(DefaultBodyLimit::max(QUESTION_MAX_BYTES))
            .with_state(Arc::new(self))
    }

    /// Whether it is allowed, else why not.
    fn decide(&self, question: Question, fields: &Fields) -> Result<(), &'static str> {
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        let user = field("username");
        let who = self.who(user)?;
        // RabbitMQ 3.10 says it with every question but the first. Whoever takes another's ends its connection, and has its session.
        if !["", who.client_id(self)].contains(&field("client_id")) {
            return Err("its client identifier is not its own");
        }
        match question {
            Question::User => Ok(()),
            Question::VirtualHost if field("vhost") == "/" => Ok(()),
            Question::VirtualHost => Err("only the virtual host / is for devices"),
            Question::Resource => match (field("resource"), field("name"), field("permission")) {
                ("exchange", EXCHANGE, "read" | "write") => Ok(()),
                ("queue", queue, "configure" | "read" | "write") if who.owns(self, queue) => Ok(()),
                ("queue", ..) => Err("the queue is another client's"),
                _ => Err("only the exchange of MQTT and its own queue are for it"),
            },
            Question::Topic => {
                let key = field("routing_key");
                let allowed = match field("permission") {
                    "write" => who.may_publish(key),
                    "read" => who.may_subscribe(key),
                    _ => false,
                };
                if allowed { Ok(()) } else { Err("the topic is not its own") }
            }
        }
    }

    fn who(&self, user: &str) -> Result<Who, &'static str> {
        if user == self.collector {
            return Ok(Who::Collector);
        }
        let device = DeviceId::new(user).map_err(|_| "the name is no device identifier")?;
        // RabbitMQ takes "/" and "." for one: what such a device publishes would be under other topics, and nobody would hear it.
        if user.contains('.') {
            return Err(
                "an identifier with a dot cannot come through RabbitMQ; enrol it under another one, or let it come to our own endpoint",
            );
        }
        if self.access.knows(&device) { Ok(Who::Device(device)) } else { Err("not enrolled, revoked or kept out") }
    }
}

enum Who {
    Collector,
    Device(DeviceId),
}

impl Who {
    fn client_id<'a>(&'a self, authorization: &'a BrokerAuthorization) -> &'a str {
        match self {
            Self::Collector => &authorization.client_id,
            Self::Device(device) => device.as_str(),
        }
    }

    fn owns(&self, authorization: &BrokerAuthorization, queue: &str) -> bool {
        let rest = queue.strip_prefix(QUEUE).and_then(|rest| rest.strip_prefix(self.client_id(authorization)));
        matches!(rest, Some("qos0" | "qos1"))
    }

    /// A topic as RabbitMQ writes it, with dots.
    fn may_publish(&self, key: &str) -> bool {
        match self {
            Self::Collector => {
                let levels: Vec<&str> = key.split('.').collect();
                matches!(levels.as_slice(), &[ROOT, MAJOR, _, _, "down", kind] if DownKind::parse(kind).is_some())
            }
            Self::Device(device) => {
                let kind = key.strip_prefix(&format!("{ROOT}.{MAJOR}.{}.{device}.up.", device.shard()));
                kind.and_then(UpKind::parse).is_some()
            }
        }
    }

    /// A filter as RabbitMQ writes it: `*` for one level.
    fn may_subscribe(&self, key: &str) -> bool {
        match self {
            Self::Collector => key == format!("{ROOT}.{MAJOR}.*.*.up.*"),
            Self::Device(device) => {
                let rest = key.strip_prefix(&format!("{ROOT}.{MAJOR}.{}.{device}.down.", device.shard()));
                rest.is_some_and(|kind| kind == "*" || DownKind::parse(kind).is_some())
            }
        }
    }
}

/// The list of certificates that are good no more.
async fn revoked(State(asked): State<Arc<BrokerAuthorization>>) -> Result<String, (StatusCode, String)> {
    let unavailable = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why);
    let made = tokio::task::spawn_blocking(move || (asked.revoked)()).await;
    made.map_err(|error| unavailable(error.to_string()))?.map_err(unavailable)
}

async fn answer(
    State(asked): State<Arc<BrokerAuthorization>>,
    Extension(question): Extension<Question>,
    Form(fields): Form<Fields>,
) -> &'static str {
    match asked.decide(question, &fields) {
        Ok(()) => "allow",
        Err(why) => {
            asked.health.count_refused("broker_authorization");
            if let Some(left_out) = asked.log_limit.allows("broker_authorization", None, clock::boottime_ms()) {
                let user: String = fields.get("username").map_or("", String::as_str).chars().take(80).collect();
                tracing::info!(user, ?question, why, left_out, "a broker is told to refuse");
            }
            "deny"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization() -> BrokerAuthorization {
        let access = CertificateAllowlist::default();
        for name in ["srv-1", "srv-2", "a.b"] {
            access.admit(DeviceId::new(name).expect("valid"), "aa".to_owned());
        }
        BrokerAuthorization {
            access: Arc::new(access),
            health: Arc::default(),
            log_limit: Arc::default(),
            collector: "collector@ioc".to_owned(),
            client_id: "ioc-hanoi".to_owned(),
            revoked: Box::new(|| Ok(String::new())),
        }
    }

    fn allowed(question: Question, fields: &[(&str, &str)]) -> bool {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        authorization().decide(question, &fields).is_ok()
    }

    #[test]
    fn a_device_that_is_enrolled_signs_in_under_its_own_name() {
        let user = |name: &str, id: &str| allowed(Question::User, &[("username", name), ("client_id", id)]);
        assert!(user("srv-1", "srv-1") && user("collector@ioc", "ioc-hanoi"));
        assert!(allowed(Question::User, &[("username", "srv-1")]), "a broker that does not say it");
        for (name, id) in [("srv-1", "srv-2"), ("srv-9", "srv-9"), ("a.b", "a.b"), ("", ""), ("guest", "guest")] {
            assert!(!user(name, id), "{name} {id}");
        }
        assert!(!user("collector@ioc", "srv-1"));
        let there = [("username", "srv-1"), ("vhost", "/"), ("client_id", "ioc-hanoi")];
        assert!(!allowed(Question::VirtualHost, &there), "the collector's session");
        assert!(allowed(Question::VirtualHost, &[("username", "srv-1"), ("vhost", "/")]));
        assert!(!allowed(Question::VirtualHost, &[("username", "srv-1"), ("vhost", "other")]));
    }

    #[test]
    fn it_publishes_and_hears_under_its_own_topics_alone() {
        let topic = |user: &str, permission: &str, key: &str| {
            allowed(Question::Topic, &[("username", user), ("permission", permission), ("routing_key", key)])
        };
        let (one, two) = (DeviceId::new("srv-1").expect("valid"), DeviceId::new("srv-2").expect("valid"));
        let of = |device: &DeviceId, rest: &str| format!("ioc.1.{}.{device}.{rest}", device.shard());
        assert!(topic("srv-1", "write", &of(&one, "up.sample")) && topic("srv-1", "write", &of(&one, "up.gone")));
        assert!(topic("srv-1", "read", &of(&one, "down.*")) && topic("srv-1", "read", &of(&one, "down.committed")));
        for (permission, key) in [
            ("write", of(&two, "up.sample")),
            ("write", of(&one, "down.committed")),
            ("write", of(&one, "up.sample.x")),
            ("write", of(&one, "up.*")),
            ("read", of(&two, "down.*")),
            ("read", of(&one, "up.*")),
            ("read", "#".to_owned()),
            ("read", "ioc.1.*.*.down.*".to_owned()),
            ("configure", of(&one, "down.*")),
        ] {
            assert!(!topic("srv-1", permission, &key), "{permission} {key}");
        }
        assert!(topic("collector@ioc", "read", "ioc.1.*.*.up.*"));
        assert!(topic("collector@ioc", "write", &of(&one, "down.settings")));
        assert!(!topic("collector@ioc", "write", &of(&one, "up.sample")) && !topic("collector@ioc", "read", "#"));
    }

    #[test]
    fn it_has_its_own_queue_and_the_exchange_of_mqtt() {
        let resource = |user: &str, kind: &str, name: &str, permission: &str| {
            let fields = [("username", user), ("resource", kind), ("name", name), ("permission", permission)];
            allowed(Question::Resource, &fields)
        };
        assert!(resource("srv-1", "exchange", "amq.topic", "write"));
        assert!(resource("srv-1", "queue", "mqtt-subscription-srv-1qos1", "configure"));
        assert!(resource("collector@ioc", "queue", "mqtt-subscription-ioc-hanoiqos1", "read"));
        for (kind, name, permission) in [
            ("exchange", "amq.topic", "configure"),
            ("exchange", "amq.fanout", "write"),
            ("queue", "mqtt-subscription-srv-2qos1", "read"),
            ("queue", "mqtt-subscription-srv-11qos1", "read"),
            ("queue", "mqtt-subscription-ioc-hanoiqos1", "read"),
            ("policy", "x", "write"),
        ] {
            assert!(!resource("srv-1", kind, name, permission), "{kind} {name} {permission}");
        }
    }
}

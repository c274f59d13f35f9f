//! What every handler can reach: the ways to store and engine, the configuration, texts and limits.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use ioc_common::clock::{self, Timestamp};

use crate::authorization::EngineGateway;
use crate::feed_stamps::FeedStamps;
use crate::i18n::Texts;
use crate::oidc::ProviderCache;
use crate::person::Person;
use crate::problem::Problem;
use crate::rate_limit::RateLimiter;
use crate::readers::StoreReaders;
use crate::recent_accesses::RecentAccesses;
use crate::report_drafts::Drafts;
use crate::rule_previews::{PreviewKey, PreviewResult};
use crate::seal::Seal;
use ioc_engine::account::acknowledge_link::AcknowledgeLinks;
use ioc_engine::account::password_hashing::HashQueue;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::connection_limit::PerKeyLimit;
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::pki::PkiError;
use ioc_engine::writer::EngineHandle;
use ioc_report::filing::{FilingFacts, FilingKey};
use ioc_store::coverage::CoverageFacts;
use ioc_store::scope::AccessScope;
use ioc_store::{Reader, StoreError};

/// Live pages of one session, such as of one token on several walls, and of all.
const LIVE_PER_SESSION_MAX: usize = 32;
const LIVE_MAX: usize = 1000;

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    pub(crate) engine: EngineGateway,
    pub(crate) health: Arc<Health>,
    config: watch::Receiver<Arc<Config>>,
    readers: StoreReaders,
    pub(crate) texts: Arc<Texts>,
    /// All that is hashed goes through this.
    pub(crate) hash_queue: HashQueue,
    pub(crate) accesses: Arc<RecentAccesses>,
    pub(crate) links: Arc<AcknowledgeLinks>,
    /// What browsers keep of a sign-in that is not finished.
    pub(crate) seal: Arc<Seal>,
    /// What the identity provider said of itself.
    pub(crate) provider: Arc<ProviderCache>,
    /// Live pages that are open, by session.
    pub(crate) live: Arc<PerKeyLimit>,
    /// What strangers cause to be written down.
    pub(crate) log_limit: Arc<LogRateLimit>,
    pub(crate) limits: Arc<RateLimiter>,
    /// What coverage was last made of, and when.
    pub(crate) covered: Arc<Mutex<Option<(Timestamp, CoverageFacts)>>>,
    /// What was gathered for reports that people look at.
    pub(crate) drafts: Arc<Drafts>,
    /// What rules would have raised, as people tried them.
    pub(crate) previews: Arc<Drafts<PreviewKey, PreviewResult>>,
    /// The same for filings.
    pub(crate) filings: Arc<Drafts<FilingKey, FilingFacts>>,
    /// When calendars that people have subscribed to were last different.
    pub(crate) feeds: Arc<FeedStamps>,
    /// When it started.
    pub(crate) since: Timestamp,
}

impl App {
    /// Pages and API over these readers.
    ///
    /// # Errors
    /// When the system gives no randomness, or no thread.
    pub fn new(
        engine: EngineHandle,
        health: Arc<Health>,
        config: watch::Receiver<Arc<Config>>,
        readers: Vec<Box<dyn Reader>>,
        limited: Vec<Box<dyn Reader>>,
        links: Arc<AcknowledgeLinks>,
    ) -> Result<Self, PkiError> {
        let started = HashQueue::start();
        Ok(Self {
            engine: EngineGateway::new(engine),
            health,
            config,
            readers: StoreReaders::new(readers, limited),
            texts: Arc::new(Texts::load()),
            hash_queue: started.map_err(|error| PkiError::Make(format!("the hashing thread: {error}")))?,
            accesses: Arc::default(),
            links,
            seal: Arc::new(Seal::new()?),
            provider: Arc::default(),
            live: PerKeyLimit::new(LIVE_PER_SESSION_MAX, LIVE_MAX),
            log_limit: Arc::default(),
            covered: Arc::default(),
            drafts: Arc::default(),
            previews: Arc::default(),
            filings: Arc::default(),
            limits: Arc::default(),
            feeds: Arc::default(),
            since: clock::now(),
        })
    }

    /// Says now and then how much of what strangers do was not written down.
    pub fn log_limit(&self) -> Arc<LogRateLimit> {
        Arc::clone(&self.log_limit)
    }

    /// Reads from the store, off the async threads: what this scope shows of it.
    pub(crate) async fn read<T, F>(&self, scope: &AccessScope, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(scope, read).await
    }

    /// Has carried out what a person asks for, as far as their rights and their places reach.
    pub(crate) async fn carry_out(&self, person: &Person, command: Command) -> Result<Answer, CommandError> {
        self.engine.carry_out(&self.readers, person, command).await
    }

    /// Whether the collector's own clock is in doubt, so that no other one can be checked against it.
    pub(crate) fn is_clock_doubted(&self) -> bool {
        self.health.clock().unconfirmed_ms().is_some()
    }

    /// The time by which the engine judges, for whatever shows what is late or old: a machine's clock that nobody believes decides nothing. Its
    /// own clock before the engine has looked at it.
    pub(crate) fn judged_now(&self) -> Timestamp {
        self.health.engine_now().unwrap_or_else(clock::now)
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }
}

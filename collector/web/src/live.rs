//! Live updates: an event stream that only says that something has changed; the page then reads itself anew.
//!
//! It stands for hours, so who is behind it is asked again and again: it ends with the session or the token, and when the account is
//! disabled, or may do or see something else than when the page was opened. The page then asks anew, and is told who it is now.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};

use ioc_common::clock;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::Role;
use ioc_store::scope::AccessScope;

/// Between two wake-ups of one page.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// A sign of life, so that the page can tell a quiet centre from a lost link.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long nobody asks who is behind a stream while nothing changes.
const ACCESS_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// What an account may, as far as an open page depends on it.
#[derive(Debug, Clone, PartialEq)]
struct AccountAccess {
    role: Role,
    token_role: Option<Role>,
    places: Vec<String>,
    is_due: bool,
    lacks_second: bool,
}

/// What the account behind a session may do now; none when it is over. Whoever comes over the control socket has none, and needs none.
async fn account_access(app: &App, session: &str) -> Option<AccountAccess> {
    let (digest, now) = (session.to_owned(), clock::now());
    let needed = app.config();
    let found = app.read(&AccessScope::EVERYWHERE, move |reader| {
        let Some(session) = reader.session(&digest)? else { return Ok(None) };
        Ok(reader.account(&session.account)?.map(|account| (session, account)))
    });
    let (session, account) = found.await.ok()??;
    (session.expires_at > now && !account.disabled).then(|| AccountAccess {
        role: account.role,
        token_role: session.role,
        is_due: account.is_due(now) && !session.federated,
        lacks_second: account.lacks_second(&needed.second_for) && !session.federated,
        places: account.places,
    })
}

pub(crate) async fn events(
    State(app): State<App>,
    person: Person,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let open = app.live.acquire(&person.session);
    let open = open.ok_or_else(|| Problem::too_many("too many live pages are open; close some"))?;
    let wake = app.engine.pages_wake();
    let session = person.session;
    let first = if session.is_empty() { None } else { account_access(&app, &session).await };
    let all = stream::unfold((wake, true, open), move |(mut wake, begins, open)| {
        let (app, session, first) = (app.clone(), session.clone(), first.clone());
        async move {
            if !begins {
                tokio::time::sleep(UPDATE_INTERVAL).await;
                // Until something changes; meanwhile, and before it is said, whoever listens is looked at.
                loop {
                    let changed = tokio::time::timeout(ACCESS_CHECK_INTERVAL, wake.changed()).await;
                    if !session.is_empty() && (first.is_none() || account_access(&app, &session).await != first) {
                        return None;
                    }
                    if let Ok(changed) = changed {
                        break changed.ok()?;
                    }
                }
            }
            wake.mark_unchanged();
            Some((Ok(event("changed")), (wake, false, open)))
        }
    });
    Ok(Sse::new(all).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).event(event("alive"))))
}

/// An event without content. A browser passes over one whose data are empty (HTML, "server-sent events", dispatch), and axum
/// writes no data field for an empty text, so there is a letter in it.
fn event(name: &str) -> Event {
    Event::default().event(name).data("-")
}

//! Live updates: an event stream that only says that something has changed; the page then reads itself anew.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};

use super::App;
use super::auth::Person;
use super::problem::Problem;

/// Between two wake-ups of one page.
const PACE: Duration = Duration::from_secs(1);
/// A sign of life, so that the page can tell a quiet centre from a lost link.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

pub(super) async fn live(
    State(app): State<App>,
    person: Person,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let open = app.live.take(&person.session);
    let open = open.ok_or_else(|| Problem::too_many("too many live pages are open; close some"))?;
    let wake = app.engine.pages_wake();
    let events = stream::unfold((wake, true, open), |(mut wake, first, open)| async move {
        if !first {
            tokio::time::sleep(PACE).await;
            wake.changed().await.ok()?;
        }
        wake.mark_unchanged();
        Some((Ok(sign("changed")), (wake, false, open)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).event(sign("alive"))))
}

/// An event without content. A browser passes over one whose data are empty (HTML, "server-sent events", dispatch), and axum
/// writes no data field for an empty text, so there is a letter in it.
fn sign(name: &str) -> Event {
    Event::default().event(name).data("-")
}

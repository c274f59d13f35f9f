//! RT's REST 2: <https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html>.

use serde::Deserialize;
use serde_json::{Value, json};

use ioc_judge::IncidentState;

use super::RtSystem;
use crate::ticket::comment_event;
use ioc_engine::http::{self, Request, SendError};
use ioc_engine::ticket_client::{Exchange, NewTicket, TicketAction, TicketChanges, TicketClient, TicketEvent};
use ioc_store::template::percent_encoded;

/// Transactions that are asked for in one go: what RT allows.
const PER_PAGE: usize = 100;

/// A client of RT's API.
pub(super) struct RtClient<'a> {
    pub(super) rt: &'a RtSystem,
    /// The token that is shown.
    pub(super) secret: String,
}

/// One transaction of a ticket's history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    #[serde(rename = "id")]
    id: String,
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    new_value: Option<String>,
    creator: Creator,
}

#[derive(Debug, Deserialize)]
struct Creator {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

impl RtClient<'_> {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<String, SendError> {
        let url = format!("{}/REST/2.0/{path}", self.rt.url);
        let headers = vec![("authorization".to_owned(), format!("token {}", self.secret))];
        let body = body.map(|body| body.to_string()).unwrap_or_default().into_bytes();
        http::send(Request { method, url: &url, content_type: "application/json", headers, body }).await
    }

    async fn items<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, SendError> {
        let answer = self.ask("GET", path, None).await?;
        serde_json::from_str::<Items<T>>(&answer)
            .map(|found| found.items)
            .map_err(|error| not_understood(&error, &answer))
    }

    async fn event(&self, transaction: Transaction) -> Result<Option<TicketEvent>, SendError> {
        let who = transaction.creator.id;
        // RT_System opens a ticket when someone writes on it; that someone has said so themselves.
        if who == self.rt.user || who == "RT_System" {
            return Ok(None);
        }
        let value = transaction.new_value.unwrap_or_default();
        let action = match (transaction.kind.as_str(), transaction.field.as_deref()) {
            ("Comment" | "Correspond", _) => {
                let path = format!("transaction/{}/attachments?fields=Content,ContentType", transaction.id);
                let parts: Vec<Value> = self.items(&path).await?;
                let is_text =
                    |part: &&Value| part["ContentType"].as_str().is_some_and(|kind| kind.starts_with("text/"));
                let text = parts.iter().find(is_text).and_then(|part| part["Content"].as_str()).unwrap_or_default();
                return Ok((!text.trim().is_empty()).then(|| comment_event(&who, text)));
            }
            ("Status", _) => match value.as_str() {
                "open" => TicketAction::Reopened,
                "resolved" | "rejected" => TicketAction::Resolved,
                _ => return Ok(None),
            },
            ("Set", Some("Owner")) => {
                let answer = self.ask("GET", &format!("user/{}", percent_encoded(&value)), None).await?;
                let owner: Value = serde_json::from_str(&answer).map_err(|error| not_understood(&error, &answer))?;
                match owner["Name"].as_str() {
                    Some(name) if name != "Nobody" && name != self.rt.user => TicketAction::Assigned(name.to_owned()),
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(TicketEvent { who, action }))
    }
}

impl TicketClient for RtClient<'_> {
    fn find<'c>(&'c mut self, ticket: &'c NewTicket) -> Exchange<'c, Option<String>> {
        Box::pin(async move {
            let queue = self.rt.queue.replace('\'', "");
            let query = format!("Queue = '{queue}' AND Subject LIKE '[{}]'", ticket.incident);
            let found: Vec<Value> = self.items(&format!("tickets?query={}", percent_encoded(&query))).await?;
            Ok(found.first().and_then(|one| one["id"].as_str()).map(str::to_owned))
        })
    }

    fn create<'c>(&'c mut self, ticket: &'c NewTicket) -> Exchange<'c, String> {
        Box::pin(async move {
            let body = json!({
                "Queue": self.rt.queue, "Subject": ticket.subject, "Content": ticket.body, "ContentType": "text/plain",
            });
            let answer = self.ask("POST", "ticket", Some(body)).await?;
            let made: Creator = serde_json::from_str(&answer).map_err(|error| not_understood(&error, &answer))?;
            Ok(made.id)
        })
    }

    fn comment<'c>(&'c mut self, ticket: &'c str, text: &'c str, _: &'c NewTicket) -> Exchange<'c, ()> {
        Box::pin(async move {
            let body = json!({ "Content": text, "ContentType": "text/plain" });
            self.ask("POST", &format!("ticket/{}/comment", percent_encoded(ticket)), Some(body)).await.map(|_| ())
        })
    }

    /// RT leaves a ticket as it is that has the status already.
    fn set_state<'c>(&'c mut self, ticket: &'c str, state: IncidentState, _: &'c NewTicket) -> Exchange<'c, ()> {
        Box::pin(async move {
            let Some(status) = self.rt.status.get(&state) else { return Ok(()) };
            let body = json!({ "Status": status });
            self.ask("PUT", &format!("ticket/{}", percent_encoded(ticket)), Some(body)).await.map(|_| ())
        })
    }

    /// The cursor is how many transactions were read: a history only grows.
    fn read<'c>(&'c mut self, ticket: &'c str, cursor: &'c str) -> Exchange<'c, TicketChanges> {
        Box::pin(async move {
            let mut known: usize = cursor.parse().unwrap_or(0);
            let mut events = Vec::new();
            loop {
                let path = format!(
                    "ticket/{}/history?per_page={PER_PAGE}&page={}&fields=Type,Field,NewValue,Creator",
                    percent_encoded(ticket),
                    known / PER_PAGE + 1
                );
                let page: Vec<Transaction> = self.items(&path).await?;
                let whole = page.len() == PER_PAGE;
                for transaction in page.into_iter().skip(known % PER_PAGE) {
                    known += 1;
                    events.extend(self.event(transaction).await?);
                }
                if !whole {
                    return Ok(TicketChanges { cursor: known.to_string(), events });
                }
            }
        })
    }
}

fn not_understood(error: &serde_json::Error, answer: &str) -> SendError {
    SendError::Later(format!("the answer is not RT's: {error}: {}", http::short(answer)))
}

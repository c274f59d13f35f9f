//! What a channel for notices is, whatever its kind. The configuration is read here and names channels, so it holds them; how each kind
//! delivers is written on top (`collector/src/notify/`), which hands its kinds in ([`crate::config::ConnectorKinds`]).

use std::fmt;

use futures_util::future::BoxFuture;

use ioc_judge::Notice;

use crate::http::SendError;

/// A notice in words, in the site's language first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// One line, without the body's details.
    pub subject: String,
    /// Several lines of plain text.
    pub body: String,
    /// Where the incident is shown.
    pub link: String,
    /// What a short text says.
    pub brief: Brief,
}

/// The pieces of a short text, in the order in which they are said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brief {
    /// How bad it is, and what is wrong.
    pub what: String,
    /// On which device; the worst of many. Empty when it is about none.
    pub device: String,
    /// Where that stands; may be empty.
    pub place: String,
    /// The site's code.
    pub site: String,
}

/// One message: a notice, or one that stands for several.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// The channel's name in the configuration.
    pub channel: &'m str,
    /// The same for every attempt, so that a receiver knows a repeat.
    pub key: &'m str,
    /// The address of a person on this channel; empty where it is for everyone.
    pub address: &'m str,
    /// The notice, or the newest of several.
    pub notice: &'m Notice,
    /// The notice in words.
    pub wording: &'m Wording,
    /// The name of the site.
    pub site_name: &'m str,
    /// Where people reach the pages.
    pub web_url: &'m str,
}

/// A channel for notices with its settings, checked.
pub trait Notifier: fmt::Debug + Send + Sync {
    /// Where it sends to, without what is secret: addresses often carry a key behind their host.
    fn target(&self) -> String;

    /// Whether each message needs the address of a person. Such a channel cannot carry what is for everyone.
    fn needs_address(&self) -> bool {
        false
    }

    /// Whether people read it: then many notices at once can be one message. What a machine reads stays one by one.
    fn is_read_by_people(&self) -> bool {
        false
    }

    /// Host and port of the server that must be there for it, where that says something of the channel.
    ///
    /// # Errors
    /// What is wrong with the address that is written.
    fn server(&self) -> Result<Option<(String, u16)>, String> {
        Ok(None)
    }

    /// Sends a message. It may take as long as the protocol gives the other side.
    fn notify<'m>(&'m self, message: Message<'m>) -> BoxFuture<'m, Result<(), SendError>>;
}

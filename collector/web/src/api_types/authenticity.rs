//! How far a piece of information can be believed (article 17.3).

use serde::Serialize;

use ioc_common::id::DeviceId;
use ioc_store::authenticity as inside;

use super::{Text, names};

names! {
    /// How far a piece of information can be believed. It says nothing of whether a value is good or bad.
    AuthenticityMark is ioc_judge::AuthenticityMark {
        /// It came to our own endpoint under the device's certificate, in order without a gap, by a clock that is right, and in time; the
        /// collector saw it itself; or it was reported by a person and checked by another.
        Verified = "verified",
        /// It came in time, and something speaks against it.
        Unverified = "unverified",
        /// It is older than it should be.
        Stale = "stale",
        /// It never came.
        Unknown = "unknown",
    }
}

names! {
    /// Where a piece of information came from.
    InformationSource is ioc_judge::InformationSource {
        /// The device's own agent, under the device's certificate.
        Agent = "agent",
        /// An agent, of a device around its host (Modbus, NUT, PJLink).
        Sensor = "sensor",
        /// A device that sends plain JSON over MQTT under a certificate of its own.
        PlainMqtt = "plain_mqtt",
        /// An alert of another system.
        Alert = "alert",
        /// A job on another system that reports with a token.
        Heartbeat = "heartbeat",
        /// A ticket system.
        Ticket = "ticket",
        /// Someone outside, by telephone, letter or in person.
        Report = "report",
        /// Someone who has an account, by hand.
        Person = "person",
        /// The inventory.
        Inventory = "inventory",
        /// The collector itself.
        Collector = "collector",
    }
}

/// How far a piece of information can be believed, and why not further (article 17.3).
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Authenticity {
    /// In one word.
    mark: AuthenticityMark,
    /// Where it came from.
    source: InformationSource,
    /// What speaks against it, a sentence each; none of what is verified.
    reasons: Vec<Text>,
}

impl From<ioc_judge::Authenticity> for Authenticity {
    fn from(inside: ioc_judge::Authenticity) -> Self {
        let reasons = inside.doubts.into_iter().map(|doubt| doubt.text().into()).collect();
        Self { mark: inside.mark.into(), source: inside.source.into(), reasons }
    }
}

/// How many of the newest numbers of all devices within reach are verified (article 17.3): n of N.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ValueAuthenticity {
    /// Numbers that are verified.
    verified: u64,
    /// Numbers that came in time, and something speaks against them.
    unverified: u64,
    /// Numbers that are older than they should be.
    stale: u64,
    /// How many numbers there are; those that nobody knows are none.
    total: u64,
    /// The share that is verified; none where there are no numbers.
    verified_pct: Option<f64>,
    /// Devices whose numbers are not verified, by identifier; the first 500.
    devices: Vec<MarkedDevice>,
}

/// A device whose newest numbers are not verified.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct MarkedDevice {
    /// Its identifier.
    id: DeviceId,
    /// Its name, for people.
    name: String,
    /// How many numbers it has.
    values: u64,
    /// How far they can be believed.
    authenticity: Authenticity,
}

impl From<(inside::ValueMarks, Vec<inside::MarkedDevice>)> for ValueAuthenticity {
    fn from((marks, devices): (inside::ValueMarks, Vec<inside::MarkedDevice>)) -> Self {
        let total = marks.total();
        let verified_pct = (total > 0).then(|| (marks.verified as f64 * 1000.0 / total as f64).round() / 10.0);
        let devices = devices.into_iter().map(|one| MarkedDevice {
            id: one.info.id,
            name: one.info.name,
            values: one.values,
            authenticity: one.authenticity.into(),
        });
        Self {
            verified: marks.verified,
            unverified: marks.unverified,
            stale: marks.stale,
            total,
            verified_pct,
            devices: devices.collect(),
        }
    }
}

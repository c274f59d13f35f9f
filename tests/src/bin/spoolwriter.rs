//! Writes events into a spool and prints each number once it is on disk: what is printed must survive a kill and a power cut.
//!
//! `ioc-spoolwriter DIR`, `ioc-spoolwriter DIR read` to print only what is there, `ioc-spoolwriter DIR 4000` for events with so long texts.

use std::io::Write as _;
use std::path::PathBuf;

use ioc_agent::spool::{Backlog, BacklogLimits, SpooledReport};
use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::report::{Body, Event, Position};
use ioc_common::topic::UpKind;

fn main() -> anyhow::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_default());
    let limits = BacklogLimits { ring_max_reports: 64, spool_max_bytes: 1 << 30 };
    let mut backlog = Backlog::open(dir, limits);
    let mut seq = backlog.last_position().map_or(0, |position| position.seq);
    let device = DeviceId::new("srv-01")?;
    let mut out = std::io::stdout().lock();
    // First what is there already, then a mark, then what is added.
    let mut cursor = Position::default();
    while let Some(entry) = backlog.next_after(cursor) {
        cursor = entry.position;
        writeln!(out, "{}", entry.position.seq)?;
    }
    let losses = backlog.losses();
    writeln!(out, "opened corrupt={} quarantined={}", losses.corrupt, losses.quarantined)?;
    out.flush()?;
    let how = std::env::args().nth(2).unwrap_or_default();
    if how == "read" {
        return Ok(());
    }
    let length = how.parse().unwrap_or(200);
    loop {
        seq += 1;
        let position = Position { epoch: 1, seq };
        let body =
            Body::Event(Event { name: "test.event".into(), text: "x".repeat(length), fields: Default::default() });
        let taken_at = Timestamp::from_millis(0);
        let sealed =
            codec::seal(codec::Head { device: &device, about: None, position, boot: "00000000", taken_at }, &body)?;
        backlog.push(SpooledReport { position, kind: UpKind::Event, taken_ms: 0, boot: "00000000".into(), sealed });
        anyhow::ensure!(backlog.failure().is_none(), "{:?}", backlog.failure());
        writeln!(out, "{seq}")?;
        out.flush()?;
    }
}

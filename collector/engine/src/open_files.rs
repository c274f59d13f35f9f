//! How many files the collector may have open, and how they are divided.
//!
//! Every connection is a file, and so is everything that the store reads and writes. The system's limit is found at the start, what the
//! collector needs for itself is put aside, and what is left is given out as places: to devices, to pages and to probes of hosts. So no
//! crowd leaves the store, a notice or the control socket without a file. Where the limit bears less than what is configured, that is said.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::connection_limit::Bounds;

/// Files that are opened later than at the start: logs of the store's readers, names that are looked up, requests to other systems.
const LATER: usize = 80;
/// Connections of one channel or ticket system under way at once.
const PER_CONNECTOR: usize = 2;
/// Connections of the control socket.
pub const CONTROL_MAX: usize = 32;
/// Connections beyond the limit that are open for a moment, to be refused with a reason.
pub const REFUSED_MAX: usize = 8;
/// What [`OpenFiles::shortage`] says, and nothing else in `/readyz`.
pub const FEW_FILES: &str = "files may be open";
/// Fewer places than this are not worth a start.
const PLACES_MIN: usize = 32;
/// What is assumed to be open where that cannot be counted.
const OPEN_AT_START: usize = 128;

/// How many connections of each kind may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Devices that have shown their certificate, at the MQTT endpoint.
    pub devices: usize,
    /// Sockets that have not yet shown a device's certificate.
    pub newcomers: Bounds,
    /// Connections to pages that have not shown a session.
    pub strangers: Bounds,
    /// Connections to pages that have.
    pub signed_in: usize,
    /// Sockets by which hosts are asked whether they are there.
    pub probes: usize,
}

/// The system's limit, and what it is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// Most files that may be open.
    pub max: usize,
    /// How many would do for everything that is configured.
    pub needed: usize,
    /// How many connections of each kind may be open: as many as configured, or fewer where the limit of files does not allow that.
    pub places: Places,
}

/// Has as many files as the system lets this process have; systemd and shells often begin with 1,024. Gives their number.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many files are open now; none when that cannot be told.
#[must_use]
pub fn count() -> Option<usize> {
    // The directory that is read is one of them.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

impl OpenFiles {
    /// Divides `max` files: `open` are taken already, and `connectors` channels and ticket systems will want theirs. None when there are
    /// too few to begin with; then [`Self::needed`] of these says how many it would take.
    #[must_use]
    pub fn divide(max: usize, open: Option<usize>, connectors: usize, wanted: Places) -> Option<Self> {
        let reserved = reserved(open, connectors);
        let web = wanted.strangers.all + wanted.signed_in;
        let needed = reserved + wanted.devices + wanted.newcomers.all + web + wanted.probes;
        if max >= needed {
            return Some(Self { max, needed, places: wanted });
        }
        let rest = max.checked_sub(reserved).filter(|rest| *rest >= PLACES_MIN)?;
        // Pages and probes have a share whatever the number of devices, and devices what is left.
        let share = |wanted: usize, least: usize| wanted.min((rest / 8).max(least.min(rest / 4)));
        let (web, probes) = (share(web, 64), share(wanted.probes, 8));
        let newcomers = wanted.newcomers.all.min((rest / 8).max(8));
        let signed_in = wanted.signed_in.min(web / 2);
        let places = Places {
            devices: wanted.devices.min(rest - web - probes - newcomers),
            newcomers: within(wanted.newcomers, newcomers),
            strangers: within(wanted.strangers, web - signed_in),
            signed_in,
            probes,
        };
        Some(Self { max, needed, places })
    }

    /// The least limit that it begins with.
    #[must_use]
    pub fn least(open: Option<usize>, connectors: usize) -> usize {
        reserved(open, connectors) + PLACES_MIN
    }

    /// What is to be said where the limit bears less than what is configured; nothing where it does.
    #[must_use]
    pub fn shortage(&self) -> Option<String> {
        (self.max < self.needed).then(|| {
            format!(
                "only {} {FEW_FILES}: {} devices and {} connections to pages are let in, and not as many as are configured, which \
                 takes {}; mend: raise LimitNOFILE of ioc-collector.service (or the hard limit of open files), or lower \
                 ingest.connections_max",
                self.max,
                self.places.devices,
                self.places.strangers.all + self.places.signed_in,
                self.needed
            )
        })
    }
}

/// What the collector needs for itself.
fn reserved(open: Option<usize>, connectors: usize) -> usize {
    open.unwrap_or(OPEN_AT_START) + LATER + PER_CONNECTOR * connectors + CONTROL_MAX + REFUSED_MAX
}

/// Bounds with fewer in all: one address and one network keep their part.
fn within(bounds: Bounds, all: usize) -> Bounds {
    let part = |most: usize| most.min(all.saturating_mul(most).div_ceil(bounds.all.max(1)).max(all / 2)).max(1);
    Bounds { all, per_address: part(bounds.per_address), per_network: part(bounds.per_network) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Places = Places {
        devices: 20_000,
        newcomers: Bounds { all: 8192, per_address: 512, per_network: 2048 },
        strangers: Bounds { all: 2000, per_address: 256, per_network: 1024 },
        signed_in: 2000,
        probes: 3072,
    };

    fn sum(places: Places) -> usize {
        places.devices + places.newcomers.all + places.strangers.all + places.signed_in + places.probes
    }

    #[test]
    fn what_is_configured_is_let_in_where_the_limit_bears_it() {
        let files = OpenFiles::divide(1_048_576, Some(80), 3, WANTED).expect("enough");
        assert_eq!((files.places, files.shortage()), (WANTED, None));
    }

    #[test]
    fn where_it_does_not_each_door_has_its_part_and_that_is_said() {
        let files = OpenFiles::divide(20_000, Some(80), 3, WANTED).expect("enough");
        assert!(files.places.devices > 12_000 && files.places.strangers.all > 1000, "{files:?}");
        let said = files.shortage().expect("said");
        assert!(said.contains("20000") && said.contains("LimitNOFILE"), "{said}");
        let small = OpenFiles::divide(256, Some(80), 0, WANTED).expect("enough");
        assert!(small.places.devices >= 20 && small.places.strangers.all >= 4, "{small:?}");
        assert_eq!(OpenFiles::divide(200, Some(80), 0, WANTED), None);
        assert!(OpenFiles::divide(OpenFiles::least(Some(80), 0), Some(80), 0, WANTED).is_some());
    }

    #[test]
    fn never_more_is_given_out_than_there_is() {
        for max in (1..2000).chain((2000..60_000).step_by(37)) {
            for (open, connectors) in [(1, 0), (80, 3), (299, 40)] {
                let Some(files) = OpenFiles::divide(max, Some(open), connectors, WANTED) else {
                    assert!(max < OpenFiles::least(Some(open), connectors), "{max}");
                    continue;
                };
                assert!(sum(files.places) + reserved(Some(open), connectors) <= max, "{files:?}");
                assert!(files.places.devices > 0 && files.places.probes > 0, "{files:?}");
            }
        }
    }
}

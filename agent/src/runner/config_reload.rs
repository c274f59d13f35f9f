//! A configuration that is read anew, and settings that the collector gives.

use std::io::Write as _;
use std::path::Path;

use ioc_common::clock;
use ioc_common::document::Json;
use ioc_common::file;
use ioc_common::report::{Body, StateReport};
use ioc_common::settings::{DOCUMENT, SignedSettings};

use super::{Runner, schedule, survey_schedule};
use crate::config::{Config, config_from_surveyor};
use crate::remote_settings::{KEPT, OFFERED};
use crate::runner::sample_thread::SampleThread;
use crate::runner::sensor_reader::SensorReader;

impl Runner {
    /// The service is told to reload: configuration and certificates are read anew.
    pub(super) fn reload(&mut self) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading]);
        match config_from_surveyor(self.config_path.as_deref(), false) {
            Ok(fresh) => {
                // What sensors are told is not known here, but it may have changed.
                self.sensor_reader = SensorReader::new(self.config_path.clone(), fresh.has_sensors);
                self.take(fresh);
                self.report_settings();
                self.close_link("configuration and certificates are read anew");
                self.renew_addresses();
                self.session.retry_now(clock::boottime_ms());
                tracing::info!("configuration reloaded");
            }
            Err(error) => tracing::error!(%error, "the configuration is faulty; the old one stays in use"),
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }

    /// Uses another configuration from now on.
    fn take(&mut self, fresh: Config) {
        let now_ms = clock::boottime_ms();
        if fresh.forbid != self.config.forbid {
            self.sample_thread = SampleThread::new(Path::new("/"), &fresh.forbid, self.schedule);
            self.hello_wanted = true;
        }
        // What surveys remember lies on disk; the new settings may change what any of them finds.
        self.survey_schedule = survey_schedule(&fresh, self.config_path.clone(), now_ms);
        if fresh.interval != self.config.interval {
            self.schedule = schedule(&fresh, &self.identity, now_ms);
            self.sample_thread.keep_beat(self.schedule);
            self.hello_wanted = true;
        }
        self.config = fresh;
        // What comes of the settings is reported at once, which is the packet that lets the link see it.
        self.update_ping_suppression();
    }

    /// Samples that come at least twice within the keep-alive take the place of pings, each of which would wake both sides.
    pub(super) fn update_ping_suppression(&self) {
        let suffice = self.config.interval.get() * 2 <= self.config.keep_alive.get();
        if let Some(link) = &self.link {
            link.suppress_pings(suffice);
        }
    }

    /// Settings came: looked at by the surveyor, and used where they are good.
    pub(super) fn apply_offered_settings(&mut self, signed: &SignedSettings, payload: &[u8]) {
        let (offered, kept) = (self.config.state.join(OFFERED), self.config.state.join(KEPT));
        // Written through to the disk: what is used after this start is read at the next one.
        let written = file::replace_durably(&offered, 0o644, |out| out.write_all(payload));
        let looked_at = written
            .map_err(|error| format!("{}: {error}", offered.display()))
            .and_then(|()| config_from_surveyor(self.config_path.as_deref(), true).map_err(|error| error.to_string()));
        let used = looked_at.and_then(|fresh| {
            let renamed = std::fs::rename(&offered, &kept).and_then(|()| file::sync_dir(&self.config.state));
            renamed.map_err(|error| format!("{}: {error}", kept.display())).map(|()| fresh)
        });
        match used {
            Ok(fresh) => {
                tracing::info!(version = signed.version, "settings of the collector are in use");
                self.take(fresh);
            }
            Err(why) => {
                let why = why.trim().trim_start_matches("ioc-agent: ").to_owned();
                tracing::error!(
                    version = signed.version,
                    why,
                    "settings of the collector are refused; nothing changes"
                );
                let _ = std::fs::remove_file(&offered);
                self.config.remote_settings = signed.outcome_refused(why);
            }
        }
        self.report_settings();
    }

    /// Says what became of the collector's settings.
    pub(super) fn report_settings(&mut self) {
        if let Ok(doc) = Json::of(&self.config.remote_settings) {
            self.report(&Body::State(StateReport::Document { name: DOCUMENT.to_owned(), doc }));
        }
    }
}

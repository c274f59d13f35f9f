//! Mosquitto beside us: TLS and the same certificates, and one subscriber that only counts.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use ioc_tests::harness::{Rig, free_port};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::Packet;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A broker that runs until this is dropped.
pub(crate) struct Broker {
    child: Child,
    counting: JoinHandle<()>,
    /// Who publishes there.
    pub(crate) identities: Vec<Identity>,
    /// What its subscriber has heard.
    pub(crate) counted: Arc<AtomicU64>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

impl Broker {
    /// Nothing where it is not installed.
    pub(crate) async fn start(rig: &Rig, identities: &[Identity]) -> anyhow::Result<Option<Self>> {
        let places = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"];
        let Some(program) = places.into_iter().find(|path| Path::new(path).exists()) else {
            return Ok(None);
        };
        let port = free_port();
        let pki = rig.data().join("pki");
        let config = format!(
            "listener {port} 127.0.0.1\ncafile {0}/ca.pem\n\
             certfile {0}/server.pem\nkeyfile {0}/server.key.pem\n\
             require_certificate true\nuse_identity_as_username true\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nuser root\n",
            pki.display()
        );
        let path = rig.dir().join("mosquitto.conf");
        std::fs::write(&path, config)?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let identities: Vec<Identity> = identities
            .iter()
            .cloned()
            .map(|identity| Identity { mqtt: format!("localhost:{port}"), ..identity })
            .collect();
        let counted = Arc::new(AtomicU64::new(0));
        let mut subscriber = Link::tls(identities.first().context("one identity")?).await?;
        let connect = rmqtt_codec::v3::Connect {
            clean_session: true,
            keep_alive: 60,
            client_id: "counter".into(),
            ..Default::default()
        };
        subscriber.send(connect.into()).await?;
        subscriber.hear().await?;
        let packet_id = std::num::NonZeroU16::MIN;
        subscriber
            .send(Packet::Subscribe { packet_id, topic_filters: vec![("ioc/#".into(), QoS::AtMostOnce)] })
            .await?;
        subscriber.hear().await?;
        let counter = Arc::clone(&counted);
        let counting = tokio::spawn(async move {
            // Not one of ours: "published on up/sample" is how our own client says that something came.
            while let Err(error) = subscriber.hear_long().await.map(|_| ()) {
                if !error.to_string().contains("published on") {
                    break;
                }
                counter.fetch_add(1, Relaxed);
            }
        });
        Ok(Some(Self { child, counting, identities, counted }))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("Mosquitto has ended")
    }
}

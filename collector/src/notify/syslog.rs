//! Syslog over UDP (RFC 5424, RFC 5426). Nothing comes back, so "delivered" means handed to the network.

use ioc_common::clock::{self, Timestamp};
use ioc_judge::{Notice, Occasion, Severity};

use super::Wording;
use ioc_engine::http::{CONNECT_TIMEOUT, SendError};
use ioc_store::template::as_line;

/// Facility *local0*.
const FACILITY: u8 = 16;
/// What every receiver must take (RFC 5426, section 3.2, allows 2,048 as "should").
const MESSAGE_MAX_BYTES: usize = 2048;

pub(super) async fn send(server: &str, key: &str, notice: &Notice, wording: &Wording) -> Result<(), SendError> {
    let away = |error: std::io::Error| SendError::away(format!("{server}: {error}"));
    let addresses = tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::lookup_host(server)).await;
    let addresses = addresses.map_err(|_| SendError::away(format!("{server}: the name is not found in time")))?;
    let address = addresses.map_err(away)?.next();
    let address = address.ok_or_else(|| SendError::away(format!("{server}: the name has no address")))?;
    let here: std::net::SocketAddr =
        if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = tokio::net::UdpSocket::bind(here).await.map_err(away)?;
    socket.send_to(message(clock::now(), key, notice, wording).as_bytes(), address).await.map_err(away)?;
    Ok(())
}

fn message(now: Timestamp, key: &str, notice: &Notice, wording: &Wording) -> String {
    let level = match (notice.occasion, notice.severity) {
        (Occasion::Resolved, _) => 5,
        (_, Severity::Critical) => 2,
        (_, Severity::Warning) => 4,
        (_, Severity::Info) => 6,
    };
    // Section 6.3.3; and a message is a line, for what stores it.
    let quoted = |text: &str| as_line(text).replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
    let device = notice.device.as_ref().map(|device| device.id.to_string()).unwrap_or_default();
    let mut text = format!(
        // A byte order mark says that the text is UTF-8 (section 6.4). 32473 is the enterprise number for examples.
        "<{}>1 {now} - ioc-collector - {} [ioc@32473 key=\"{}\" incident=\"{}\" device=\"{}\" rule=\"{}\" priority=\"{}\"] \u{feff}{}",
        FACILITY * 8 + level,
        notice.occasion.as_str(),
        quoted(key),
        notice.incident,
        quoted(&device),
        quoted(&notice.rule),
        notice.priority.as_str(),
        as_line(&wording.subject),
    );
    let mut end = text.len().min(MESSAGE_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

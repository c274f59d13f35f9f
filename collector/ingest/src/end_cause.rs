//! Why a connection ended or was refused, in the words of metrics and log.

use super::frame::FrameError;
use ioc_engine::writer::CloseCause;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndCause {
    Silent,
    Closed,
    HandshakeTimeout,
    Tls,
    Certificate,
    CertificateEnded,
    Revoked,
    Newcomers,
    Connections,
    StandsBy,
    ConnectTimeout,
    WriteTimeout,
    Socket,
    Stopping,
    Packet,
    ConnectTrailingBytes,
    Protocol,
    ClientId,
    Will,
    Qos2,
    Topic,
    Filters,
    Subscribe,
    Payload,
    Device,
    KeepAlive,
    Disconnected,
    /// The engine wants it closed.
    ByEngine(CloseCause),
}

impl EndCause {
    /// The name used in metrics and the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::CertificateEnded => "certificate_ended",
            Self::Revoked => "revoked",
            Self::Newcomers => "newcomers",
            Self::Connections => "connections",
            Self::StandsBy => "stands_by",
            Self::ConnectTimeout => "connect_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::Socket => "socket",
            Self::Stopping => "stopping",
            Self::Packet => "packet",
            Self::ConnectTrailingBytes => "connect_trailing_bytes",
            Self::Protocol => "protocol",
            Self::ClientId => "client_id",
            Self::Will => "will",
            Self::Qos2 => "qos2",
            Self::Topic => "topic",
            Self::Filters => "filters",
            Self::Subscribe => "subscribe",
            Self::Payload => "payload",
            Self::Device => "device",
            Self::KeepAlive => "keep_alive",
            Self::Disconnected => "disconnected",
            Self::ByEngine(cause) => cause.as_str(),
        }
    }

    /// Whether it is counted and logged as a refusal: what ends as it should is not, nor what the engine has counted already.
    pub(super) const fn is_refusal(self) -> bool {
        let counted = matches!(self, Self::ByEngine(CloseCause::OverBudget(_)));
        !counted && !matches!(self, Self::Disconnected | Self::Closed | Self::Stopping)
    }

    /// The return code with which a CONNECT is answered, table 3.1; none where it is closed without a CONNACK [MQTT-3.1.4-1].
    pub(super) const fn return_code(self) -> Option<u8> {
        match self {
            Self::Protocol => Some(1),
            Self::ClientId => Some(2),
            Self::Will => Some(5),
            Self::Silent
            | Self::Closed
            | Self::HandshakeTimeout
            | Self::Tls
            | Self::Certificate
            | Self::CertificateEnded
            | Self::Revoked
            | Self::Newcomers
            | Self::Connections
            | Self::StandsBy
            | Self::ConnectTimeout
            | Self::WriteTimeout
            | Self::Socket
            | Self::Stopping
            | Self::Packet
            | Self::ConnectTrailingBytes
            | Self::Qos2
            | Self::Topic
            | Self::Filters
            | Self::Subscribe
            | Self::Payload
            | Self::Device
            | Self::KeepAlive
            | Self::Disconnected
            | Self::ByEngine(_) => None,
        }
    }
}

impl From<FrameError> for EndCause {
    fn from(fault: FrameError) -> Self {
        match fault {
            FrameError::Malformed(_) => Self::Packet,
            FrameError::Trailing => Self::ConnectTrailingBytes,
            FrameError::Protocol => Self::Protocol,
            FrameError::Identifier => Self::ClientId,
        }
    }
}

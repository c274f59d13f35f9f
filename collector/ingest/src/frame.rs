//! Packets as they lie on the wire, held against MQTT 3.1.1 (OASIS, 29 October 2014) before the codec reads them: the codec
//! masks reserved bits, lets control characters through and does not tell what it left out.
//!
//! Called by the connection for every packet, so it looks at no payload and takes no memory. Which topics a device may use is
//! the business of `check`. Deliberately absent: MQTT 3.1 and 5, which are answered with their own refusal.

/// Why a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameError {
    /// Against the standard: the connection is closed without a word. Says how.
    Malformed(&'static str),
    /// CONNECT goes on after its last field.
    Trailing,
    /// Another version of the protocol, answered with 0x01 [MQTT-3.1.2-2].
    Protocol,
    /// No client ID and no clean session, answered with 0x02 [MQTT-3.1.3-8].
    Identifier,
}

use FrameError::Malformed;

/// Where the first packet in `buffer` ends; none while it has not come whole. Its first bytes are judged as soon as they are there.
pub(super) fn packet_end(buffer: &[u8], max_bytes: u32) -> Result<Option<usize>, FrameError> {
    let Some((first, rest)) = buffer.split_first() else { return Ok(None) };
    flags(*first)?;
    let mut length = 0;
    for (place, byte) in rest.iter().enumerate() {
        // Four bytes at most, section 2.2.3.
        if place == 4 {
            break;
        }
        length |= u32::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return sized(*first, length, max_bytes, place + 2, buffer.len());
        }
    }
    if rest.len() >= 4 { Err(Malformed("the remaining length takes more than four bytes")) } else { Ok(None) }
}

fn sized(first: u8, length: u32, max_bytes: u32, header: usize, there: usize) -> Result<Option<usize>, FrameError> {
    let fixed = match first >> 4 {
        PUBACK | PUBREC | PUBREL | PUBCOMP => Some(2),
        PINGREQ | DISCONNECT => Some(0),
        _ => None,
    };
    if fixed.is_some_and(|fixed| fixed != length) {
        return Err(Malformed("a packet of fixed length has another"));
    }
    if length > max_bytes {
        return Err(Malformed("the packet is too large"));
    }
    let all = header + usize::try_from(length).unwrap_or(usize::MAX);
    Ok((there >= all).then_some(all))
}

/// The type of a packet, and the bits beside it [MQTT-2.2.2-2].
fn flags(first: u8) -> Result<(), FrameError> {
    let flags = first & 0x0f;
    let right = match first >> 4 {
        PUBLISH => match (flags >> 1) & 3 {
            0 => flags & 8 == 0,
            qos => qos < 3,
        },
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => flags == 2,
        CONNECT | PUBACK | PUBREC | PUBCOMP | PINGREQ | DISCONNECT => flags == 0,
        _ => return Err(Malformed("a packet that no client sends")),
    };
    if right { Ok(()) } else { Err(Malformed("the flags of the fixed header")) }
}

/// Checks a whole packet. What `check` and the codec find anyway is left to them.
pub(super) fn inspect(packet: &[u8]) -> Result<(), FrameError> {
    let Some(first) = packet.first() else { return Ok(()) };
    let header = packet.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0).map_or(1, |place| place + 2);
    let mut body = PacketBody(packet.get(header..).unwrap_or_default());
    match first >> 4 {
        CONNECT => connect(&mut body),
        SUBSCRIBE => {
            body.identifier()?;
            body.some()?;
            while !body.0.is_empty() {
                filter(body.text()?)?;
                // [MQTT-3-8.3-4]
                if body.byte()? > 2 {
                    return Err(Malformed("the requested QoS, or bits beside it"));
                }
            }
            Ok(())
        }
        UNSUBSCRIBE => {
            body.identifier()?;
            body.some()?;
            while !body.0.is_empty() {
                filter(body.text()?)?;
            }
            Ok(())
        }
        PUBACK | PUBREC | PUBREL | PUBCOMP => body.identifier(),
        _ => Ok(()),
    }
}

fn connect(body: &mut PacketBody<'_>) -> Result<(), FrameError> {
    match body.bytes()? {
        b"MQTT" => {}
        // The name of MQTT 3.1.
        b"MQIsdp" => return Err(FrameError::Protocol),
        _ => return Err(Malformed("the protocol's name")),
    }
    if body.byte()? != 4 {
        return Err(FrameError::Protocol);
    }
    let flags = body.byte()?;
    let has = |bit: u8| flags & bit != 0;
    if has(RESERVED) {
        return Err(Malformed("the reserved flag of CONNECT"));
    }
    let will_qos = (flags >> 3) & 3;
    if will_qos == 3 || (!has(WILL) && (will_qos > 0 || has(WILL_RETAIN))) {
        return Err(Malformed("the flags of the will"));
    }
    if has(PASSWORD) && !has(USER) {
        return Err(Malformed("a password without a user name"));
    }
    body.take(2)?;
    let client = body.text()?;
    if has(WILL) {
        let topic = body.text()?;
        if topic.is_empty() || topic.contains(['+', '#']) {
            return Err(Malformed("the will's topic"));
        }
        body.bytes()?;
    }
    if has(USER) {
        body.text()?;
    }
    if has(PASSWORD) {
        body.bytes()?;
    }
    if !body.0.is_empty() {
        return Err(FrameError::Trailing);
    }
    if client.is_empty() && !has(CLEAN) {
        return Err(FrameError::Identifier);
    }
    Ok(())
}

/// A topic filter: not empty, wildcards alone in their level, `#` last, sections 4.7.1 and 4.7.3.
fn filter(filter: &str) -> Result<(), FrameError> {
    let mut levels = filter.split('/').peekable();
    let mut right = !filter.is_empty();
    while let Some(level) = levels.next() {
        right &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            other => !other.contains(['+', '#']),
        };
    }
    if right { Ok(()) } else { Err(Malformed("a topic filter")) }
}

/// What has not been read yet of a packet.
struct PacketBody<'a>(&'a [u8]);

impl<'a> PacketBody<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("the packet ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, FrameError> {
        self.take(1).map(|byte| byte.first().copied().unwrap_or_default())
    }

    fn number(&mut self) -> Result<u16, FrameError> {
        self.take(2).map(|two| two.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], FrameError> {
        let count = self.number()?;
        self.take(usize::from(count))
    }

    /// A string, section 1.5.3: well-formed UTF-8 without U+0000; control characters and non-characters, which may be refused, are.
    fn text(&mut self) -> Result<&'a str, FrameError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a string that is not UTF-8"))?;
        let non_character = |one: char| matches!(u32::from(one), 0xfdd0..=0xfdef) || u32::from(one) & 0xfffe == 0xfffe;
        if text.chars().any(|one| one.is_control() || non_character(one)) {
            return Err(Malformed("a control character in a string"));
        }
        Ok(text)
    }

    /// A packet identifier [MQTT-2.3.1-1].
    fn identifier(&mut self) -> Result<(), FrameError> {
        if self.number()? == 0 { Err(Malformed("packet identifier 0")) } else { Ok(()) }
    }

    fn some(&self) -> Result<(), FrameError> {
        if self.0.is_empty() { Err(Malformed("no topic filter")) } else { Ok(()) }
    }
}

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;
const PINGREQ: u8 = 12;
const DISCONNECT: u8 = 14;

// Flags of CONNECT.
const RESERVED: u8 = 1;
const CLEAN: u8 = 2;
const WILL: u8 = 4;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_whole_when_its_length_says_so() {
        assert_eq!(packet_end(&[], 10), Ok(None));
        assert_eq!(packet_end(&[0xc0], 10), Ok(None));
        assert_eq!(packet_end(&[0xc0, 0, 0xc0], 10), Ok(Some(2)));
        assert_eq!(packet_end(&[0x30, 0x84, 0x00, 1, 2, 3], 10), Ok(None));
        assert_eq!(packet_end(&[0x30, 0x84, 0x00, 1, 2, 3, 4], 10), Ok(Some(7)));
        assert_eq!(packet_end(&[0x30, 0x84, 0x80, 0x80, 0x00, 1, 2, 3, 4], 10), Ok(Some(9)));
        assert_eq!(packet_end(&[0x30, 0xff, 0xff, 0xff], 10), Ok(None));
        // A fifth byte, a packet above the bound, and a wrong first byte are seen before more is waited for.
        assert!(packet_end(&[0x30, 0x80, 0x80, 0x80, 0x80], 10).is_err());
        assert!(packet_end(&[0x30, 11], 10).is_err());
        for first in [0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0, 0x11, 0x38, 0x36, 0x41, 0x60, 0x80, 0x83, 0xa0, 0xc1, 0xe8] {
            assert!(packet_end(&[first], 10).is_err(), "{first:#04x}");
        }
    }
}

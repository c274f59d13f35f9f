//! MQTT 3.1.1 as the standard has it: the sequences of tests/peers/mqtt.txt, played to the real endpoint with a device's certificate.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_common::clock;
use ioc_common::report::{Body, Position};
use ioc_tests::harness::Rig;
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;

const SEQUENCES: &str = include_str!("../peers/mqtt.txt");

/// What is written in a sequence, as bytes: packets that come in one piece stand between pluses.
fn bytes(text: &str, device: &str, topics: &str) -> Vec<u8> {
    text.split(" + ").flat_map(|packet| packet_bytes(packet, device, topics)).collect()
}

fn packet_bytes(text: &str, device: &str, topics: &str) -> Vec<u8> {
    let (mut out, mut length_at) = (Vec::new(), None);
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let (token, after) = if matches!(first, '"' | '\'') {
            let end = rest[1..].find(first).unwrap() + 2;
            rest.split_at(end)
        } else {
            rest.split_at(rest.find(' ').unwrap_or(rest.len()))
        };
        rest = after.trim_start();
        if token == "L" {
            length_at = Some(out.len());
        } else if matches!(first, '"' | '\'') {
            let named = token[1..token.len() - 1].replace("$$", "\u{1}");
            let named = named.replace("$I", device).replace("$U", &format!("{topics}/up/"));
            let named = named.replace("$D", &format!("{topics}/down/")).replace('\u{1}', "$");
            if first == '"' {
                out.extend(u16::try_from(named.len()).unwrap().to_be_bytes());
            }
            out.extend(named.as_bytes());
        } else {
            out.extend((0..token.len() / 2).map(|at| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).unwrap()));
        }
    }
    if let Some(at) = length_at {
        let length = out.len() - at;
        assert!(length < 16_384);
        let encoded = if length < 128 { vec![length as u8] } else { vec![length as u8 | 0x80, (length >> 7) as u8] };
        out.splice(at..at, encoded);
    }
    out
}

/// The next packet that is no message: what was subscribed to comes in between.
async fn heard(link: &mut Link) -> Option<Vec<u8>> {
    loop {
        match link.hear_raw().await {
            Ok(packet) if packet[0] >> 4 == 3 => {}
            Ok(packet) => return Some(packet),
            Err(error) if format!("{error:#}").contains("nothing came") => panic!("{error:#}"),
            Err(_) => return None,
        }
    }
}

/// Plays one sequence. What went wrong, if something did.
async fn play(identity: &Identity, line: &str) -> Result<(), String> {
    let device = identity.device.as_str();
    let topics = format!("ioc/1/{}/{device}", identity.device.shard());
    let mut parts = line.split(" | ");
    let name = parts.next().unwrap();
    let mut link = Link::tls(identity).await.unwrap();
    if !name.starts_with("- ") {
        link.send_raw(&bytes("10 L \"MQTT\" 04 02 001E \"$I\"", device, &topics)).await.unwrap();
        assert_eq!(heard(&mut link).await.as_deref(), Some(&[0x20, 2, 0, 0][..]));
    }
    for part in parts {
        match part.split_once(' ') {
            Some((">", sent)) => {
                // It may be closed before all was sent.
                let _ = link.send_raw(&bytes(sent, device, &topics)).await;
            }
            Some(("<", wanted)) => {
                let wanted = bytes(wanted, device, &topics);
                let found = heard(&mut link).await;
                if found.as_ref() != Some(&wanted) {
                    return Err(format!("{line}: wanted {wanted:02x?}, found {found:02x?}"));
                }
            }
            None if part == "stay" => {
                let _ = link.send_raw(&[0xc0, 0]).await;
                let found = heard(&mut link).await;
                if found.as_deref() != Some(&[0xd0, 0]) {
                    return Err(format!("{line}: wanted an answer to a ping, found {found:02x?}"));
                }
            }
            None if part == "close" => {
                if let Some(found) = heard(&mut link).await {
                    return Err(format!("{line}: wanted the end, found {found:02x?}"));
                }
            }
            _ => panic!("{line}"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sequence_is_answered_as_the_standard_says() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (at, identity) in rig.enrol(6).await.unwrap().into_iter().enumerate() {
        tasks.spawn(async move {
            let mut wrong = Vec::new();
            let all = SEQUENCES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            for line in all.skip(at).step_by(6) {
                // The next connection must be free of this one's answers, and within what is waited for.
                let played = tokio::time::timeout(std::time::Duration::from_secs(8), play(&identity, line)).await;
                wrong.extend(played.unwrap_or_else(|_| Err(format!("{line}: nothing happens"))).err());
            }
            wrong
        });
    }
    let wrong: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    rig.stop().await.unwrap();
}

/// Sends a hello, and a sample that is not as it says. Gives the messages that came before their acknowledgements and the ping's.
async fn answers_to_hello(link: &mut Link, machine: &mut Machine, packet: u16) -> Vec<(u8, String)> {
    let topics = format!("ioc/1/{}/{}", machine.device.shard(), machine.device);
    let hello = machine.hello(10, 30);
    let mut sample = machine.sample();
    if let Body::Sample(sample) = &mut sample {
        sample.v.pop();
    }
    for (at, body) in [hello, sample].into_iter().enumerate() {
        let (_, kind, payload) = machine.seal(&body, clock::now(), 0);
        let topic = bytes(&format!("\"$U{}\" {:04x}", kind.as_str(), packet + at as u16), "", &topics);
        let length = topic.len() + payload.len();
        let header = vec![0x32, length as u8 | 0x80, (length >> 7) as u8];
        link.send_raw(&[header, topic, payload].concat()).await.unwrap();
    }
    let (mut messages, mut acknowledged) = (Vec::new(), 0);
    loop {
        let packet = link.hear_raw().await.unwrap();
        match packet[0] >> 4 {
            3 => {
                let body = &packet[if packet[1] & 0x80 == 0 { 2 } else { 3 }..];
                let topic = String::from_utf8_lossy(&body[2..2 + usize::from(body[1])]).into_owned();
                messages.push((packet[0], topic.rsplit('/').next().unwrap().to_owned()));
            }
            4 if acknowledged == 0 => acknowledged = 1,
            4 => {
                acknowledged = 2;
                // What the engine sends with the acknowledgement is there when the ping is answered.
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                link.send_raw(&[0xc0, 0]).await.unwrap();
            }
            13 if acknowledged == 2 => return messages,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_down_follows_what_was_subscribed() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let topics = format!("ioc/1/{}/{}", identity.device.shard(), identity.device);
    let mut link = Link::tls(&identity).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, Position::default(), clock::now());
    let send = |text: &str| bytes(text, identity.device.as_str(), &topics);
    link.send_raw(&send("10 L \"MQTT\" 04 02 001E \"$I\"")).await.unwrap();
    assert_eq!(heard(&mut link).await.unwrap()[0], 0x20);
    assert_eq!(answers_to_hello(&mut link, &mut machine, 1).await, [], "nothing was subscribed");
    for (filter, qos, first) in [("$D+", "00", 0x30), ("$D#", "01", 0x32), ("$D+", "01", 0x32)] {
        link.send_raw(&send(&format!("82 L 0007 \"{filter}\" {qos}"))).await.unwrap();
        assert_eq!(heard(&mut link).await.unwrap()[0], 0x90);
        let messages = answers_to_hello(&mut link, &mut machine, 3).await;
        assert!(messages.contains(&(first, "ask".to_owned())), "{filter} {qos}: {messages:?}");
        assert!(messages.contains(&(0x30, "committed".to_owned())), "{messages:?}");
        if filter == "$D#" {
            link.send_raw(&send("A2 L 0009 \"$D#\"")).await.unwrap();
            assert_eq!(heard(&mut link).await.unwrap(), [0xb0, 2, 0, 9]);
        }
    }
    link.send_raw(&send("A2 L 0008 \"$D+\" \"$Dask\"")).await.unwrap();
    assert_eq!(heard(&mut link).await.unwrap(), [0xb0, 2, 0, 8]);
    assert_eq!(answers_to_hello(&mut link, &mut machine, 5).await, [], "what was unsubscribed comes no more");
    rig.stop().await.unwrap();
}

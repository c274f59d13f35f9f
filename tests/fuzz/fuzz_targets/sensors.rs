//! Any bytes as what a device around a host answers, and any text as a profile: read or refused, never a panic, never without end.
#![no_main]
use ioc_agent::sensor::decode::{BitField, NumberType, WordOrder, field, number, text};
use ioc_agent::sensor::request_batching::{AddressRange, RequestLimits, RegisterTable, requests};
use ioc_agent::sensor::profile::{SensorProfile, RegisterWords};
use ioc_agent::sensor::{builtin_profiles, nut, pjlink};
use ioc_common::clock::Timestamp;
use ioc_common::config::Source;

const TYPES: [NumberType; 13] = [
    NumberType::Bit,
    NumberType::U16,
    NumberType::I16,
    NumberType::Sm16,
    NumberType::Bcd16,
    NumberType::U32,
    NumberType::I32,
    NumberType::Sm32,
    NumberType::Bcd32,
    NumberType::U64,
    NumberType::I64,
    NumberType::F32,
    NumberType::F64,
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let words: Vec<u16> = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    for order in [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba] {
        for kind in TYPES {
            let read = number(kind, order, &words);
            assert!(read.is_none_or(f64::is_finite));
            if let (Some(value), [from, count, ..]) = (read, data) {
                let _ = field(value, BitField { from: *from, count: *count });
            }
        }
        let _ = text(&words, order);
    }
    // Whatever the words are, each number of each shipped profile is one, none, or out of its range.
    let mut answered = RegisterWords::default();
    for chunk in words.chunks(3) {
        if let [start, count, word] = chunk {
            let at = AddressRange { table: RegisterTable::HoldingRegisters, start: *start, count: *count % 125 };
            answered.put(at, &vec![*word; usize::from(at.count)]);
        }
    }
    thread_local! {
        static PROFILES: Vec<SensorProfile> = builtin_profiles::BUILTIN.iter().filter_map(|(name, text)| SensorProfile::parse(&Source::built_in(name, text)).ok()).collect();
    }
    PROFILES.with(|profiles| {
        for item in profiles.iter().flat_map(|profile| &profile.items) {
            let _ = answered.get(item.at).map(|words| item.read(&words, 20_000.0));
        }
    });
    let wanted: Vec<AddressRange> = words
        .chunks_exact(2)
        .take(64)
        .map(|pair| AddressRange { table: RegisterTable::Coils, start: pair[0].min(60_000), count: pair[1] % 125 })
        .collect();
    let found = requests(&wanted, RequestLimits { count_max: 125, gap_max: 8 });
    assert!(wanted.iter().filter(|one| one.count > 0).all(|one| found.iter().any(|request| request.contains(one))));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(nut::NutAnswer::Variables(variables)) = nut::answer(text) {
        let _ = nut::poll_of(&variables, Timestamp::from_millis(1_795_485_600_000));
    }
    let lines: Vec<&str> = text.lines().collect();
    let _ = lines.first().map(|line| pjlink::greeting(line));
    let replies: Vec<(&str, pjlink::Reply)> = ["POWR", "ERST", "AVMT", "LAMP", "FILT", "INF1"]
        .into_iter()
        .zip(lines)
        .filter_map(|(command, line)| Some((command, pjlink::reply(line, command)?)))
        .collect();
    let _ = pjlink::poll_of(&replies);
    let _ = SensorProfile::parse(&Source::built_in("fuzzed", text));
});

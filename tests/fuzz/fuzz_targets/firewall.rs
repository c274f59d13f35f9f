//! Any rule set, of nftables or iptables: followed to an answer, never a panic, never without end.
#![no_main]
use ioc_probe::firewall::{Family, OutsideInterfaces, Packet, listing, nft, save};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for family in Family::ALL {
        if let Ok(json) = serde_json::from_slice(data) {
            let stranger = Packet::new(family, OutsideInterfaces::default(), &nft::ports(&json));
            let _ = nft::compile(&json, &stranger).rules.walk();
            let _ = listing::check_complete(&json);
            let _ = nft::compile_without_foreign(&json, &stranger).rules.walk();
        }
        if let Ok(text) = std::str::from_utf8(data) {
            let _ = listing::devices(text);
            let _ = save::compile(text, &Packet::new(family, OutsideInterfaces::default(), &save::ports(text))).map(|rules| rules.walk());
        }
    }
});

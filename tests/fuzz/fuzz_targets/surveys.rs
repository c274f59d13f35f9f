//! Any bytes as what a survey reads, from a file, a program or the network: read or refused, never a panic, never without end.
#![no_main]
use ioc_probe::{
    accounts, antivirus, certificates, containers, displays, gpu, ipmi, link, mce, memory, mount, patches, ports, process, raid, rpmdb, services, sessions,
    sign_ins, smart, software, time, time_zone, version,
};
use ioc_agent::host::endpoint;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = (antivirus::parse_header(data), certificates::validity(data), certificates::parse(data), displays::parse_edid(data), sessions::parse(data));
    let _ = sign_ins::parse_lastlog_record(data.get(..292).unwrap_or(data));
    let _ = (rpmdb::packages(data), rpmdb::header_item(data), endpoint::answer_code(data, 7));
    if let Ok(json) = serde_json::from_slice(data) {
        let _ = (raid::parse_lvs(&json), smart::parse("sda", &json), smart::parse_scan(&json));
    }
    let _ = (containers::parse_docker(data), containers::parse_podman(data));
    let _ = time_zone::Zone::parse(data).moment([2026, 11, 24], [1, 2, 3]);
    // A checksum keeps random bytes out; what lies behind it is reached with one that is right.
    if let Some(block) = data.get(..127) {
        let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let mut edid = block.to_vec();
        edid.push(0_u8.wrapping_sub(sum));
        let _ = displays::parse_edid(&edid);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (containers::owner_of(text), containers::value_of(text, "populated"), containers::started_ticks(text));
    let _ = (accounts::parse_shadow(text), antivirus::parse_version(text));
    let _ = (gpu::parse_nvidia(text), ipmi::parse_sdr(text), ipmi::parse_supplies(text), link::parse_bond(text));
    let _ = (memory::parse_meminfo(text), memory::parse_arcstats(text), mce::parse(text), mount::parse(text));
    let _ = (patches::parse_check_update(text), patches::parse_updateinfo(text), process::parse_state(text));
    let _ = (ports::parse_sockets(text, "tcp"), ports::parse_sockets(text, "udp"));
    let _ = (raid::parse_mdstat(text), raid::parse_zpool(text), services::parse_units(text), services::parse_show(text, &[]));
    let _ = (sessions::parse_logind(text), software::parse_copyright(text), time::parse_chrony(text), time::parse_ntpq(text), time::parse_ntpctl(text), time::parse_timedatectl(text));
    if let Some((a, b)) = text.split_once('\n') {
        assert_eq!(version::compare(a, b), version::compare(b, a).reverse());
        assert_eq!(version::rpm(a, b), version::rpm(b, a).reverse());
    }
});

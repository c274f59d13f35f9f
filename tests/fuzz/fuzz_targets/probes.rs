//! Any text as a file of /proc: read or refused, never a panic.
#![no_main]
use ioc_probe::{cpu, disk, facts, filesystem, load, memory, network, pressure};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = cpu::parse(text, &mut cpu::CpuTimes::default());
    let _ = (load::parse_loadavg(text), load::parse_uptime(text), load::parse_cpu_list(text));
    let _ = (memory::parse_meminfo(text), memory::parse_vmstat(text), pressure::parse(text));
    let _ = (filesystem::parse(text), facts::os_release(text, "ID"));
    for line in text.lines() {
        let _ = (disk::parse_line(line), network::parse_line(line));
    }
});

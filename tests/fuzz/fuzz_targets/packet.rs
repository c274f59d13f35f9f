//! Any bytes on an open connection: through the packet codec, the checks of the endpoint and the report codec.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = ioc_ingest::packet_path(data);
});

//! Any text as a topic: refused, or the very text that it builds again.
#![no_main]
use ioc_common::topic::Topic;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(topic) = text.parse::<Topic>() {
        assert_eq!(topic.to_string(), text);
    }
});

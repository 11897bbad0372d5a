#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| spygrep_fuzz::websocket(data));

#![no_main]
//! A gateway's key configurations (docs/protocol.md section 8.4), one and in a list: each
//! that is read is written in its own bytes.

use pennyblack_ohttp::key_config::KeyConfig;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(config) = KeyConfig::parse(bytes) {
        assert_eq!(config.as_bytes(), bytes);
        let list = KeyConfig::encode_list([&config]);
        assert_eq!(KeyConfig::parse_list(&list), Ok(vec![config]));
    }
    if let Ok(configs) = KeyConfig::parse_list(bytes) {
        // What was passed over is left out.
        let written = KeyConfig::encode_list(&configs);
        assert!(written.len() <= bytes.len());
        assert_eq!(KeyConfig::parse_list(&written), Ok(configs));
    }
}

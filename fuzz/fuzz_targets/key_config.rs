#![no_main]
//! An HPKE key configuration, encoded and as text (docs/protocol.md section 5):
//! one key has one spelling.

use pennyblack_sealing::mailbox::KeyConfig;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(config) = KeyConfig::parse(bytes) {
        assert_eq!(config.as_bytes(), bytes);
        assert_eq!(
            KeyConfig::new(config.kem(), config.public_key()),
            Ok(config)
        );
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(config) = text.parse::<KeyConfig>()
    {
        assert_eq!(config.to_string(), text);
    }
}

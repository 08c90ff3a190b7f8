//! Hash slots: which keys of a cluster are on one node (Redis Cluster specification,
//! "Key distribution model").

/// How many hash slots there are.
pub const SLOTS: u16 = 16_384;

/// The hash slot of a key, of its hash tag if it has one.
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = hash_tag(key).unwrap_or(key);
    let crc = tag.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    crc % SLOTS
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let rest = key.get(open + 1..)?;
    let close = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..close).filter(|tag| !tag.is_empty())
}

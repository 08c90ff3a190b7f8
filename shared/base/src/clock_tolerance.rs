//! How far the clocks of others may be from ours: all of it, in one table, which
//! section 11 of docs/protocol.md repeats. **A tolerance makes a beginning earlier and no
//! end later:** where time ends an authority (the end of a certificate, `nextUpdate` of a
//! revocation list, `exp`), there is none.

use std::time::Duration;

/// `notBefore` of a certificate and `thisUpdate` of a revocation list, by the CA's clock.
pub const CERTIFICATE: Duration = Duration::from_secs(60);

/// `iat` of a PASSporT.
pub const PASSPORT: Duration = Duration::from_secs(10);

/// `iat` of an attestation.
pub const ATTESTATION: Duration = Duration::from_secs(30);

/// `iat` of a key record.
pub const KEY_RECORD: Duration = Duration::from_secs(60);

/// `created` of a store request, unless the CPS is configured otherwise.
pub const STORE_REQUEST: Duration = Duration::from_secs(30);

/// How far a CPS's clock may be behind that of an OOB-AS, whose requests are then from the
/// future.
pub const SERVICE_BEHIND: Duration = STORE_REQUEST;

/// How far it may be ahead: requests hold for 120 s, and their times are rounded down by up to
/// 30 s.
pub const SERVICE_AHEAD: Duration = Duration::from_secs(90);

/// When a roster begins to be valid.
pub const ROSTER: Duration = Duration::from_secs(60);

/// When a token key begins, by the issuer's clock, in either direction.
pub const TOKEN_KEY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_repeats_the_table() {
        let mut table = "| what | tolerance |\n| --- | --- |\n".to_owned();
        for (what, tolerance) in [
            ("a certificate begins (`notBefore`)", CERTIFICATE),
            ("a revocation list begins (`thisUpdate`)", CERTIFICATE),
            ("a PASSporT was signed (`iat`)", PASSPORT),
            ("an attestation was made (`iat`)", ATTESTATION),
            ("a key record was made (`iat`)", KEY_RECORD),
            ("a store request was signed (`created`)", STORE_REQUEST),
            ("a token key begins", TOKEN_KEY),
            ("a roster begins", ROSTER),
        ] {
            table.push_str(&format!("| {what} | {} s |\n", tolerance.as_secs()));
        }
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
        let text = std::fs::read_to_string(page).unwrap();
        assert!(text.contains(&table), "{page} lacks\n{table}");
    }
}

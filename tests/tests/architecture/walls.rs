//! What a crate must never know of. Not here: how it is found out.

/// What a crate links without its tests, and why it must not link more.
pub(super) struct Wall {
    pub(super) of: &'static [&'static str],
    pub(super) never: &'static [&'static str],
    pub(super) why: &'static str,
}

const SERVERS: &[&str] = &[
    "axum",
    "pennyblack-cps",
    "pennyblack-issuer",
    "pennyblack-logserver",
    "pennyblack-service",
];

/// What knows tokens, mailboxes and PASSporTs.
const CALLS: &[&str] = &[
    "pennyblack-attestation",
    "pennyblack-evidence",
    "pennyblack-passport",
    "pennyblack-privacypass",
    "pennyblack-protocol",
    "pennyblack-sealing",
    "pennyblack-stir",
    "pennyblack-tlog",
];

pub(super) const WALLS: &[Wall] = &[
    Wall {
        of: &["pennyblack-issuer"],
        never: &[
            "hpke",
            "pennyblack-client",
            "pennyblack-cps",
            "pennyblack-passport",
            "pennyblack-protocol",
            "pennyblack-sealing",
        ],
        why: "the issuer knows nothing of mailboxes, sealed PASSporTs or calls",
    },
    Wall {
        of: &["pennyblack-cps"],
        never: &[
            "openssl-sys",
            "pennyblack-client",
            "pennyblack-issuer",
            "pennyblack-pki",
        ],
        why: "a CPS is neither issuer nor client",
    },
    Wall {
        of: &["pennyblack-client", "pennyblack-engine"],
        never: SERVERS,
        why: "a gateway or a handset that embeds the client library links no server",
    },
    Wall {
        of: &["pennyblack-engine"],
        never: &["pennyblack-sip"],
        why: "the gateway's engine knows calls, and no interface of a switch",
    },
    Wall {
        of: &["pennyblack-client", "pennyblack-engine"],
        never: &[
            "openssl-sys",
            "pennyblack-pki",
            "pennyblack-redis",
            "pennyblack-testbed",
            "rcgen",
            "redis",
        ],
        why: "the client library links no Redis, no OpenSSL and no development authority",
    },
    Wall {
        of: &["pennyblack-gateway"],
        never: &[
            "openssl-sys",
            "pennyblack-cps",
            "pennyblack-issuer",
            "pennyblack-logserver",
            "pennyblack-pki",
            "pennyblack-redis",
            "pennyblack-testbed",
            "rcgen",
            "redis",
        ],
        why: "a gateway stands at a carrier's switch and is neither issuer nor CPS",
    },
    Wall {
        of: &["pennyblack-audit"],
        never: SERVERS,
        why: "an auditor serves nobody",
    },
    Wall {
        of: &["pennyblack-audit"],
        never: &[
            "openssl-sys",
            "pennyblack-client",
            "pennyblack-redis",
            "redis",
            "rusqlite",
        ],
        why: "an auditor trusts nobody's store and holds no wallet",
    },
    Wall {
        of: &["pennyblack-relay", "pennyblack-service"],
        never: CALLS,
        why: "a relay knows no token, no mailbox and no PASSporT",
    },
    Wall {
        of: &["pennyblack-relay", "pennyblack-service"],
        never: &["hpke", "pennyblack-hpke", "pennyblack-ohttp"],
        why: "a relay opens nothing",
    },
    Wall {
        of: &["pennyblack-relay"],
        never: &[
            "openssl-sys",
            "pennyblack-client",
            "pennyblack-redis",
            "redis",
            "rusqlite",
        ],
        why: "a relay keeps nothing, and is small enough to be read",
    },
    Wall {
        of: FORMS,
        never: &[
            "axum",
            "hyper",
            "redis",
            "reqwest",
            "rusqlite",
            "pennyblack-runtime",
            "pennyblack-storage",
        ],
        why: "wire forms open no socket and keep nothing",
    },
    Wall {
        of: &["pennyblack-sip"],
        never: CALLS,
        why: "SIP knows no token and no PASSporT",
    },
    Wall {
        of: &["pennyblack-hpke", "pennyblack-ohttp"],
        never: CALLS,
        why: "Oblivious HTTP carries requests and knows nothing of what they ask for",
    },
    Wall {
        of: &["pennyblack-sip", "pennyblack-hpke", "pennyblack-ohttp"],
        never: &["tokio"],
        why: "SIP and Oblivious HTTP wait for nothing",
    },
    Wall {
        of: &["pennyblack-roster"],
        never: &[
            "axum",
            "hyper",
            "redis",
            "reqwest",
            "rusqlite",
            "pennyblack-http",
            "pennyblack-runtime",
        ],
        why: "who belongs to a federation is decided without a network and without a clock",
    },
    Wall {
        of: &["pennyblack-storage"],
        never: &["redis", "pennyblack-base"],
        why: "durable files know neither what is stored nor a server",
    },
];

/// The crates of wire forms and decisions that both sides must reach alike, and of
/// pictures.
pub(super) const FORMS: &[&str] = &[
    "pennyblack-chart",
    "pennyblack-base",
    "pennyblack-sip",
    "pennyblack-stir",
    "pennyblack-passport",
    "pennyblack-privacypass",
    "pennyblack-hpke",
    "pennyblack-ohttp",
    "pennyblack-sealing",
    "pennyblack-tlog",
    "pennyblack-evidence",
    "pennyblack-attestation",
    "pennyblack-protocol",
];

//! Services that are away, silent, of another kind, or refuse; and clocks.

use super::{Row, error, outcome};

pub(super) const ROWS: &[Row] = &[
    outcome(0, "a call", "{call} --cps={cps}", &["stored"]),
    error(
        5,
        "call, the CPS is down",
        "{call} --cps={nobody} --deadline=3",
        &[
            "http://localhost:",
            "nothing listens there",
            "check the port",
        ],
    ),
    error(
        5,
        "verify, the CPS is down",
        "{verify} --cps={nobody} --deadline=3",
        &[
            "no verdict",
            "http://localhost:",
            "nothing listens there",
            "check the port",
        ],
    ),
    error(
        5,
        "register, the CPS is down",
        "{register} --cps={nobody} --deadline=3",
        &[
            "not registered",
            "http://localhost:",
            "nothing listens there",
            "check the port",
        ],
    ),
    error(
        13,
        "call through a relay, no key of the CPS is known",
        "{call} --cps={cps} --relay={nobody}/cps",
        &[
            "nothing was sent to http://127.0.0.1:",
            "no key configuration of cps.test is known",
            "`pennyblack oblivious keys`",
        ],
    ),
    error(
        2,
        "call through a relay of the CPS itself",
        "{call} --cps=https://cps.test --relay=https://cps.test/a",
        &[
            "--relay",
            "is a host of cps.test itself",
            "another operator",
        ],
    ),
    error(
        6,
        "keys of a CPS that takes nothing from relays",
        "oblivious keys --cps={cps} --wallet=wallet.db",
        &["cps.test does not offer Oblivious HTTP", "ask its operator"],
    ),
    error(
        5,
        "call, the CPS is silent",
        "{call} --cps={silent} --timeout=1 --deadline=1",
        &["http://localhost:", "try again"],
    ),
    error(
        5,
        "verify, the CPS is silent",
        "{verify} --cps={silent} --timeout=1 --deadline=1",
        &["no verdict", "try again"],
    ),
    error(
        5,
        "register, the CPS is silent",
        "{register} --cps={silent} --timeout=1 --deadline=1",
        &["not registered", "try again"],
    ),
    error(
        5,
        "draw, the issuer is down",
        "{draw} --issuer={nobody} --wallet=spare.db --deadline=3",
        &[
            "http://localhost:",
            "nothing listens there",
            "check the port",
        ],
    ),
    error(
        5,
        "draw, the issuer is silent",
        "{draw} --issuer={silent} --wallet=spare.db --deadline=1",
        &["http://localhost:", "try again"],
    ),
    error(
        5,
        "a host that does not exist",
        "{call} --cps=https://cps.invalid --deadline=3",
        &["https://cps.invalid", "check the address"],
    ),
    error(
        1,
        "call, an issuer in place of a CPS",
        "{call} --cps={issuer}",
        &["it is an issuer, not a CPS", "check host and port"],
    ),
    error(
        1,
        "verify, an issuer in place of a CPS",
        "{verify} --cps={issuer}",
        &["it is an issuer, not a CPS", "check host and port"],
    ),
    error(
        1,
        "register, an issuer in place of a CPS",
        "{register} --cps={issuer}",
        &["it is an issuer, not a CPS", "check host and port"],
    ),
    error(
        1,
        "draw, a CPS in place of an issuer",
        "{draw} --issuer={cps} --wallet=spare.db",
        &["it is a CPS, not an issuer", "check host and port"],
    ),
    error(
        5,
        "TLS by an authority that is not trusted",
        "{call} --cps={tls} --deadline=5",
        &["https://localhost:", "UnknownIssuer", "--ca-file"],
    ),
    error(
        5,
        "TLS where plain HTTP is spoken",
        "{call} --cps={plain} --deadline=5",
        &["plain HTTP", "use http://"],
    ),
    error(
        5,
        "plain HTTP where TLS is spoken",
        "{call} --cps={untls} --deadline=5",
        &["it speaks TLS there", "use https://"],
    ),
    error(
        1,
        "the clock is two hours behind",
        "{call} --cps={ahead}",
        &["behind the CPS's", "set the clock"],
    ),
    outcome(
        6,
        "call, the CPS answers 429",
        "{call} --cps={full} --wallet=more.db",
        &[
            "not stored",
            "429",
            "The signed request is kept",
            "call --resend",
        ],
    ),
    error(
        6,
        "draw, the quota is used up: 429",
        "{draw} --issuer={issuer} --wallet=spare.db --batch=256",
        &["429", "raise its [quota]"],
    ),
    error(
        6,
        "register, for a number of somebody else",
        "{register} --cps={cps} --tn=12155550199 --replace",
        &["403", "does not hold 12155550199"],
    ),
    error(
        9,
        "draw, an issuer with another log than before",
        "{draw} --issuer={twin} --wallet=known.db",
        &[
            "issuer.test/log",
            "nothing was drawn",
            "ask the issuer's operator",
        ],
    ),
];

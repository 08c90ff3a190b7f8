//! Wallets, keys, certificates and other files.

use super::{Row, error, outcome};

pub(super) const ROWS: &[Row] = &[
    // The wallet.
    error(
        1,
        "there is no wallet",
        "{call} --cps={cps} --wallet=none.db",
        &["--wallet", "none.db", "`pennyblack carrier run` makes"],
    ),
    error(
        1,
        "others may read the wallet",
        "{call} --cps={cps} --wallet=open.db",
        &["--wallet open.db", "mode 644", "chmod 600 open.db"],
    ),
    error(
        1,
        "the wallet is of a later version",
        "{call} --cps={cps} --wallet=later.db",
        &["--wallet later.db", "version 99", "update this program"],
    ),
    error(
        1,
        "the wallet is no database",
        "{call} --cps={cps} --wallet=garbage",
        &[
            "--wallet garbage",
            "not a database",
            "name the wallet's file with --wallet",
        ],
    ),
    error(
        1,
        "the wallet is in a directory that is none",
        "{draw} --issuer={issuer} --wallet=garbage/wallet.db",
        &[
            "wallet garbage/wallet.db",
            "in a directory that exists and is yours",
            "--wallet",
        ],
    ),
    outcome(
        7,
        "the wallet has no tokens",
        "{call} --cps={cps} --wallet=empty.db",
        &[
            "no token for cps.test may be spent now",
            "pennyblack carrier run",
        ],
    ),
    outcome(
        7,
        "the tokens are too young",
        "{call} --cps={cps} --minimum-age=3600",
        &["no token for cps.test may be spent now", "usable from"],
    ),
    outcome(
        7,
        "the status of a wallet without tokens",
        "carrier status --wallet=empty.db",
        &["tokens"],
    ),
    // Keys and certificates.
    error(
        8,
        "no key is published for the number",
        "{call} --cps={cps} --dest=12155550177",
        &[
            "nobody has published a key for 12155550177",
            "`pennyblack mailbox register`",
        ],
    ),
    error(
        12,
        "a key is published and its holder cannot be checked",
        "{call} --cps={provider}",
        &[
            "a key for 12155550100 is published",
            "cannot check",
            "--numbering",
        ],
    ),
    error(
        1,
        "call, the certificate has expired",
        "{call} --cps={cps} --cert=pki/issued/ended.pem --key=pki/issued/ended.key",
        &[
            "--cert",
            "pki/issued/ended.pem",
            "is not valid at",
            "use a new certificate",
        ],
    ),
    error(
        1,
        "call, the certificate is revoked",
        "{call} --cps={cps} --cert=pki/issued/withdrawn.pem --key=pki/issued/withdrawn.key \
         --revocation=pki/revocation",
        &[
            "--cert pki/issued/withdrawn.pem",
            "is revoked, by the revocation lists here",
            "use another certificate",
        ],
    ),
    error(
        1,
        "register, the certificate has expired",
        "{register} --cps={cps} --cert=pki/issued/ended.pem --key=pki/issued/ended.key",
        &[
            "--cert",
            "pki/issued/ended.pem",
            "is not valid at",
            "use a new certificate",
        ],
    ),
    error(
        1,
        "the mailbox key is registered for another number",
        "{register} --cps={cps} --tn=12155550177",
        &[
            "registered for 12155550100 at cps.test until",
            "one record for each signer",
            "another mailbox key",
            "--replace ends the record for 12155550100",
        ],
    ),
    error(
        1,
        "draw, the certificate has expired",
        "{draw} --issuer={issuer} --wallet=spare.db --cert=pki/issued/ended.pem --key=pki/issued/ended.key",
        &[
            "--cert",
            "pki/issued/ended.pem",
            "is not valid at",
            "use a new certificate",
        ],
    ),
    error(
        1,
        "the key of another certificate",
        "{call} --cps={cps} --key=pki/issued/ended.key",
        &[
            "--cert and --key",
            "use the key that the certificate was issued for",
        ],
    ),
    // Files that are missing, or something else.
    error(
        1,
        "no certificate",
        "{call} --cps={cps} --cert=none.pem",
        &["--cert", "none.pem", "`pennyblack pki issue`"],
    ),
    error(
        1,
        "no certificate in the file",
        "{call} --cps={cps} --cert=garbage",
        &["--cert", "garbage", "PEM"],
    ),
    error(
        1,
        "no key in the file",
        "{call} --cps={cps} --key=garbage",
        &["--key", "garbage"],
    ),
    error(
        1,
        "no mailbox key in the file",
        "mailbox show --mailbox-key=garbage",
        &["--mailbox-key", "garbage", "`pennyblack mailbox create`"],
    ),
    error(
        1,
        "a mailbox key that exists already",
        "mailbox create --mailbox-key=office.mailbox",
        &[
            "--mailbox-key",
            "office.mailbox exists already",
            "choose another file",
        ],
    ),
    error(
        1,
        "no roots",
        "{call} --cps={cps} --roots=none",
        &["--roots", "none", "`pennyblack pki init`"],
    ),
    error(
        1,
        "no root in the file",
        "{call} --cps={cps} --roots=garbage",
        &["--roots", "garbage"],
    ),
    error(
        1,
        "no numbering table in the file",
        "{call} --cps={cps} --numbering=garbage",
        &["--numbering", "garbage", "spc,first,count"],
    ),
    error(
        1,
        "a numbering table with a number without its country code",
        "{call} --cps={cps} --numbering=national.csv",
        &[
            "--numbering",
            "national.csv",
            "line 2",
            "2155550100 has ten digits",
            "write 12155550100",
        ],
    ),
    error(
        1,
        "a device as a numbering table",
        "{call} --cps={cps} --numbering=/dev/zero",
        &["--numbering: /dev/zero", "only a regular file is read"],
    ),
    error(
        1,
        "no numbering table",
        "{call} --cps={cps} --numbering=none.csv",
        &["--numbering", "none.csv", "No such file"],
    ),
    error(
        1,
        "no PASSporT in the file",
        "call --wallet=wallet.db --roots=pki/roots --cps={cps} --identity=@none.txt",
        &["--identity", "none.txt", "No such file"],
    ),
    error(
        1,
        "something else than a PASSporT",
        "call --wallet=wallet.db --roots=pki/roots --cps={cps} --identity=garbage",
        &["--identity: the PASSporT", "a compact JWS has 3 parts"],
    ),
    error(
        1,
        "something else than a file of CAs",
        "{call} --cps={tls} --ca-file=garbage",
        &["garbage", "name a file of certificates in PEM"],
    ),
    error(
        1,
        "something else than a configuration",
        "carrier run --config=garbage",
        &["garbage"],
    ),
    error(
        1,
        "a configuration that is not there",
        "carrier run --config=none.toml",
        &["none.toml"],
    ),
    error(
        1,
        "something else than a proof",
        "audit verify garbage --key={logkey}",
        &["garbage"],
    ),
    error(
        1,
        "a full disk",
        "audit prove {log} 0 --key={logkey} --out=/dev/full",
        &["--out", "/dev/full", "No space left on device"],
    ),
];

//! Wrong command lines, bad verdicts, logs that are not sound.

use super::{Row, error, outcome};

pub(super) const ROWS: &[Row] = &[
    // The command line.
    error(
        2,
        "an option that does not exist",
        "{call} --cps={cps} --colour",
        &["--colour"],
    ),
    error(
        2,
        "an option that is missing",
        "call --wallet=wallet.db --cps={cps}",
        &["--roots"],
    ),
    error(
        2,
        "a number of ten digits",
        "{verify} --cps={cps} --dest=2155550100",
        &["--dest", "2155550100 has ten digits", "12155550100"],
    ),
    error(2, "an address that is none", "{call} --cps=cps", &["--cps"]),
    error(
        2,
        "nothing to store",
        "call --wallet=wallet.db --roots=pki/roots --cps={cps}",
        &["--identity", "--orig, --dest, --cert and --key"],
    ),
    // Verdicts.
    outcome(
        3,
        "no PASSporT for the call",
        "{verify} --cps={cps} --orig=12155550111",
        &["no-passport"],
    ),
    outcome(
        4,
        "a PASSporT that cannot be verified",
        "{verify} --cps={cps} --roots=other/roots --used=other.used",
        &["unverifiable"],
    ),
    error(
        1,
        "a mailbox that is not registered",
        "{verify} --cps={cps} --mailbox-key=lonely.mailbox",
        &[
            "no verdict",
            "Is the key registered there",
            "`pennyblack mailbox register`",
        ],
    ),
    // Logs.
    error(
        24,
        "a log by another key than named",
        "audit follow {log} --key={otherkey} --state=by-another-key",
        &["cps.test/log"],
    ),
    error(
        27,
        "too few witnesses",
        "audit follow {log} --key={logkey} --state=unwitnessed --witness={witness}",
        &["cps.test/log", "0 of the 1 witnesses have cosigned"],
    ),
    error(
        28,
        "a key that its issuer has not announced",
        "audit follow {log} --key={logkey} --issuer={twinlog} --issuer-key={twinlogkey} --state=unknown",
        &["issuer.test"],
    ),
    outcome(
        11,
        "an issuer whose log was not named",
        "audit follow {log} --key={logkey} --issuer={otherlog} --issuer-key={otherlogkey} --state=unfollowed",
        &["issuer.test"],
    ),
];

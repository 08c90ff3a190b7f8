//! The ordinary calls: signed by a carrier, stored by it or by a gateway that
//! got the PASSporT in an Identity header, verified by the callee. In the middle
//! the CPS is killed and comes back.

use pennyblack_passport::{Attestation, Call, IdentityHeader, Party, UnverifiedPassport, Verdict};
use pennyblack_protocol::store_request::MAILBOX_SIZE;
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::participants::{Callee, Participants, Storer};
use super::report::{CallLine, VALID};
use super::services::Services;
use super::{Audience, CALLS, DemoError, WhileDoing as _};
use pennyblack_client::auth_service::{KeyLookup, SecondAttempt, ShakenCall, read_passport};
use pennyblack_client::verification_service::OobVerificationService;

/// The call in which the CPS dies.
const CRASH_AT: usize = CALLS / 2;

/// Places every call.
pub(super) async fn place(
    cast: &Participants,
    services: &mut Services,
    clock: &Clock,
    audience: &dyn Audience,
) -> Result<Vec<CallLine>, DemoError> {
    let mut lines = Vec::with_capacity(CALLS);
    for number in 0..CALLS {
        let line = if number == CRASH_AT {
            services.kill_cps();
            // The storer does not know; it repeats the same request until it is
            // answered.
            let (line, restarted) =
                tokio::join!(one_call(cast, number, clock), services.restart_cps());
            restarted?;
            line?
        } else {
            one_call(cast, number, clock).await?
        };
        lines.push(line);
        audience.calls_done(number + 1);
    }
    Ok(lines)
}

async fn one_call(
    cast: &Participants,
    number: usize,
    clock: &Clock,
) -> Result<CallLine, DemoError> {
    let callee = cast.callee(number)?;
    let (signer, storer) = match number % 3 {
        0 => (&cast.carrier_a, &cast.carrier_a),
        1 => (&cast.carrier_b, &cast.carrier_b),
        _ => (&cast.carrier_a, &cast.gateway),
    };
    let orig = customer(number)?;
    let at = clock.now();
    let passport = sign(signer, &orig, callee, clock);
    // What a gateway gets is the header's value.
    let header = UnverifiedPassport::parse(&passport)
        .during("reading a PASSporT")
        .and_then(|passport| IdentityHeader::new(passport).during("making a header"))?;
    let mailboxes = store(cast, storer, &header.to_string(), callee, clock).await?;
    let verdict = verify(callee, &orig, clock).await?;
    let size = callee.recipients.iter().map(slot).max();
    Ok(CallLine {
        at,
        orig: orig.to_string(),
        dest: callee.number.to_string(),
        stored_by: storer.name,
        verdict: name(&verdict),
        mailboxes,
        size: MAILBOX_SIZE + size.unwrap_or(0),
    })
}

const fn slot(oob_vs: &OobVerificationService) -> usize {
    oob_vs.key.config().kem().slot_size()
}

/// The number of the customer who makes this call.
pub(super) fn customer(number: usize) -> Result<TelephoneNumber, DemoError> {
    format!("1732555{:04}", 1000 + number)
        .parse()
        .during("a number")
}

/// A SHAKEN PASSporT of `signer` for a call of this moment.
pub(super) fn sign(
    signer: &Storer,
    orig: &TelephoneNumber,
    callee: &Callee,
    clock: &Clock,
) -> String {
    let call = ShakenCall {
        orig: orig.clone(),
        dest: callee.number.clone(),
        attest: Attestation::Full,
        x5u: Some(signer.x5u.clone()),
    };
    call.sign(&signer.identity, clock.now())
}

/// Stores a copy for each key of the callee, and says in which mailboxes.
pub(super) async fn store(
    cast: &Participants,
    storer: &Storer,
    passport: &str,
    callee: &Callee,
    clock: &Clock,
) -> Result<Vec<String>, DemoError> {
    let caller = cast.caller()?;
    let passport = read_passport(passport).during("reading a PASSporT")?;
    let found = caller
        .keys_of(&callee.number, KeyLookup::Block { digits: 7 }, clock.now())
        .await
        .during("looking up keys")?;
    let (mut mailboxes, mut second) = (Vec::new(), SecondAttempt::default());
    for key in &found.keys {
        caller
            .store(
                &storer.wallet,
                passport.as_str(),
                key,
                &mut second,
                clock.now(),
            )
            .await
            .during("storing a PASSporT")?;
        mailboxes.push(key.mailbox().to_string());
    }
    if mailboxes.len() != callee.recipients.len() {
        return Err(DemoError::Never("finding every key of the callee"));
    }
    Ok(mailboxes)
}

/// What the callee finds, in every mailbox; the worst counts.
pub(super) async fn verify(
    callee: &Callee,
    orig: &TelephoneNumber,
    clock: &Clock,
) -> Result<Verdict, DemoError> {
    let call = Call {
        orig: Party::from(orig.clone()),
        dest: Party::from(callee.number.clone()),
    };
    let mut worst = None;
    for oob_vs in &callee.recipients {
        let verdict = oob_vs.verify(&call, clock).await;
        let verdict = verdict.during("verifying a call")?;
        if !matches!(
            worst,
            Some(Verdict::NoPassport { .. } | Verdict::Unverifiable { .. })
        ) {
            worst = Some(verdict);
        }
    }
    worst.ok_or(DemoError::Never("a mailbox"))
}

/// A verdict in a word.
pub(super) fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Valid { passports, .. } if passports.len() == 1 => VALID,
        Verdict::Valid { .. } => "stored twice",
        Verdict::Unverifiable { .. } => "unverifiable",
        Verdict::NoPassport { .. } => "no PASSporT",
    }
}

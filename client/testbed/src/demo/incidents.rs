//! What should not be done, or should not work: each is tried, and what comes of
//! it is compared with what should.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pennyblack_base::problem::ProblemType;
use pennyblack_cps::issuers::VoprfKeys;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::spend::{STORE_PATH, SpendKey};
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::directory::{self, DirectoryKey, IssuerDirectory};
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use pennyblack_protocol::store_request::{SignedStoreRequest, sign_store_request};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::sealed::seal_passport;

use super::calls::{Found, customer, sign, store, verify};
use super::cps::FIRST;
use super::network::{Host, Network};
use super::participants::{Callee, Participants};
use super::report::{Evidence, Incident};
use super::service::{LOOK_EVERY, client};
use super::services::{Services, issuer_keys};
use super::storer::Storer;
use super::{DemoError, WhileDoing as _};
use pennyblack_client::carrier::CarrierError;
use pennyblack_http::{HttpError, Request, RetryPolicy};
use pennyblack_pki::RevocationReason;

/// Customers' numbers from here on are not used by ordinary calls.
const UNUSED: usize = 5_000;
const DAY: Duration = Duration::from_secs(86_400);
/// How long the issuer may take to notice a new revocation list.
const NOTICE_WITHIN: Duration = Duration::from_secs(15);

/// Plays all of them, and checks the evidence that the double spend left.
pub(super) async fn play(
    directory: &Path,
    cast: &mut Participants,
    services: &Services,
    network: &Network,
    clock: &Clock,
) -> Result<(Vec<Incident>, Evidence), DemoError> {
    let mut incidents = vec![
        no_passport(cast).await?,
        forged(cast, clock).await?,
        expired(cast, clock).await?,
    ];
    incidents.push(double_spend(cast, clock).await?);
    incidents.push(stolen_token(cast, clock).await?);
    incidents.push(exhausted_quota(cast, clock).await?);
    incidents.push(revoked(cast, clock).await?);
    Ok((incidents, evidence(directory, services, network).await?))
}

async fn no_passport(cast: &Participants) -> Result<Incident, DemoError> {
    let found = verify(cast.callee(2)?, &customer(UNUSED)?, None)
        .await?
        .found;
    Ok(Incident {
        what: "a call for which nobody stored anything",
        expected: "no PASSporT",
        observed: found.name().to_owned(),
        ok: found == Found::NoPassport,
    })
}

async fn forged(cast: &Participants, clock: &Clock) -> Result<Incident, DemoError> {
    let (callee, orig) = (cast.callee(2)?, customer(UNUSED + 1)?);
    let passport = sign(&cast.crook, &orig, callee, clock)?;
    // The crook needs a token; carrier B is careless.
    store(&cast.carrier_b, &passport, callee, clock).await?;
    let found = verify(callee, &orig, None).await?.found;
    Ok(Incident {
        what: "a forged call, signed under a CA that nobody trusts",
        expected: "unverifiable",
        observed: found.name().to_owned(),
        ok: found == Found::Unverifiable,
    })
}

async fn expired(cast: &Participants, clock: &Clock) -> Result<Incident, DemoError> {
    let (callee, orig) = (cast.callee(3)?, customer(UNUSED + 2)?);
    let (stale, _hand) = Clock::by_hand(clock.now().minus(Duration::from_secs(600)));
    let (carrier, passport) = (
        &cast.carrier_a,
        sign(&cast.carrier_a, &orig, callee, &stale)?,
    );
    // A program that stores what is of no use to anybody: the library refuses to.
    spend_on(carrier, callee, &passport, clock, |_, _| Ok(()))?;
    let delivery = carrier.oob_as()?.delivery();
    let resent = delivery.resend(&carrier.wallet, clock.now()).await;
    resent.during("storing a PASSporT")?;
    let found = verify(callee, &orig, None).await?.found;
    Ok(Incident {
        what: "a PASSporT of ten minutes ago",
        expected: "unverifiable",
        observed: found.name().to_owned(),
        ok: found == Found::Unverifiable,
    })
}

/// Takes a token out of a wallet and signs what is properly stored with it, and
/// whatever `more` makes of token and key.
fn spend_with<T>(
    cast: &Participants,
    storer: &Storer,
    place: usize,
    clock: &Clock,
    more: impl FnOnce(&pennyblack_privacypass::token::Token, &SpendKey) -> Result<T, DemoError>,
) -> Result<T, DemoError> {
    let callee = cast.callee(place)?;
    let passport = sign(storer, &customer(UNUSED + 3)?, callee, clock)?;
    spend_on(storer, callee, &passport, clock, more)
}

/// The same for any PASSporT of a call to `callee`.
fn spend_on<T>(
    storer: &Storer,
    callee: &Callee,
    passport: &str,
    clock: &Clock,
    more: impl FnOnce(&pennyblack_privacypass::token::Token, &SpendKey) -> Result<T, DemoError>,
) -> Result<T, DemoError> {
    let at = storer.cps()?;
    let cps = at.authority();
    let recipient = callee
        .recipients
        .first()
        .ok_or(DemoError::Never("a mailbox"))?;
    let key = recipient.key.config();
    let sealed = seal_passport(key, cps, passport, &mut rand::rng()).during("sealing")?;
    let mut made = Err(DemoError::Never("taking a token"));
    let url = at.url(STORE_PATH);
    storer
        .wallet
        .spend(
            cps,
            Duration::ZERO,
            &url,
            clock.now(),
            |token, spend_key| {
                made = more(token, spend_key);
                sign_store_request(token, spend_key, cps, key.mailbox(), &sealed, clock.now())
            },
        )
        .during("taking a token")?;
    made
}

async fn double_spend(cast: &Participants, clock: &Clock) -> Result<Incident, DemoError> {
    let (cps, callee) = (&FIRST.authority()?, cast.callee(5)?);
    let recipient = callee
        .recipients
        .first()
        .ok_or(DemoError::Never("a mailbox"))?;
    let key = recipient.key.config();
    let sealed = seal_passport(key, cps, "another.passport.altogether", &mut rand::rng());
    let sealed = sealed.during("sealing")?;
    let second = spend_with(cast, &cast.carrier_b, 4, clock, |token, spend_key| {
        sign_store_request(token, spend_key, cps, key.mailbox(), &sealed, clock.now())
            .during("signing")
    })?;
    let delivery = cast.carrier_b.oob_as()?.delivery();
    let resent = delivery.resend(&cast.carrier_b.wallet, clock.now()).await;
    let first = resent.during("spending a token")?.stored;
    let answer = post(&cast.carrier_b, &second, None).await?;
    let conflicts = refusal(&answer) == Some(ProblemType::TokenAlreadySpent);
    Ok(Incident {
        what: "one token spent on two requests",
        expected: "the first stored, the second refused (token-already-spent)",
        observed: format!("{first} stored, then {}", report(&answer)),
        ok: first == 1 && conflicts,
    })
}

async fn stolen_token(cast: &Participants, clock: &Clock) -> Result<Incident, DemoError> {
    let (cps, callee) = (&FIRST.authority()?, cast.callee(5)?);
    let recipient = callee
        .recipients
        .first()
        .ok_or(DemoError::Never("a mailbox"))?;
    let key = recipient.key.config();
    let sealed = seal_passport(key, cps, "a.thief's.passport", &mut rand::rng());
    let sealed = sealed.during("sealing")?;
    let thief = SpendKey::generate(&mut rand::rng());
    // The thief has the token without its key, and signs with another key.
    let (request, stolen) = spend_with(cast, &cast.carrier_a, 4, clock, |token, _| {
        let mut own = token.clone();
        own.nonce = thief.nonce();
        let request = sign_store_request(&own, &thief, cps, key.mailbox(), &sealed, clock.now());
        Ok((request.during("signing")?, token.authorization()))
    })?;
    let answer = post(&cast.crook, &request, Some(&stolen)).await?;
    let refused = refusal(&answer) == Some(ProblemType::SpendSignature);
    let delivery = cast.carrier_a.oob_as()?.delivery();
    let resent = delivery.resend(&cast.carrier_a.wallet, clock.now()).await;
    let stored = resent.during("spending a token")?.stored;
    Ok(Incident {
        what: "a stolen token, without the key that belongs to it",
        expected: "the thief refused (spend-signature), the owner served",
        observed: format!("{}, then {stored} stored by the owner", report(&answer)),
        ok: refused && stored == 1,
    })
}

async fn exhausted_quota(cast: &Participants, clock: &Clock) -> Result<Incident, DemoError> {
    let drawn = cast.greedy.draw(&FIRST.authority()?, clock).await;
    Ok(Incident {
        what: "tokens beyond a carrier's quota",
        expected: "refused (quota-exceeded)",
        observed: report_draw(&drawn),
        ok: refused_draw(&drawn) == Some(ProblemType::QuotaExceeded),
    })
}

async fn revoked(cast: &mut Participants, clock: &Clock) -> Result<Incident, DemoError> {
    let compromised = RevocationReason::KeyCompromise;
    cast.pki
        .revoke("revoked", compromised, DAY, clock.now())
        .during("revoking a certificate")?;
    let deadline = Instant::now() + NOTICE_WITHIN;
    let drawn = loop {
        let drawn = cast.revoked.draw(&FIRST.authority()?, clock).await;
        if drawn.is_err() || Instant::now() > deadline {
            break drawn;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    Ok(Incident {
        what: "tokens for a carrier whose certificate was revoked a moment ago",
        expected: "refused (certificate-revoked)",
        observed: report_draw(&drawn),
        ok: refused_draw(&drawn) == Some(ProblemType::CertificateRevoked),
    })
}

/// Sends a request as `sender` sends its own.
async fn post(
    sender: &Storer,
    request: &SignedStoreRequest,
    authorization: Option<&str>,
) -> Result<Result<(), HttpError>, DemoError> {
    let oob_as = sender.oob_as()?;
    let mut headers = request.headers().to_vec();
    for (name, value) in &mut headers {
        if name.eq_ignore_ascii_case("authorization") {
            *value = authorization.unwrap_or(value);
        }
    }
    let body = Bytes::copy_from_slice(request.body());
    let request = Request::post(sender.cps()?.url(STORE_PATH), body, 4096).headers(headers);
    let client = oob_as.http.client().during("making an HTTP client")?;
    let answer = client.send(&request, RetryPolicy::SHORT).await;
    Ok(answer.map(|_| ()))
}

fn refusal(answer: &Result<(), HttpError>) -> Option<ProblemType> {
    answer.as_ref().err()?.refused()?.kind()
}

fn report(answer: &Result<(), HttpError>) -> String {
    match (answer, refusal(answer)) {
        (Ok(()), _) => "stored".to_owned(),
        (Err(_), Some(kind)) => format!("refused ({})", kind.name()),
        (Err(error), None) => error.to_string(),
    }
}

fn refused_draw(drawn: &Result<usize, CarrierError>) -> Option<ProblemType> {
    match drawn {
        Err(CarrierError::Http(error)) => error.refused()?.kind(),
        _ => None,
    }
}

fn report_draw(drawn: &Result<usize, CarrierError>) -> String {
    match (drawn, refused_draw(drawn)) {
        (Ok(tokens), _) => format!("{tokens} tokens drawn"),
        (Err(_), Some(kind)) => format!("refused ({})", kind.name()),
        (Err(error), None) => error.to_string(),
    }
}

/// Fetches the double-spend log and checks every line as a stranger would: with
/// the issuer's directory, and trusting nobody. (VOPRF tokens nobody but their
/// operator can verify.)
async fn evidence(
    directory: &Path,
    services: &Services,
    network: &Network,
) -> Result<Evidence, DemoError> {
    let client = client()?;
    let url = services.issuer_address.url(directory::WELL_KNOWN_PATH);
    let request = Request::get(url, directory::MAX_SIZE);
    let answer = client.send(&request, RetryPolicy::SHORT).await;
    let answer = answer.during("fetching the issuer's directory")?;
    let issuer = IssuerDirectory::parse(&answer.body).during("reading the issuer's directory")?;
    let cps = services.first_cps_from(Host::Auditor, network).await?;
    let url = cps.url("/v1/double-spends");
    let request = Request::get(url, 1 << 20);
    let answer = client.send(&request, RetryPolicy::SHORT).await;
    let answer = answer.during("fetching the double-spend log")?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let findings: Vec<_> = text
        .lines()
        .map(|line| check(line, &issuer, &issuer_keys(directory)))
        .collect();
    let proven = findings.iter().filter(|finding| finding.is_ok()).count();
    let finding = findings
        .into_iter()
        .next()
        .unwrap_or(Err("the log is empty".to_owned()));
    Ok(Evidence {
        lines: text.lines().count(),
        proven,
        finding: finding.unwrap_or_else(|wrong| wrong),
    })
}

fn check(line: &str, issuer: &IssuerDirectory, secrets: &Path) -> Result<String, String> {
    let line: serde_json::Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let evidence = line.get("evidence").ok_or("the line holds no evidence")?;
    let evidence: DoubleSpendEvidence = evidence.to_string().parse().map_err(|e| format!("{e}"))?;
    let id = evidence.token.token_key_id;
    let key = issuer.token_keys.iter().find(|key| key.id() == id);
    let key = key.ok_or("signed with a key that the issuer does not list")?;
    let key = verifier(key, secrets)?;
    let proven = evidence.verify(&key).map_err(|e| e.to_string())?;
    Ok(format!(
        "the issuer signed token {}…, whose key signed two requests",
        hex::encode(proven.nonce().0).get(..8).unwrap_or_default(),
    ))
}

fn verifier(key: &DirectoryKey, secrets: &Path) -> Result<TokenVerifier, String> {
    let public = TokenKey::parse(key.token_type, &key.encoded).map_err(|e| e.to_string())?;
    match public {
        TokenKey::BlindRsa(key) => TokenVerifyingKey::new(key)
            .map(TokenVerifier::BlindRsa)
            .map_err(|e| e.to_string()),
        TokenKey::Voprf(key) => VoprfKeys::new(Some(secrets.to_owned()))
            .find(&key)
            .map_err(|e| e.to_string()),
    }
}

//! Two calls between telephone networks, whose switches know nothing of Pennyblack and ask
//! their gateways by SIP. A gap between the networks loses the Identity of the first call;
//! the second has the same numbers, and nobody signed it.

use std::path::Path;
use std::time::Duration;

use pennyblack_client::verification_service::{MailboxCpss, Publisher, create_mailbox_key};
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_sip::header_name::{CALL_ID, IDENTITY, P_ASSERTED_IDENTITY};
use pennyblack_sip::response::Response;
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::calls::customer;
use super::gateways::{Gateway, Written};
use super::participants::Participants;
use super::report::GatewayAnswer;
use super::service::client;
use super::switch;
use super::{DemoError, WhileDoing as _};

/// Who is called: nobody else of the demonstration is.
pub(super) const CALLED: &str = "12155550199";
/// The place of the caller among the customers; no other call comes from there.
const CALLING: usize = 4_000;
const DAY: Duration = Duration::from_secs(86_400);

/// The calling number of both calls.
pub(super) fn calling() -> Result<TelephoneNumber, DemoError> {
    customer(CALLING)
}

/// Starts both gateways, makes both calls, and ends the gateways.
pub(super) async fn play(
    directory: &Path,
    cast: &Participants,
    clock: &Clock,
) -> Result<Vec<GatewayAnswer>, DemoError> {
    let cps = cast.called_cps()?;
    let mailbox = directory.join("office.mailbox");
    register(cast, cps, &mailbox, clock).await?;
    let mut originating = Gateway::originating(directory, cast, CALLED)?;
    let mut terminating = Gateway::terminating(directory, cast, &mailbox)?;
    tokio::try_join!(originating.start(), terminating.start())?;

    let leaves = Asked::about_a_call(&originating).await?;
    let identity = leaves.header(IDENTITY)?;
    // The gap: the INVITE that arrives has no Identity.
    let arrives = Asked::about_a_call(&terminating).await?;
    let unsigned = Asked::about_a_call(&terminating).await?;
    Ok(vec![
        leaves.signed()?,
        arrives.verified(identity.as_deref())?,
        unsigned.not_verified()?,
    ])
}

/// Makes the mailbox of the called number and publishes its key.
async fn register(
    cast: &Participants,
    cps: &ServiceAddress,
    mailbox: &Path,
    clock: &Clock,
) -> Result<(), DemoError> {
    let key = create_mailbox_key(mailbox, Kem::DhkemX25519).during("making a mailbox key")?;
    let publisher = Publisher {
        identity: cast.terminating.clone(),
        coverage: Coverage::Number(CALLED.parse().during("a number")?),
        key: key.config().clone(),
        cpss: MailboxCpss::one(cps.clone()).during("naming the CPS")?,
        lifetime: DAY,
        retry: RetryPolicy::SHORT,
    };
    let registered = publisher.register(&client()?, clock.now()).await;
    registered.during("registering a key").map(drop)
}

/// What a gateway answered, and what it wrote of the call.
struct Asked {
    answer: Response,
    written: Written,
}

impl Asked {
    async fn about_a_call(gateway: &Gateway) -> Result<Self, DemoError> {
        let dest = CALLED.parse().during("a number")?;
        let answer = switch::invite(gateway.sip, &calling()?, &dest).await?;
        let call = answer.headers().one(CALL_ID).during("reading an answer")?;
        let written = gateway.written(&call.text()).await?;
        Ok(Self { answer, written })
    }

    fn header(&self, name: &'static str) -> Result<Option<String>, DemoError> {
        let value = self.answer.headers().at_most_one(name);
        let value = value.during("reading an answer")?;
        Ok(value.map(|value| value.text().into_owned()))
    }

    /// The call leaves: it must be redirected with an Identity, and a copy stored.
    fn signed(self) -> Result<GatewayAnswer, DemoError> {
        let expected = "302 with Identity, 1 copy stored";
        self.report("a call leaves", "originating", expected, |answer| {
            answer.code == 302
                && answer.identity.is_some()
                && answer.result == "signed"
                && answer.copies == Some(1)
        })
    }

    /// It arrives without its Identity: verified all the same, and the Identity is back.
    fn verified(self, identity: Option<&str>) -> Result<GatewayAnswer, DemoError> {
        let (call, expected) = (
            "it arrives, its Identity lost",
            "302 with Identity and verstat=TN-Validation-Passed",
        );
        self.report(call, "terminating", expected, |answer| {
            answer.code == 302
                && answer.verstat.as_deref() == Some("TN-Validation-Passed")
                && answer.result == "TN-Validation-Passed"
                && identity.is_some()
                && answer.identity.as_deref() == identity
        })
    }

    /// Another call with the same numbers: nothing can be said of it.
    fn not_verified(self) -> Result<GatewayAnswer, DemoError> {
        let (call, expected) = ("an unsigned one, same numbers", "404: No-TN-Validation");
        self.report(call, "terminating", expected, |answer| {
            answer.code == 404
                && answer.verstat.is_none()
                && answer.identity.is_none()
                && answer.result == "No-TN-Validation"
        })
    }

    fn report(
        self,
        call: &'static str,
        gateway: &'static str,
        expected: &'static str,
        is_expected: impl FnOnce(&GatewayAnswer) -> bool,
    ) -> Result<GatewayAnswer, DemoError> {
        let asserted = self.header(P_ASSERTED_IDENTITY)?;
        let answer = GatewayAnswer {
            call,
            gateway,
            orig: calling()?.to_string(),
            dest: CALLED.to_owned(),
            code: self.answer.code(),
            identity: self.header(IDENTITY)?,
            verstat: asserted.as_deref().and_then(verstat).map(str::to_owned),
            asserted_identity: asserted,
            result: self.written.result,
            copies: self.written.copies,
            reason: self.written.reason,
            expected,
            ok: false,
        };
        let ok = is_expected(&answer);
        Ok(GatewayAnswer { ok, ..answer })
    }
}

/// The `verstat` of a `P-Asserted-Identity` (3GPP TS 24.229): a parameter of the number.
fn verstat(asserted: &str) -> Option<&str> {
    let (_, value) = asserted.split_once(";verstat=")?;
    value.split(['@', ';', '>']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verstat_ends_where_its_number_does() {
        for (asserted, expected) in [
            (
                "<sip:+17325551000;verstat=TN-Validation-Passed@a.example;user=phone>",
                Some("TN-Validation-Passed"),
            ),
            (
                "<tel:+17325551000;verstat=TN-Validation-Failed>",
                Some("TN-Validation-Failed"),
            ),
            ("<sip:+17325551000@a.example;user=phone>", None),
        ] {
            assert_eq!(verstat(asserted), expected, "{asserted}");
        }
    }
}

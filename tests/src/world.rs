//! Everything around an issuer and a CPS, wherever these two run: certificates,
//! their configurations, and a client that speaks to them in plain HTTP.

mod configuration;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{SpcAuthority, VerificationRules};
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_privacypass::directory::{DirectoryKey, IssuerDirectory, WELL_KNOWN_PATH};
use pennyblack_privacypass::issuance::BATCH_REQUEST_TYPE;
use pennyblack_privacypass::token::TokenChallenge;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_protocol::key_record::{KEY_RECORD_MEDIA_TYPE, KEYS_PATH, KeyRecordList};
use pennyblack_protocol::store_request::{MEDIA_TYPE, SignedStoreRequest};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::MailboxId;
use tempfile::TempDir;

use self::configuration::{cps_config, issuer_config};
use crate::answer::Answer;
use crate::drawing::{Drawing, Spendable, attestation};
use crate::mailbox::Mailbox;
use crate::wait::until;

/// The carrier's service provider code.
pub const CARRIER_SPC: &str = "683G";
/// The first of the hundred numbers that the recipient holds.
pub const FIRST_NUMBER: &str = "12125550100";
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Longest wait until a node notices something.
const NOTICED: Duration = Duration::from_secs(60);

/// Most tokens of one drawing.
const BATCH: usize = 256;

/// Certificates, configurations and a client.
pub struct World {
    home: TempDir,
    /// What both services trust.
    pub pki: PkiDirectory,
    /// Draws tokens; holds [`CARRIER_SPC`].
    pub carrier: StirIdentity,
    /// Holds a hundred numbers from [`FIRST_NUMBER`].
    pub holder: StirIdentity,
    /// What the issuer is told.
    pub issuer: pennyblack_issuer::Config,
    /// What the CPS is told.
    pub cps: pennyblack_cps::Config,
    /// What everybody calls now.
    pub clock: Clock,
    /// Sends every request.
    pub client: reqwest::Client,
    /// Whose certificates the services have, if they speak TLS.
    authority: Option<PathBuf>,
}

impl World {
    /// A world in which nothing runs yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let home = tempfile::tempdir().unwrap();
        let now = clock.now();
        let path = home.path().join("pki");
        let mut pki = PkiDirectory::init(&path, &CaNames::default(), WEEK, now).unwrap();
        let spc = TnAuthEntry::spc(CARRIER_SPC).unwrap();
        let numbers = TnAuthEntry::range(&format!("{FIRST_NUMBER}+100")).unwrap();
        let mut identity = |name: &str, holds| {
            let mut request = LeafRequest::new(vec![holds]);
            request.organization = name.to_owned();
            pki.issue(name, &request, None, now).unwrap();
            identity_of(&pki, name)
        };
        let carrier = identity("carrier", spc);
        let holder = identity("holder", numbers);
        let issuer = issuer_config(home.path(), &pki);
        let cps = cps_config(home.path(), &pki, &issuer.issuer.authority);
        Self {
            home,
            pki,
            carrier,
            holder,
            issuer,
            cps,
            clock,
            client: client().build().unwrap(),
            authority: None,
        }
    }

    /// A file or directory that goes when the world does.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// How somebody verifies who trusts this world's roots, and has its certificates at hand.
    ///
    /// # Panics
    /// When the roots cannot be read.
    #[must_use]
    pub fn verification_rules(&self) -> VerificationRules {
        let pki = self.path("pki");
        VerificationRules {
            trust: load_trust(&pki.join("roots"), None, self.clock.now()).unwrap(),
            certificates: CertificateStores {
                directory: Some(pki.join("issued")),
                repositories: None,
            },
            authority: SpcAuthority::Any,
        }
    }

    /// The CPS's name.
    #[must_use]
    pub const fn cps_name(&self) -> &Authority {
        &self.cps.cps.authority
    }

    /// The issuer's name.
    #[must_use]
    pub const fn issuer_name(&self) -> &Authority {
        &self.issuer.issuer.authority
    }

    /// The challenge that this CPS's tokens are drawn for.
    #[must_use]
    pub fn challenge(&self) -> TokenChallenge {
        TokenChallenge::of_cps(
            self.issuer.token_keys.token_type.token_type(),
            self.issuer_name(),
            self.cps_name(),
        )
    }

    /// Gets from the CPS.
    pub async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.url_of(self.cps_name().as_str()));
        Answer::to(self.client.get(url)).await.unwrap()
    }

    /// The keys of the issuer's directory.
    pub async fn issuer_keys(&self) -> Vec<DirectoryKey> {
        let url = format!(
            "{}{WELL_KNOWN_PATH}",
            self.url_of(self.issuer_name().as_str())
        );
        let answer = Answer::to(self.client.get(url)).await.unwrap();
        IssuerDirectory::parse(answer.content()).unwrap().token_keys
    }

    /// The key that the issuer signs with now.
    pub async fn signing_key(&self) -> TokenKey {
        let now = self.clock.now();
        let keys = self.issuer_keys().await;
        let begun = |key: &&DirectoryKey| key.not_before.is_none_or(|start| start <= now);
        let key = keys.iter().find(begun).unwrap();
        TokenKey::parse(key.token_type, &key.encoded).unwrap()
    }

    /// Blinds tokens for the CPS.
    pub async fn drawing(&self, tokens: usize) -> Drawing {
        Drawing::blind(&self.signing_key().await, self.challenge().digest(), tokens)
    }

    /// Sends a drawing, with an attestation of its own.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send_drawing(&self, drawing: &Drawing) -> Result<Answer, reqwest::Error> {
        let body = drawing.body();
        let jwt = attestation(&self.carrier, self.issuer_name(), &body, self.clock.now());
        self.send_drawing_as(&jwt, body).await
    }

    /// Sends the body of a drawing with this attestation.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send_drawing_as(
        &self,
        jwt: &str,
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        Answer::to(self.drawing_request(jwt, body)).await
    }

    /// The body of a drawing with this attestation, to be sent.
    pub fn drawing_request(&self, jwt: &str, body: Vec<u8>) -> reqwest::RequestBuilder {
        let url = format!("{}/token-request", self.url_of(self.issuer_name().as_str()));
        let request = self.client.post(url).bearer_auth(jwt);
        request
            .header("content-type", BATCH_REQUEST_TYPE)
            .body(body)
    }

    /// Draws tokens.
    pub async fn draw(&self, tokens: usize) -> Vec<Spendable> {
        let mut drawn = Vec::with_capacity(tokens);
        while drawn.len() < tokens {
            let drawing = self.drawing(BATCH.min(tokens - drawn.len())).await;
            let answer = match self.send_drawing(&drawing).await {
                // The issuer may close an idle connection at this very instant. The
                // same drawing is charged once.
                Err(error) if error.is_request() => self.send_drawing(&drawing).await,
                answer => answer,
            };
            let answer = answer.unwrap();
            drawn.extend(drawing.finish(answer.content()));
        }
        drawn
    }

    /// Draws one token.
    pub async fn draw_one(&self) -> Spendable {
        self.draw(1).await.pop().unwrap()
    }

    /// The request that spends a token on `passport` for a mailbox, signed now.
    #[must_use]
    pub fn spend(
        &self,
        token: &Spendable,
        mailbox: &Mailbox,
        passport: &str,
    ) -> SignedStoreRequest {
        token.spend_on(
            mailbox.config(),
            self.cps_name(),
            passport,
            self.clock.now(),
        )
    }

    /// Sends a store request.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn store(&self, request: &SignedStoreRequest) -> Result<Answer, reqwest::Error> {
        Answer::to(self.store_request(request)).await
    }

    /// Sends a store request to a node of the CPS.
    pub async fn store_at(&self, node: SocketAddr, request: &SignedStoreRequest) -> Answer {
        let sent = self.store_request_at(&node.to_string(), request);
        Answer::to(sent).await.unwrap()
    }

    /// A store request, to be sent.
    pub fn store_request(&self, request: &SignedStoreRequest) -> reqwest::RequestBuilder {
        self.store_request_at(self.cps_name().as_str(), request)
    }

    fn store_request_at(
        &self,
        host: &str,
        request: &SignedStoreRequest,
    ) -> reqwest::RequestBuilder {
        let url = format!("{}{STORE_PATH}", self.url_of(host));
        let mut post = self.client.post(url).body(request.body().to_vec());
        for (name, value) in request.headers() {
            post = post.header(name, value);
        }
        post
    }

    /// Posts nothing to where one stores: refused, with a challenge to get a token.
    pub async fn post_nothing(&self) -> Answer {
        self.post_nothing_at(self.cps_name().as_str()).await
    }

    /// The same at one node of the CPS.
    pub async fn post_nothing_at(&self, host: &str) -> Answer {
        let url = format!("{}{STORE_PATH}", self.url_of(host));
        let post = self.client.post(url).body(vec![0; 2080]);
        Answer::to(post.header("content-type", MEDIA_TYPE))
            .await
            .unwrap()
    }

    /// Sends a key record.
    pub async fn put_record(&self, token: &str) -> Answer {
        let url = format!("{}{KEYS_PATH}", self.url_of(self.cps_name().as_str()));
        let put = self.client.put(url).body(token.to_owned());
        Answer::to(put.header("content-type", KEY_RECORD_MEDIA_TYPE))
            .await
            .unwrap()
    }

    /// Registers a mailbox by the holder's certificate.
    pub async fn register(&self, mailbox: &Mailbox) {
        let record = mailbox.record(&self.holder, self.cps_name(), self.clock.now());
        let token = record.sign(self.holder.certificate(), self.holder.key());
        self.put_record(&token).await.assert_created();
    }

    /// A new, registered X25519 mailbox for the first number.
    pub async fn mailbox(&self) -> Mailbox {
        self.nth_mailbox(0).await
    }

    /// A new X25519 mailbox. A number has room for a few only, so each `nth` is for
    /// a number that others share with it: there is room for 1,600.
    pub async fn nth_mailbox(&self, nth: u64) -> Mailbox {
        let number = FIRST_NUMBER.parse::<u64>().unwrap() + nth / 16;
        let mailbox = Mailbox::new(
            pennyblack_sealing::mailbox::Kem::DhkemX25519,
            &number.to_string(),
        );
        self.register(&mailbox).await;
        mailbox
    }

    /// A new X25519 mailbox for the first number, registered at the first of these
    /// nodes of the CPS and known to all of them.
    pub async fn mailbox_at(&self, nodes: &[SocketAddr]) -> Mailbox {
        let mailbox = Mailbox::new(pennyblack_sealing::mailbox::Kem::DhkemX25519, FIRST_NUMBER);
        let record = mailbox.record(&self.holder, self.cps_name(), self.clock.now());
        let token = record.sign(self.holder.certificate(), self.holder.key());
        self.put_record_at(nodes[0], &token).await.assert_created();
        for node in nodes {
            self.until_found_at(*node, &token).await;
        }
        mailbox
    }

    /// Sends a key record to one of several nodes of the CPS.
    pub async fn put_record_at(&self, node: SocketAddr, token: &str) -> Answer {
        let url = format!("{}{KEYS_PATH}", self.url_of(&node.to_string()));
        let put = self.client.put(url).body(token.to_owned());
        Answer::to(put.header("content-type", KEY_RECORD_MEDIA_TYPE))
            .await
            .unwrap()
    }

    /// The records of the first number that a node finds.
    pub async fn found_at(&self, node: SocketAddr) -> Vec<String> {
        let url = format!(
            "{}{KEYS_PATH}/{FIRST_NUMBER}",
            self.url_of(&node.to_string())
        );
        let answer = Answer::to(self.client.get(url)).await.unwrap();
        let list: KeyRecordList = serde_json::from_slice(answer.content()).unwrap();
        list.records
    }

    /// Waits until a node finds a record of the first number.
    pub async fn until_found_at(&self, node: SocketAddr, token: &str) {
        until("a key record at a node", NOTICED, async || {
            let found = self.found_at(node).await;
            found.iter().any(|found| found == token).then_some(())
        })
        .await;
    }

    /// Asks for a mailbox.
    pub async fn poll(&self, mailbox: MailboxId, slots: Slots, after: Cursor) -> Answer {
        self.get(&format!(
            "/v1/mailboxes/{mailbox}?slots={slots}&after={after}"
        ))
        .await
    }

    /// Everything in a mailbox, opened, oldest first.
    pub async fn read(&self, mailbox: &Mailbox) -> Vec<String> {
        let (mut passports, mut after) = (Vec::new(), Cursor::START);
        loop {
            let answer = self.poll(mailbox.id(), Slots::SixtyFour, after).await;
            let page = mailbox.open(self.cps_name(), answer.content());
            passports.extend(mailbox.read(self.cps_name(), &page));
            after = page.header().next;
            if !page.header().more {
                return passports;
            }
        }
    }
}

/// The identity that the PKI issued under this name.
#[must_use]
pub fn identity_of(pki: &PkiDirectory, name: &str) -> StirIdentity {
    StirIdentity::load(&pki.certificate_path(name), &pki.key_path(name), None).unwrap()
}

fn client() -> reqwest::ClientBuilder {
    let client = reqwest::Client::builder().no_proxy();
    client.timeout(Duration::from_secs(30))
}

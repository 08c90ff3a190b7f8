//! An issuer on real sockets with a clock that the test sets, and a client that
//! speaks to it in plain HTTP.

#![allow(dead_code, reason = "each test program uses another part")]

pub(crate) mod pki;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use pennyblack_attestation::Statement;
use pennyblack_base::authority::Authority;
use pennyblack_base::problem::{Problem, ProblemType};
use pennyblack_base::time::UnixTime;
use pennyblack_issuer::{Config, Issuer};
use pennyblack_privacypass::blind_rsa::{PendingToken, TokenPublicKey, TokenVerifyingKey};
use pennyblack_privacypass::directory::{DirectoryKey, IssuerDirectory, WELL_KNOWN_PATH};
use pennyblack_privacypass::issuance::{
    BATCH_REQUEST_TYPE, REQUEST_TYPE, TokenRequest, batch_to_bytes, parse_batch_answer,
};
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token, TokenKeyId};
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_service::problem_response::testing::indiscretion;
use pennyblack_service::start::RunningService;
use tempfile::TempDir;

use self::pki::{Carrier, Pki};

/// 2026-09-21, when the certificates of [`Pki`] are valid.
pub(crate) const NOW: UnixTime = UnixTime(1_790_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) struct Scene {
    pub(crate) pki: Pki,
    pub(crate) clock: Clock,
    pub(crate) hand: ClockHand,
    pub(crate) config: Config,
    pub(crate) authority: Authority,
    directory: TempDir,
    running: Option<RunningService>,
    client: reqwest::Client,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// With a change to the configuration.
    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut scene = Self::prepare();
        scene.pki.install_root(&scene.config.trust.roots);
        change(&mut scene.config);
        scene.start().await;
        scene
    }

    /// Everything but the start, and without root certificates.
    pub(crate) fn prepare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority: Authority = "issuer.test".parse().unwrap();
        let path = directory.path();
        let config = Config::local(authority.clone(), path.join("data"), path.join("roots"));
        let (clock, hand) = Clock::by_hand(NOW);
        Self {
            pki: Pki::new(),
            clock,
            hand,
            config,
            authority,
            directory,
            running: None,
            client: reqwest::Client::new(),
        }
    }

    pub(crate) async fn start(&mut self) {
        let issuer = Issuer::start(self.config.clone(), self.clock.clone()).await;
        self.running = Some(issuer.unwrap());
    }

    /// Starts another node of the same issuer, with a data directory of its own. The
    /// node that runs leads the log.
    pub(crate) async fn start_another(&self, name: &str) -> RunningService {
        let mut config = self.config.clone();
        let leader = self.running.as_ref().unwrap().addresses().public;
        config.transparency_log.leader = Some(format!("http://{leader}"));
        config.issuer.data_directory = self.path(name);
        Issuer::start(config, self.clock.clone()).await.unwrap()
    }

    /// From now on talks to that node; the one before is in its place.
    pub(crate) fn talk_to(&mut self, other: &mut RunningService) {
        std::mem::swap(self.running.as_mut().unwrap(), other);
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let address = self.running.as_ref().unwrap().addresses().public;
        format!("http://{address}{path}")
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let address = self.running.as_ref().unwrap().addresses().admin;
        answer_of(self.client.get(format!("http://{address}{path}"))).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer_of(request).await
    }

    pub(crate) async fn directory_keys(&self) -> Vec<DirectoryKey> {
        let answer = self.get(WELL_KNOWN_PATH, &[]).await;
        IssuerDirectory::parse(&answer.body).unwrap().token_keys
    }

    /// The key that a client uses now: the first that has begun.
    pub(crate) async fn signing_key(&self) -> TokenPublicKey {
        let now = self.clock.now();
        let keys = self.directory_keys().await;
        let begun = |key: &&DirectoryKey| key.not_before.is_none_or(|start| start <= now);
        TokenPublicKey::parse(&keys.iter().find(begun).unwrap().encoded).unwrap()
    }

    /// The attestation that belongs to `body`.
    pub(crate) fn attestation(&self, carrier: &Carrier, iss: &str, body: &[u8]) -> String {
        let statement = Statement {
            iss,
            audience: &self.authority,
            body,
            now: self.clock.now(),
            lifetime: Duration::from_secs(60),
        };
        statement.sign(&carrier.certificate, &carrier.key)
    }

    pub(crate) async fn post(
        &self,
        media_type: &str,
        bearer: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        let mut request = self.client.post(self.url("/token-request"));
        request = request.header("content-type", media_type).body(body);
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        answer_of(request).await
    }

    /// Sends a single request with these header fields, which may be anything.
    pub(crate) async fn post_with(&self, headers: HeaderMap, body: Vec<u8>) -> Answer {
        let request = self.client.post(self.url("/token-request"));
        answer_of(request.headers(headers).body(body)).await
    }

    /// Sends a single request, properly attested.
    pub(crate) async fn draw(
        &self,
        carrier: &Carrier,
        iss: &str,
        request: &TokenRequest,
    ) -> Answer {
        let body = request.to_bytes();
        let bearer = self.attestation(carrier, iss, &body);
        self.post(REQUEST_TYPE, Some(&bearer), body).await
    }

    /// Sends a batch, properly attested.
    pub(crate) async fn draw_batch(
        &self,
        carrier: &Carrier,
        iss: &str,
        batch: &[TokenRequest],
    ) -> Answer {
        let body = batch_to_bytes(batch);
        let bearer = self.attestation(carrier, iss, &body);
        self.post(BATCH_REQUEST_TYPE, Some(&bearer), body).await
    }

    /// Waits, without a time of its own, until the directory satisfies `wanted`.
    pub(crate) async fn directory_until(
        &self,
        wanted: impl Fn(&[DirectoryKey]) -> bool,
    ) -> Vec<DirectoryKey> {
        tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let answer = self.get(WELL_KNOWN_PATH, &[]).await;
                // A node that shares its keys shows none while it may lack one.
                if answer.status == StatusCode::OK {
                    let keys = IssuerDirectory::parse(&answer.body).unwrap().token_keys;
                    if wanted(&keys) {
                        return keys;
                    }
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("the directory never came to be as wanted"))
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        let holds = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), holds).await;
        waited.expect("it never came to be as wanted");
    }

    /// Waits until `/readyz` has this status.
    pub(crate) async fn until_ready_is(&self, status: StatusCode) -> Answer {
        tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let answer = self.admin("/readyz").await;
                // A service that has just started has not looked at everything.
                let said = String::from_utf8_lossy(&answer.body);
                if answer.status == status && !said.contains("not looked at yet") {
                    return answer;
                }
            }
        })
        .await
        .expect("readiness never came to be as wanted")
    }
}

async fn answer_of(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

impl Answer {
    /// The problem type of a refusal; the document must say what to do.
    pub(crate) fn problem(&self) -> ProblemType {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        let kind = problem
            .problem_type()
            .unwrap_or_else(|| panic!("{problem}"));
        assert_eq!(self.status.as_u16(), kind.status(), "{problem}");
        assert!(problem.detail.ends_with(kind.advice()), "{problem}");
        let at_fault = kind.status() >= 500;
        assert!(
            !at_fault || indiscretion(&problem.detail).is_none(),
            "{problem}"
        );
        assert_eq!(
            self.headers.contains_key("retry-after"),
            kind.retry_after().is_some()
        );
        assert_eq!(
            self.headers.contains_key("www-authenticate"),
            kind.status() == 401
        );
        kind
    }

    /// The blind signatures of a batch.
    pub(crate) fn batch(&self) -> Vec<Option<Vec<u8>>> {
        assert!(
            matches!(self.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT),
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let answers = parse_batch_answer(&self.body, 1000).unwrap();
        answers
            .into_iter()
            .map(|one| one.map(|answer| answer.response.to_vec()))
            .collect()
    }

    pub(crate) fn ok(&self) -> &[u8] {
        assert_eq!(
            self.status,
            StatusCode::OK,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        &self.body
    }
}

/// A token between request and answer, with a random nonce.
pub(crate) fn pending(key: &TokenPublicKey) -> PendingToken {
    let challenge = ChallengeDigest([7; 32]);
    PendingToken::blind(key, Nonce(rand::random()), challenge, &mut rand::rng()).unwrap()
}

/// Makes the token and checks it as a CPS would.
pub(crate) fn finished(pending: &PendingToken, blind_signature: &[u8]) -> Token {
    let token = pending.finalize(blind_signature).unwrap();
    let key = TokenVerifyingKey::new(pending.key().clone()).unwrap();
    key.verify(token.clone()).unwrap();
    token
}

pub(crate) fn ids(keys: &[DirectoryKey]) -> Vec<TokenKeyId> {
    keys.iter().map(DirectoryKey::id).collect()
}

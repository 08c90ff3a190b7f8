//! A store request; any part of it can be changed before it is sent.

use http::HeaderValue;
use pennyblack_evidence::spend::{RequestDigest, STORE_PATH};
use pennyblack_privacypass::token::Token;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::world::World;

/// A request that may be anything.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl From<&SignedStoreRequest> for Draft {
    fn from(request: &SignedStoreRequest) -> Self {
        let headers = request.headers().into_iter();
        Self {
            headers: headers
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            body: request.body().to_vec(),
        }
    }
}

impl Draft {
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    pub(super) fn with(self, name: &'static str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(super) fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| *other == name);
        &found.unwrap().1
    }

    pub(super) fn with_token(self, change: impl FnOnce(&mut Token)) -> Self {
        let mut token = Token::from_authorization(self.get("authorization")).unwrap();
        change(&mut token);
        self.with("authorization", &token.authorization())
    }

    pub(super) fn with_body(mut self, body: Vec<u8>) -> Self {
        let digest = RequestDigest::of(&body).to_field();
        self.body = body;
        self.with("content-digest", &digest)
    }

    pub(super) async fn send(&self, world: &World) -> Answer {
        let url = format!("http://{}{STORE_PATH}", world.cps_name());
        let mut post = world.client.post(url).body(self.body.clone());
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            post = post.header(*name, value);
        }
        Answer::to(post).await.unwrap()
    }
}

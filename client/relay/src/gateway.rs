//! One gateway: its turns, its connection, and what becomes of a request to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use pennyblack_base::service_paths::OHTTP_REQUEST_MEDIA_TYPE;
use pennyblack_http::{KeptConnection, KeptError};
use pennyblack_service::answer_room::AnswerRoom;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Unusable};
use crate::clients::Network;
use crate::config::{Config, ForwardSection, GatewaySection};
use crate::counts::GatewayCounts;
use crate::outside::GatewayFiles;
use crate::refusal::Refusal;
use crate::turns::{NoPlace, Turns};

/// A gateway that the operator has named.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    path: String,
    forward: ForwardSection,
    connection: KeptConnection,
    turns: Arc<Turns>,
    counts: GatewayCounts,
    /// Why an answer could last not be passed on, until that is reported.
    trouble: Mutex<Option<String>>,
}

impl Gateway {
    /// The one of this number in the configuration.
    pub(crate) fn new(
        section: &GatewaySection,
        number: usize,
        config: &Config,
        files: &GatewayFiles,
    ) -> Self {
        let forward = config.forward;
        let [streams, waiting] = [forward.streams, forward.waiting].map(|count| count as usize);
        let files = Arc::clone(files);
        let tls = move || files.current().get(number).cloned();
        Self {
            name: section.name.clone(),
            path: section.path().to_owned(),
            forward,
            connection: KeptConnection::new(
                section.url.service().clone(),
                tls,
                forward.kept(section),
            ),
            turns: Turns::new(streams, waiting),
            counts: GatewayCounts::of(&section.name),
            trouble: Mutex::new(None),
        }
    }

    /// Passes a sealed request on, once, and its answer back. Goes on to its end even if the
    /// client is gone: a stream that is broken off costs the gateway more than one that is
    /// not, and a gateway that is asked to break off many ends the connection of all.
    pub(crate) async fn exchange(
        &self,
        network: Network,
        request: Bytes,
        room: &AnswerRoom,
    ) -> Result<Bytes, Refusal> {
        self.counts.received(request.len());
        let answer = self.in_turn(network, request, room).await;
        let counted = answer.as_ref().map(Bytes::len);
        self.counts.answered(counted, self.connection.made());
        answer
    }

    /// **A client sends again what was not handed on**, so what ends before that must not look
    /// like what ends after it.
    async fn in_turn(
        &self,
        network: Network,
        request: Bytes,
        room: &AnswerRoom,
    ) -> Result<Bytes, Refusal> {
        let deadline = self.forward.deadline;
        let until = Instant::now() + deadline;
        let Ok(turn) = timeout_at(until, self.turns.take(network)).await else {
            self.note(format!("no turn in {deadline:?}"));
            return Err(Refusal::Overloaded);
        };
        let _turn = turn.map_err(|NoPlace| Refusal::Overloaded)?;
        let answer = timeout_at(until, self.ask(request, until, room)).await;
        answer.unwrap_or_else(|_| {
            self.note(format!("no answer in {deadline:?}"));
            Err(Refusal::Late)
        })
    }

    async fn ask(
        &self,
        request: Bytes,
        until: Instant,
        room: &AnswerRoom,
    ) -> Result<Bytes, Refusal> {
        let media_type = HeaderValue::from_static(OHTTP_REQUEST_MEDIA_TYPE);
        let answer = self.connection.post(&self.path, media_type, request, until);
        let read = match answer.await {
            Ok(answer) => Answer::read(answer, self.forward.answer_bytes, room).await,
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(Answer::Sealed(answer)) => Ok(answer),
            Ok(Answer::Refusal(refusal)) => Err(refusal),
            // No failure but these two says that the gateway has not processed the request.
            Err(Unusable::Connection(KeptError::NotTaken)) => Err(Refusal::Overloaded),
            Err(unreached @ Unusable::Connection(KeptError::NoConnection(_))) => {
                self.note(unreached.to_string());
                Err(Refusal::Overloaded)
            }
            Err(unusable) => {
                self.note(unusable.to_string());
                Err(Refusal::Failed)
            }
        }
    }

    fn note(&self, why: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Writes why answers could not be passed on. **Not at once, and once for all of them**: a
    /// line's time must not be that of a request.
    pub(crate) fn report(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = trouble.take() {
            let gateway = &self.name;
            tracing::warn!(gateway, why, "some answers were not passed on");
        }
    }
}

/// How often troubles are reported.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(60);

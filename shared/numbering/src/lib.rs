//! Asking who holds a telephone number: a service in the operator's own network, such as a
//! small program in front of a number-portability database, instead of or beside the file of
//! `pennyblack_stir::numbering`. **It is asked when a key record is registered or a table is
//! written, and never at a call:** it would learn who is called, and calls would wait for it.
//!
//! `GET /numbers/12155550100` is answered with 200 and `{"spc": "683G"}`, further members
//! being passed over, or with 404 if nobody holds the number. The answers are kept in such a
//! file (`table_file`).

pub mod table_file;

use pennyblack_http::{HttpClient, HttpError, Request, RetryPolicy, ServiceAddress};
use pennyblack_stir::Spc;
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde::Deserialize;

/// The media type of an answer.
pub const MEDIA_TYPE: &str = "application/json";

/// Most bytes of an answer.
const MAX_ANSWER: usize = 4096;

/// Where numbers are asked about.
const NUMBERS_PATH: &str = "/numbers";

const NOT_FOUND: u16 = 404;

/// Nothing is known of a number.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NumberingServiceError {
    /// No answer, or a refusal.
    #[error("the numbering service: {0}")]
    Http(#[from] HttpError),
    /// An answer that is none.
    #[error(
        "the numbering service at {url} did not answer with {{\"spc\": \"…\"}} ({error}): check \
         the program behind it"
    )]
    Form {
        /// What was asked.
        url: String,
        /// What is wrong.
        error: serde_json::Error,
    },
}

/// A service that knows who holds which numbers.
#[derive(Debug, Clone)]
pub struct NumberingService {
    address: ServiceAddress,
    client: HttpClient,
}

#[derive(Debug, Deserialize)]
struct Holder {
    spc: Spc,
}

impl NumberingService {
    /// The service at `address`, asked by `client`.
    #[must_use]
    pub const fn new(address: ServiceAddress, client: HttpClient) -> Self {
        Self { address, client }
    }

    /// The provider that holds `number`; none if nobody does.
    ///
    /// # Errors
    /// [`NumberingServiceError`].
    pub async fn holder_of(
        &self,
        number: &TelephoneNumber,
    ) -> Result<Option<Spc>, NumberingServiceError> {
        // `#` and `*` are the only characters of a number that a path escapes.
        let number = number.as_str().replace('#', "%23").replace('*', "%2A");
        let url = self.address.url(&format!("{NUMBERS_PATH}/{number}"));
        let request = Request::get(url.clone(), MAX_ANSWER).header("accept", MEDIA_TYPE);
        let answer = match self.client.send(&request, RetryPolicy::NONE).await {
            Err(error) if is_not_found(&error) => return Ok(None),
            answer => answer?,
        };
        let holder: Result<Holder, _> = serde_json::from_slice(answer.content(MEDIA_TYPE)?);
        let holder = holder.map_err(|error| NumberingServiceError::Form { url, error })?;
        Ok(Some(holder.spc))
    }
}

fn is_not_found(error: &HttpError) -> bool {
    let refused = error.refused();
    refused.is_some_and(|refused| refused.status.as_u16() == NOT_FOUND)
}

//! A log as its service serves it. Not here: reading it.

use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_http::{HttpClient, Request, RetryPolicy, ServiceAddress};
use pennyblack_tlog::LogSource;
use pennyblack_tlog::reader::SourceError;

/// The log of a service, below [`LOG_PATH`].
pub(crate) struct ServedLog<'a> {
    pub(crate) client: &'a HttpClient,
    pub(crate) service: &'a ServiceAddress,
    pub(crate) retry: RetryPolicy,
}

impl LogSource for ServedLog<'_> {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let url = self.service.url(&format!("{LOG_PATH}/{path}"));
        let request = Request::get(url.clone(), max);
        let found = self.client.find(&request, self.retry).await;
        found
            .map(|found| found.map(Vec::from))
            .map_err(|error| SourceError {
                path: url,
                error: error.into(),
            })
    }
}

//! Why a service does not start: one type for every part of a start. Nobody decides by
//! which part it was; an operator reads the sentence.

use std::borrow::Cow;
use std::error::Error;

use tokio::task::spawn_blocking;

/// A service that does not start: what failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct StartError {
    what: Cow<'static, str>,
    source: Box<dyn Error + Send + Sync>,
}

impl StartError {
    /// `what` names the file, the configuration key or the part of the service;
    /// `source` says what is wrong with it, and what to do.
    pub fn new(
        what: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            what: what.into(),
            source: source.into(),
        }
    }
    /// Several faults of a start as one.
    pub(crate) fn of_all(mut faults: Vec<Self>) -> Self {
        match (faults.pop(), faults.as_slice()) {
            (None, _) => Self::new("the start", "a part of it failed and did not say why"),
            (Some(only), []) => only,
            (Some(last), others) => {
                let number = others.len() + 1;
                let lines = others.iter().chain(std::iter::once(&last));
                let lines: String = lines.map(|fault| format!("\n- {fault}")).collect();
                Self::new(format!("{number} things are wrong"), lines)
            }
        }
    }
}

/// Says of an error which part of a start it ended.
pub trait StartContext<T> {
    /// As in [`StartError::new`].
    ///
    /// # Errors
    /// The same error, with `what` in front.
    fn context(self, what: impl Into<Cow<'static, str>>) -> Result<T, StartError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> StartContext<T> for Result<T, E> {
    fn context(self, what: impl Into<Cow<'static, str>>) -> Result<T, StartError> {
        self.map_err(|error| StartError::new(what, error))
    }
}

/// Does a part of a start that waits for the disk, on a thread that may wait.
///
/// # Errors
/// What `part` returns, or that it panicked.
pub async fn blocking<T: Send + 'static>(
    part: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    spawn_blocking(part)
        .await
        .context("a part of the start panicked")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_or_panics_is_named() {
        let failing = || Err::<(), _>("it is in use").context("issuer.data_directory");
        let error = blocking(failing).await.unwrap_err();
        assert_eq!(error.to_string(), "issuer.data_directory: it is in use");
        assert_eq!(error.source().unwrap().to_string(), "it is in use");
        let panicking = || -> Result<(), StartError> { panic!("a planted panic") };
        let error = blocking(panicking).await.unwrap_err().to_string();
        assert!(error.contains("panicked"), "{error}");
    }
}

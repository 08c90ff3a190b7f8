//! Where a log is read: over HTTP, or from a directory of files. Not here: what is
//! in it.

use std::path::{Path, PathBuf};

use pennyblack_tlog::note::MAX_NOTE_SIZE;
use pennyblack_tlog::reader::SourceError;
use pennyblack_tlog::{LogSource, Mirror, ReadLogError, SignedCheckpoint};

use pennyblack_http::{HttpClient, Request, RetryPolicy};

/// Below a log's prefix.
const CHECKPOINT: &str = "checkpoint";

/// A place that is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogPlaceError {
    /// Neither a URL nor a directory.
    #[error(
        "{} is no directory: name the log's URL, such as https://cps.example/log, or a directory \
         with its file `checkpoint`", .0.display()
    )]
    Directory(PathBuf),
}

/// A log's files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LogPlace {
    /// Served below this URL, which has no slash at its end.
    Http {
        /// The log's prefix.
        url: String,
        /// Asks for them.
        client: HttpClient,
    },
    /// In a directory.
    Directory(Mirror),
}

impl LogPlace {
    /// Reads an argument: a URL, else a directory, which must be there.
    ///
    /// # Errors
    /// [`LogPlaceError`].
    pub fn new(argument: &str, client: &HttpClient) -> Result<Self, LogPlaceError> {
        if argument.starts_with("https://") || argument.starts_with("http://") {
            return Ok(Self::Http {
                url: argument.trim_end_matches('/').to_owned(),
                client: client.clone(),
            });
        }
        let directory = Path::new(argument);
        if !directory.is_dir() {
            return Err(LogPlaceError::Directory(directory.to_owned()));
        }
        Ok(Self::Directory(Mirror::new(directory)))
    }

    /// The name of the log that lies there, by its checkpoint, whose signature is not
    /// verified.
    ///
    /// # Errors
    /// [`ReadLogError`].
    pub async fn origin(&self) -> Result<String, ReadLogError> {
        let text = self.read(CHECKPOINT, MAX_NOTE_SIZE).await?;
        let text = text.ok_or(ReadLogError::NoCheckpoint)?;
        let text = String::from_utf8_lossy(&text);
        let signed: SignedCheckpoint = text.parse()?;
        Ok(signed.checkpoint().origin.clone())
    }
}

impl LogSource for LogPlace {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        match self {
            Self::Http { url, client } => get(client, format!("{url}/{path}"), max).await,
            Self::Directory(mirror) => mirror.read(path, max).await,
        }
    }
}

async fn get(client: &HttpClient, url: String, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
    let request = Request::get(url.clone(), max);
    match client.find(&request, RetryPolicy::SHORT).await {
        Ok(found) => Ok(found.map(Vec::from)),
        Err(error) => Err(SourceError {
            path: url,
            error: error.into(),
        }),
    }
}

//! A page of a CPS's feed as it comes: lines of JSON, oldest first (docs/protocol.md section
//! 5.2). The CPS is not trusted with anything: sizes before lines, lines before records.

use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_http::{Request, ServiceAddress};
use pennyblack_protocol::key_record::MAX_KEY_RECORD_SIZE;
use serde::Deserialize;

/// Where the feed is.
const FEED_PATH: &str = "/v1/keys/feed";
/// Media type of a page.
pub(super) const MEDIA_TYPE: &str = "application/jsonl";
/// Most lines of a page, its last one not counted.
pub const MAX_PAGE_LINES: usize = 1_000;
/// Most bytes of a page.
pub const MAX_PAGE_SIZE: usize = 4 << 20;
/// Most bytes of a line: a record, and what JSON adds.
const MAX_LINE: usize = MAX_KEY_RECORD_SIZE + 256;
const SECONDS: u64 = 60;

/// Text that is no page of a feed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A line that is none.
    #[error("line {line} of the feed: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// More lines than a page has.
    #[error("the page has more than {MAX_PAGE_LINES} lines")]
    TooLong,
    /// The last line does not say how far the page goes.
    #[error("the page does not end with {{\"after\": …, \"complete\": …}}")]
    NoEnd,
    /// It does not go on, and says that there is more.
    #[error("the page ends {}, where it began, and says that there is more", place_of(*.0))]
    Stalled(Option<u64>),
    /// It ends before where it was to begin.
    #[error(
        "rollback: the feed ends {}, and {known} was shown before: what is known stays in use; \
         ask the operator", place_of(*shown)
    )]
    Rollback {
        /// What was asked for.
        known: u64,
        /// Where the page ends; nothing before its first line.
        shown: Option<u64>,
    },
}

fn place_of(index: Option<u64>) -> String {
    index.map_or_else(
        || "before its first line".to_owned(),
        |index| format!("at {index}"),
    )
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LineContent {
    /// A record, as a compact JWS.
    Record(String),
    /// That one has ended.
    Ended(KeyRecordHash),
}

/// A line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeedLine {
    /// The index of its entry in the CPS's log.
    pub(super) index: u64,
    /// What it says.
    pub(super) content: LineContent,
}

impl FeedLine {
    /// Of which record it speaks.
    pub(super) fn hash(&self) -> KeyRecordHash {
        match &self.content {
            LineContent::Record(jws) => KeyRecordHash::of(jws),
            LineContent::Ended(hash) => *hash,
        }
    }
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeedPage {
    /// Their indices ascend.
    pub(super) lines: Vec<FeedLine>,
    /// All with this index and before have been given; nothing in an empty feed.
    pub(super) after: Option<u64>,
    /// Whether there is no more.
    pub(super) is_complete: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    index: Option<u64>,
    minute: Option<u64>,
    record: Option<String>,
    ended: Option<String>,
    #[serde(default, deserialize_with = "present")]
    after: Option<Option<u64>>,
    complete: Option<bool>,
}

/// That a member is there, also with null.
fn present<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

/// Asks for what is behind `after`.
pub(super) fn page_request(cps: &ServiceAddress, after: Option<u64>) -> Request<'static> {
    let url = match after {
        None => cps.url(FEED_PATH),
        Some(after) => cps.url(&format!("{FEED_PATH}?after={after}")),
    };
    Request::get(url, MAX_PAGE_SIZE).header("accept", MEDIA_TYPE)
}

impl FeedPage {
    /// Reads the page behind `after`.
    pub(super) fn parse(bytes: &[u8], after: Option<u64>) -> Result<Self, FeedError> {
        let mut lines = Vec::new();
        let mut last = after;
        let mut rest = bytes.split(|byte| *byte == b'\n').enumerate();
        while let Some((place, text)) = rest.next() {
            let refused = |why: &str| FeedError::Line {
                line: place + 1,
                why: why.to_owned(),
            };
            if text.len() > MAX_LINE {
                return Err(refused("it is longer than any"));
            }
            if text.is_empty() {
                return Err(FeedError::NoEnd);
            }
            let line: Line = serde_json::from_slice(text).map_err(|e| refused(&e.to_string()))?;
            if let Some(end) = &line.after {
                if rest.any(|(_, more)| !more.is_empty()) {
                    return Err(refused("more follows the end"));
                }
                return Self::ending(lines, (after, last), *end, line.complete == Some(true));
            }
            if lines.len() == MAX_PAGE_LINES {
                return Err(FeedError::TooLong);
            }
            let line = line.content().map_err(refused)?;
            if last.is_some_and(|last| line.index <= last) {
                return Err(refused("its index does not ascend"));
            }
            last = Some(line.index);
            lines.push(line);
        }
        Err(FeedError::NoEnd)
    }

    fn ending(
        lines: Vec<FeedLine>,
        (began, last): (Option<u64>, Option<u64>),
        end: Option<u64>,
        is_complete: bool,
    ) -> Result<Self, FeedError> {
        if let Some(known) = last.filter(|_| end < last) {
            return Err(FeedError::Rollback { known, shown: end });
        }
        if !is_complete && end == began {
            return Err(FeedError::Stalled(end));
        }
        Ok(Self {
            lines,
            after: end,
            is_complete,
        })
    }
}

impl Line {
    fn content(self) -> Result<FeedLine, &'static str> {
        let (Some(index), Some(minute)) = (self.index, self.minute) else {
            return Err("it has no index and minute");
        };
        // The log has the minute, which is verified.
        if !minute.is_multiple_of(SECONDS) {
            return Err("its minute is none");
        }
        let content = match (self.record, self.ended, self.complete) {
            (Some(record), None, None) => LineContent::Record(record),
            (None, Some(ended), None) => {
                let hash = ended.parse();
                LineContent::Ended(hash.map_err(|_| "what has ended is no hash of a key record")?)
            }
            _ => return Err("it has neither a record nor the end of one, or both"),
        };
        Ok(FeedLine { index, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = r#"{"after":9,"complete":true}"#;

    fn page(text: &str, after: Option<u64>) -> Result<FeedPage, String> {
        FeedPage::parse(text.as_bytes(), after).map_err(|error| error.to_string())
    }

    fn line(index: u64) -> String {
        format!(r#"{{"index":{index},"minute":1800000000,"record":"a.b.c"}}"#)
    }

    #[test]
    fn a_page_has_the_documented_form() {
        let ended = KeyRecordHash([7; 32]).to_string();
        let text = format!(
            "{}\n{{\"index\":7,\"minute\":60,\"ended\":\"{ended}\"}}\n{END}\n",
            line(3)
        );
        let page = page(&text, Some(2)).unwrap();
        assert_eq!((page.after, page.is_complete), (Some(9), true));
        let contents: Vec<_> = page.lines.iter().map(|line| &line.content).collect();
        let ended = LineContent::Ended(KeyRecordHash([7; 32]));
        assert_eq!(contents, [&LineContent::Record("a.b.c".to_owned()), &ended]);
        let empty = FeedPage::parse(b"{\"after\":null,\"complete\":true}\n", None);
        assert_eq!(empty.unwrap().after, None);
    }

    #[test]
    fn a_page_that_does_not_ascend_or_goes_back_is_refused() {
        for (lines, after, why) in [
            (vec![line(5), line(5), END.to_owned()], None, "ascend"),
            (vec![line(5), line(4), END.to_owned()], None, "ascend"),
            (vec![line(2), END.to_owned()], Some(2), "ascend"),
            (vec![line(10), END.to_owned()], None, "rollback"),
            (vec![END.to_owned()], Some(10), "rollback"),
            (
                vec![END.replace("true", "false")],
                Some(9),
                "says that there is more",
            ),
        ] {
            let refused = page(&lines.join("\n"), after).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused_at_its_line() {
        let long = format!(
            r#"{{"index":1,"minute":0,"record":"{}"}}"#,
            "x".repeat(MAX_LINE)
        );
        let both = r#"{"index":1,"minute":0,"record":"a","ended":"b"}"#;
        for (text, why) in [
            (String::new(), "does not end with"),
            (line(1), "does not end with"),
            (format!("{long}\n{END}"), "line 1 of the feed: it is longer"),
            (format!("{both}\n{END}"), "or both"),
            (format!("{END}\n{}", line(12)), "more follows"),
            (
                format!("{}\n{END}", line(1).replace("1800000000", "61")),
                "minute",
            ),
            (
                format!("{}\n{END}", line(1).replace("minute", "second")),
                "unknown field",
            ),
            ("[]".to_owned(), "line 1"),
        ] {
            let refused = page(&text, None).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
        let many: Vec<_> = (0..=MAX_PAGE_LINES as u64).map(line).collect();
        let text = format!("{}\n{{\"after\":9000,\"complete\":true}}", many.join("\n"));
        assert!(page(&text, None).unwrap_err().contains("more than 1000"));
    }
}

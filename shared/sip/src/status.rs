//! The answers that this server gives, with the phrases of RFC 3261 section 21.

/// A status code with its reason phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 100.
    Trying,
    /// 200.
    Ok,
    /// 300.
    MultipleChoices,
    /// 302.
    MovedTemporarily,
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 481.
    NoTransaction,
    /// 487.
    RequestTerminated,
    /// 503.
    ServiceUnavailable,
    /// 505.
    VersionNotSupported,
    /// 603.
    Decline,
}

impl Status {
    /// The code.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.line().0
    }

    /// The reason phrase.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.line().1
    }

    const fn line(self) -> (u16, &'static str) {
        match self {
            Self::Trying => (100, "Trying"),
            Self::Ok => (200, "OK"),
            Self::MultipleChoices => (300, "Multiple Choices"),
            Self::MovedTemporarily => (302, "Moved Temporarily"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Forbidden => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::NoTransaction => (481, "Call/Transaction Does Not Exist"),
            Self::RequestTerminated => (487, "Request Terminated"),
            Self::ServiceUnavailable => (503, "Service Unavailable"),
            Self::VersionNotSupported => (505, "Version Not Supported"),
            Self::Decline => (603, "Decline"),
        }
    }
}

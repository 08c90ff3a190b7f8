-- What was read of each CPS's keys of Oblivious HTTP.
CREATE TABLE oblivious_keys (
    cps TEXT PRIMARY KEY,              -- authority
    view TEXT,                         -- JSON: ObliviousLogView; none before the log was read
    configs BLOB NOT NULL,             -- RFC 9458 section 3.2: those that the log announces
    read_at INTEGER,                   -- when an answer and the log were last good
    refused TEXT                       -- why the last answer was not trusted, if it was not
) STRICT, WITHOUT ROWID;

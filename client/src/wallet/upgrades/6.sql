-- From version 6 to 7: keys of Oblivious HTTP are remembered, and what the CPS's log says of
-- them. An upgrade stays as it is, whatever later versions make of the tables.
CREATE TABLE oblivious_keys (
    cps TEXT PRIMARY KEY,              -- authority
    view TEXT,                         -- JSON: ObliviousLogView; none before the log was read
    configs BLOB NOT NULL,             -- RFC 9458 section 3.2: those that the log announces
    refused TEXT                       -- why the last answer was not trusted, if it was not
) STRICT, WITHOUT ROWID;

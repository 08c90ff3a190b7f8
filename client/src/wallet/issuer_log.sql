-- What was read of each issuer's log of token keys.
CREATE TABLE issuer_log (
    issuer TEXT PRIMARY KEY,           -- authority
    entries INTEGER NOT NULL,          -- how many were read: never fewer again
    view TEXT NOT NULL                 -- JSON: KeyLogView
) STRICT, WITHOUT ROWID;

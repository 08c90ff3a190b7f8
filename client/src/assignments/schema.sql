-- Which PASSporT belongs to which call. There is no number and no Call-ID in it.
CREATE TABLE assignment (
    id INTEGER PRIMARY KEY,            -- in the order of arrival
    passport BLOB NOT NULL UNIQUE,     -- SHA-256 of its JWS signing input
    call BLOB NOT NULL,                -- SHA-256 of the call's name
    ends INTEGER NOT NULL              -- Unix seconds: when the PASSporT is a minute old
) STRICT;

CREATE INDEX assignment_by_end ON assignment (ends);

-- Blocks of key records as a CPS listed them, and which blocks were called how often. There is
-- no number in it, and blocks of called numbers are: the file is for its owner only.
CREATE TABLE kept (
    cps TEXT NOT NULL,                 -- the CPS's authority
    block TEXT NOT NULL,               -- first digits of the numbers
    until INTEGER NOT NULL,            -- Unix seconds: nobody is asked again before
    is_partial INTEGER NOT NULL,       -- 1: the CPS had more than was read
    bytes INTEGER NOT NULL,            -- of the records
    records TEXT NOT NULL,             -- compact JWS, one a line
    PRIMARY KEY (cps, block)
) STRICT;

CREATE TABLE called (
    cps TEXT NOT NULL,
    block TEXT NOT NULL,
    calls INTEGER NOT NULL,
    last INTEGER NOT NULL,             -- Unix seconds of the last call
    PRIMARY KEY (cps, block)
) STRICT;

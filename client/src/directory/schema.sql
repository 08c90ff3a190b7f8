-- A CPS whose feed is followed.
CREATE TABLE cps (
    id INTEGER PRIMARY KEY,
    authority TEXT NOT NULL UNIQUE,
    -- All of its feed up to this index was taken up; NULL at the beginning.
    position INTEGER,
    -- Of an answer that had nothing behind `position`.
    etag TEXT,
    -- When its feed was last read to its end.
    complete INTEGER,
    -- Its log as far as it was read: JSON.
    log TEXT,
    -- When that was its end; NULL before the first time.
    log_read INTEGER,
    -- Records that were not trusted, and those for which there was no room.
    refused INTEGER NOT NULL DEFAULT 0,
    crowded INTEGER NOT NULL DEFAULT 0
);

-- Entries of a CPS's log about key records that its feed has not shown yet.
CREATE TABLE logged (
    cps INTEGER NOT NULL REFERENCES cps (id),
    place INTEGER NOT NULL,
    is_ended INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- When it was made: what it claims, but no earlier than when the log was read to its end
    -- without it, and no later than when it was read.
    since INTEGER NOT NULL,
    -- How often its record was asked for in vain.
    misses INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (cps, place)
) WITHOUT ROWID;
-- Looked for by who watches numbers. Not of what is published: in a first round that is all.
CREATE INDEX logged_end ON logged (cps, hash, place) WHERE is_ended = 1;

-- The header of key records, which has their certificates: one for all records of a signer.
CREATE TABLE signer (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    header TEXT NOT NULL,
    -- The chain behind an `x5u`, as it was fetched.
    chain BLOB
);

CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    signer INTEGER NOT NULL REFERENCES signer (id),
    -- Payload and signature of the JWS.
    rest TEXT NOT NULL,
    mailbox BLOB NOT NULL,
    iss TEXT NOT NULL,
    iat INTEGER NOT NULL,
    exp INTEGER NOT NULL,
    -- Of a record for all numbers of an SPC.
    spc TEXT,
    -- What it takes of the room.
    bytes INTEGER NOT NULL,
    -- By whose certificate it is signed: what the highest of its path covers. NULL while it
    -- could not be verified, for a reason that may pass.
    holder BLOB,
    -- How specific it is.
    signer_width INTEGER NOT NULL DEFAULT 0,
    highest_width INTEGER NOT NULL DEFAULT 0,
    width INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX record_of_mailbox ON record (mailbox, iss);
CREATE INDEX record_of_spc ON record (spc) WHERE spc IS NOT NULL;
CREATE INDEX record_of_signer ON record (signer);
CREATE INDEX record_end ON record (exp);
CREATE INDEX record_waiting ON record (id) WHERE holder IS NULL;

-- At which CPSs a record is.
CREATE TABLE served (
    record INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE,
    cps INTEGER NOT NULL REFERENCES cps (id),
    PRIMARY KEY (record, cps)
) WITHOUT ROWID;

-- The decimal blocks that a record answers for.
CREATE TABLE block (
    digits INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    record INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE,
    PRIMARY KEY (digits, prefix, record)
) WITHOUT ROWID;
CREATE INDEX block_of_record ON block (record);

-- Of each mailbox and signer when the newest record was made: an older one does not come
-- back when that has ended. So it takes room of its holder when the record takes none any more.
CREATE TABLE newest (
    mailbox BLOB NOT NULL,
    iss TEXT NOT NULL,
    iat INTEGER NOT NULL,
    holder BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (mailbox, iss)
) WITHOUT ROWID;

-- What a numbering service has answered when records were taken up; NULL if nobody holds it.
CREATE TABLE number_holder (
    number TEXT PRIMARY KEY,
    spc TEXT,
    asked INTEGER NOT NULL
) WITHOUT ROWID;

-- Room that is taken, in all and by each holder.
CREATE TABLE room (records INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO room VALUES (0, 0);
CREATE TABLE holder_room (
    holder BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER record_in AFTER INSERT ON record BEGIN
    UPDATE room SET records = records + 1, bytes = bytes + new.bytes;
    INSERT INTO holder_room SELECT new.holder, new.bytes WHERE new.holder IS NOT NULL
        ON CONFLICT (holder) DO UPDATE SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER record_out AFTER DELETE ON record BEGIN
    UPDATE room SET records = records - 1, bytes = bytes - old.bytes;
    UPDATE holder_room SET bytes = bytes - old.bytes WHERE holder = old.holder;
    DELETE FROM holder_room WHERE holder = old.holder AND bytes <= 0;
END;
CREATE TRIGGER newest_in AFTER INSERT ON newest BEGIN
    UPDATE room SET bytes = bytes + new.bytes;
    INSERT INTO holder_room VALUES (new.holder, new.bytes)
        ON CONFLICT (holder) DO UPDATE SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER newest_out AFTER DELETE ON newest BEGIN
    UPDATE room SET bytes = bytes - old.bytes;
    UPDATE holder_room SET bytes = bytes - old.bytes WHERE holder = old.holder;
    DELETE FROM holder_room WHERE holder = old.holder AND bytes <= 0;
END;

-- What the file is for, in one row: who watches numbers is told of what is new to the file.
CREATE TABLE purpose (purpose TEXT NOT NULL);

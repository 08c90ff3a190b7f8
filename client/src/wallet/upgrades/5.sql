-- From version 5 to 6: what stands against a key is a number of directories in a row. What
-- was set aside stays so; the directory that set it aside counts as the first.
-- An upgrade stays as it is, whatever later versions make of the tables.
DROP VIEW usable_pile;

ALTER TABLE unlisted_key RENAME TO unlisted_key_5;

CREATE TABLE unlisted_key (
    issuer TEXT NOT NULL,              -- authority
    token_key_id BLOB NOT NULL,
    directories INTEGER NOT NULL,      -- in a row, that count against it
    counted_at INTEGER NOT NULL,       -- when the last of them was fetched; Unix seconds
    PRIMARY KEY (issuer, token_key_id)
) STRICT, WITHOUT ROWID;

INSERT INTO unlisted_key (issuer, token_key_id, directories, counted_at)
SELECT issuer, token_key_id, 1, since FROM unlisted_key_5;

DROP TABLE unlisted_key_5;

CREATE VIEW usable_pile AS
SELECT pile.id, first, next, token_key_id, issuer, origin_info
FROM pile JOIN challenge ON challenge.digest = pile.challenge_digest
WHERE NOT ended AND first < next AND NOT EXISTS (
    SELECT 1 FROM unlisted_key
    WHERE unlisted_key.issuer = challenge.issuer
    AND unlisted_key.token_key_id = pile.token_key_id
);

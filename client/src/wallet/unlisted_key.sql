-- Keys that the last directory of their issuer did not list; since version 3. Their
-- tokens are set aside: one answer destroys nothing, and the next may list the key again.
CREATE TABLE unlisted_key (
    issuer TEXT NOT NULL,              -- authority
    token_key_id BLOB NOT NULL,
    since INTEGER NOT NULL,            -- Unix seconds
    PRIMARY KEY (issuer, token_key_id)
) STRICT, WITHOUT ROWID;

-- Tokens that are not set aside.
CREATE VIEW usable_token AS SELECT * FROM token WHERE NOT EXISTS (
    SELECT 1 FROM unlisted_key
    WHERE unlisted_key.issuer = token.issuer
    AND unlisted_key.token_key_id = token.token_key_id
);

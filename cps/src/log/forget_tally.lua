-- Forgets the counts of a key epoch.
-- KEYS[1] a hash.
return redis.call('UNLINK', KEYS[1])

-- Forgets an epoch, as a whole.
-- KEYS: all keys of the epoch.
return redis.call('UNLINK', unpack(KEYS))

-- Opens the accounts of an epoch whose key nobody knows yet.
-- KEYS: 1 the epoch.
return redis.call('HSETNX', KEYS[1], 'total', 0)

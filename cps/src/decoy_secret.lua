-- Keeps the decoy secret unless there is one, and tells which there is.
-- KEYS[1] the secret. ARGV[1] the one to keep.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])

-- Gives a shard the id of its store unless it has one, and tells which it has.
-- KEYS[1] the shard's fence. ARGV[1] the field, ARGV[2] the id.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])

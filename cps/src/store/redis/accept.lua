-- Makes a shard as it is now the one that counts. KEYS[1] its fence. ARGV[1] the
-- store's new id, ARGV[2] the ids of which it is what is left.
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'accepted', ARGV[2])
redis.call('HDEL', KEYS[1], 'halted', 'next')
return 1

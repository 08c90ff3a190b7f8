-- Adds to the counts of a key epoch, and tells their sums.
-- KEYS[1] a hash. ARGV[1] replayed, ARGV[2] refused, ARGV[3] seconds to keep it.
local replayed = redis.call('HINCRBY', KEYS[1], 'replayed', ARGV[1])
local refused = redis.call('HINCRBY', KEYS[1], 'refused', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {replayed, refused}

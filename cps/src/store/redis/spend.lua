-- KEYS[2] the shard's epochs, KEYS[3] the bucket. ARGV[5] the epoch, ARGV[6] the
-- token's field, ARGV[7] the record.
local state = redis.call('HGET', KEYS[2], ARGV[5])
if state == 'closing' or state == 'closed' then
  return {'closed'}
end
local first = redis.call('HGET', KEYS[3], ARGV[6])
if first then
  return {'spent', first, counts()}
end
redis.call('HSET', KEYS[3], ARGV[6], ARGV[7])
redis.call('HINCRBY', KEYS[2], ARGV[5], 1)
return {'new', count_change()}

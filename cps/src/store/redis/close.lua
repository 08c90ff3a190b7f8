-- KEYS[2] the shard's epochs. ARGV[5] the epoch. An epoch is closing until its
-- buckets are gone.
local state = redis.call('HGET', KEYS[2], ARGV[5])
if state == 'closing' or state == 'closed' then
  return {state}
end
redis.call('HSET', KEYS[2], ARGV[5], state and 'closing' or 'closed')
return {state and 'closing' or 'closed', count_change()}

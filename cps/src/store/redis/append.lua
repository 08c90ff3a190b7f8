-- Adds an entry unless its request was added before, and drops the oldest one of a full
-- mailbox. KEYS[1] the mailbox's entries by number, KEYS[2] by time, KEYS[3] the entry,
-- KEYS[4] the mark of the request, KEYS[5] what is known of dropped entries. ARGV[1] the
-- entry's id, ARGV[2] the entry, ARGV[3] its time, ARGV[4] the lifetime and ARGV[5] the mark's,
-- in milliseconds, ARGV[6] the capacity, ARGV[7] what an entry's key begins with.
if redis.call('EXISTS', KEYS[4]) == 1 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')[2]
local number = last and math.max(now, tonumber(last) + 1) or now
local oldest = string.format('%.0f', now - ARGV[4] * 1000)
for _, dead in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', oldest, 'BYSCORE')) do
  redis.call('ZREM', KEYS[2], dead)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', oldest)
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[4])
redis.call('SET', KEYS[4], '', 'PX', ARGV[5])
redis.call('ZADD', KEYS[1], string.format('%.0f', number), ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
-- The same steps whether or not there is one too many. More than one, when the capacity
-- was made smaller.
local over = math.max(redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[6]), 0)
local first = redis.call('ZRANGE', KEYS[1], 0, math.max(over - 1, 0), 'WITHSCORES')
local latest = latest_dropped(KEYS[5])
for i = 1, #first, 2 do
  local id = over > 0 and first[i] or ''
  latest = math.max(latest, tonumber(redis.call('ZSCORE', KEYS[2], id) or 0))
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('DEL', ARGV[7] .. id)
  if over > 0 then
    record_dropped(KEYS[5], first[i + 1], latest, ARGV[4])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
-- How many were dropped, and one.
return 1 + over

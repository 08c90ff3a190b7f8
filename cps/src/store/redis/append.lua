-- Adds an entry unless its request was added before. KEYS[1] the mailbox's entries
-- by number, KEYS[2] by time, KEYS[3] the entry, KEYS[4] the mark of the request.
-- ARGV[1] the entry's id, ARGV[2] the entry, ARGV[3] its time, ARGV[4] the
-- lifetime and ARGV[5] the mark's, in milliseconds.
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
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1

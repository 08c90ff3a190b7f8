-- Removes some of the records that need not be kept, by the server's clock.
-- KEYS[1] records, KEYS[2] versions, KEYS[3] until when each is kept.
-- ARGV[1] seconds to wait after that, ARGV[2] most records.
-- Answers how many there were.
local time = redis.call('TIME')
local ended = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', tonumber(time[1]) - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ended) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end
return #ended

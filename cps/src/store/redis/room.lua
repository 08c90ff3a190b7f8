-- Whether a mailbox takes one more entry. KEYS[1] its entries by number, KEYS[2] by
-- time, KEYS[3] the mark of this request. ARGV[1] and ARGV[2] between which times
-- an entry is alive, ARGV[3] the lifetime in microseconds, ARGV[4] the capacity.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return 1
end
if redis.call('ZCOUNT', KEYS[2], ARGV[1], ARGV[2]) >= tonumber(ARGV[4]) then
  return 0
end
-- A node whose clock is wrong counts wrongly; by the server's clock there is an end too.
local time = redis.call('TIME')
local oldest = time[1] * 1000000 + time[2] - tonumber(ARGV[3])
local held = redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', oldest), '+inf')
return held < 2 * tonumber(ARGV[4]) and 1 or 0

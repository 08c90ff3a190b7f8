-- Records made-up tokens in one of the layouts that docs/capacity.md compares, or
-- looks for them, and tells how many microseconds that took. ARGV[1] the layout,
-- ARGV[2] how many buckets, ARGV[3] the first and ARGV[4] the last token, ARGV[5]
-- 'look' for looking only.
local record = string.rep(redis.sha1hex('record'), 3):sub(1, 100)
local before = redis.call('TIME')
for token = tonumber(ARGV[3]), tonumber(ARGV[4]) do
  local field = redis.sha1hex(token):sub(1, 31)
  local key = 'cps{123}s' .. string.rep('e', 43)
  if ARGV[1] == 'key' then
    key = key .. field
    if ARGV[5] == 'look' then redis.call('GET', key) else redis.call('SET', key, record) end
  else
    local bucket = tonumber(field:sub(1, 8), 16) % tonumber(ARGV[2])
    key = key .. string.format('%03x', bucket)
    if ARGV[5] == 'look' then redis.call('HGET', key, field) else redis.call('HSET', key, field, record) end
  end
end
local after = redis.call('TIME')
return (after[1] - before[1]) * 1000000 + after[2] - before[2]

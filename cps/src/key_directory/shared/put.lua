-- Keeps a record unless the one that is there is as new.
-- KEYS[1] records, KEYS[2] versions, KEYS[3] until when each is kept, KEYS[4] the last version.
-- ARGV[1] id, ARGV[2] iat, ARGV[3] until when it is kept, ARGV[4] the record.
-- Answers 1 kept, 0 the same is there, -1 one as new or newer is there; and, for
-- the first two, the version of the record.
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there then
  local iat, record = string.match(there, '^(%d+) (.*)$')
  if record == ARGV[4] then
    local version = redis.call('ZSCORE', KEYS[2], ARGV[1])
    if version then
      return { 0, string.format('%.0f', tonumber(version)) }
    end
    -- Its version was lost alone: without one nobody reads it.
  elseif iat and tonumber(iat) >= tonumber(ARGV[2]) then
    return { -1, '0' }
  end
end
-- By the clock, so that a server that has forgotten the last ones gives out none twice.
local time = redis.call('TIME')
local version = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[4]) or '0') or 0
version = string.format('%.0f', math.max(version, last + 1))
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[4])
redis.call('ZADD', KEYS[2], version, ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('SET', KEYS[4], version)
return { 1, version }

-- Some of the records that were kept after a version, in the order of versions.
-- KEYS[1] records, KEYS[2] versions.
-- ARGV[1] the version, ARGV[2] most records, ARGV[3] most bytes of one, ARGV[4] bytes
-- after which no more are added.
-- Answers the last version looked at ('' if there is none), then id, version and record
-- of each.
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local answer = { '' }
local bytes = 0
for i = 1, #found, 2 do
  local version = string.format('%.0f', tonumber(found[i + 1]))
  local size = redis.call('HSTRLEN', KEYS[1], found[i])
  if size > 0 and size <= tonumber(ARGV[3]) then
    table.insert(answer, found[i])
    table.insert(answer, version)
    table.insert(answer, redis.call('HGET', KEYS[1], found[i]))
    bytes = bytes + size
  end
  answer[1] = version
  if bytes >= tonumber(ARGV[4]) then
    break
  end
end
return answer

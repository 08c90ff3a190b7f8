-- Which of these records are not there any more, or are older than they were.
-- KEYS[1] records, KEYS[2] versions.
-- ARGV ids, each with the version that it had.
-- Answers their ids.
local ids = {}
for i = 1, #ARGV, 2 do
  table.insert(ids, ARGV[i])
end
-- Each record has a version: else something was removed from one of the two alone.
if redis.call('HLEN', KEYS[1]) ~= redis.call('ZCARD', KEYS[2]) then
  return ids
end
local found = redis.call('ZMSCORE', KEYS[2], unpack(ids))
local lost = {}
for i, id in ipairs(ids) do
  if not found[i] or tonumber(found[i]) < tonumber(ARGV[2 * i]) then
    table.insert(lost, id)
  end
end
return lost

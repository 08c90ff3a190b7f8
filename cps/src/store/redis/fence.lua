-- Begins every script that changes what is spent: nothing happens in a store that
-- is another one, that was halted, or that has forgotten what this node has seen.
-- KEYS[1] the shard's fence. ARGV[1] the store's id, ARGV[2] this node, ARGV[3] the
-- last count of this node's changes that it knows of, ARGV[4] that of all nodes.
local seen = redis.call('HMGET', KEYS[1], 'id', ARGV[2], 'total', 'halted')
if seen[1] ~= ARGV[1] or seen[4] == ARGV[1]
    or tonumber(seen[2] or 0) < tonumber(ARGV[3])
    or tonumber(seen[3] or 0) < tonumber(ARGV[4]) then
  return {'older'}
end
-- How many changes there were, of this node and of all.
local function counts()
  return tonumber(seen[2] or 0), tonumber(seen[3] or 0)
end
local function count_change()
  return redis.call('HINCRBY', KEYS[1], ARGV[2], 1), redis.call('HINCRBY', KEYS[1], 'total', 1)
end

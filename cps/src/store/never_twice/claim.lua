-- Says that a node's journal is at work, and what it knows. KEYS[1] what is known of the
-- node, KEYS[2] the spends of all nodes. ARGV[1] the journal's name, ARGV[2] that of the
-- list of nodes, ARGV[3] the node's place in it, then epochs, each with its spends.
local nodes = redis.call('HGET', KEYS[1], 'nodes')
if nodes and nodes ~= ARGV[2] then
  return 'nodes'
end
local journal = redis.call('HGET', KEYS[1], 'journal')
if journal and journal ~= ARGV[1] then
  return 'journal'
end
local knows = {}
for i = 4, #ARGV, 2 do
  knows[ARGV[i]] = tonumber(ARGV[i + 1])
end
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  -- An epoch's name is longer than the two words.
  if #known[i] == 32 and tonumber(known[i + 1]) > (knows[known[i]] or 0) then
    return 'older'
  end
end
redis.call('HSET', KEYS[1], 'nodes', ARGV[2], 'journal', ARGV[1])
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i] .. ARGV[3], ARGV[i + 1])
end
return 'ours'

-- How many tokens of an epoch other nodes have said to be spent. KEYS[1] the spends of all
-- nodes, then what is known of each of the others. ARGV what their counts are called.
-- Answers a word and the counts: of a node that has said nothing since this was lost, none
-- is known.
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    return {'lost'}
  end
end
local answer = redis.call('HMGET', KEYS[1], unpack(ARGV))
for i, count in ipairs(answer) do
  answer[i] = count or '0'
end
table.insert(answer, 1, 'counted')
return answer

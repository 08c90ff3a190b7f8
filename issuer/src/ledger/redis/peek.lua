-- Whether an epoch has accounts, and how many charges of a node.
-- KEYS: 1 the epoch. ARGV: 1 the node.
local own = redis.call('HGET', KEYS[1], 'node:' .. ARGV[1])
return {redis.call('HEXISTS', KEYS[1], 'total'), tonumber(own or 0)}

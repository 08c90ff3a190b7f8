-- Charges a subject once. All keys are in the hash slot of the key epoch.
-- KEYS: 1 the epoch, 2 the subject's account, 3 the names of all subjects.
-- ARGV: 1 body digest, 2 tokens, 3 allowed, 4 most of the key ('' for no limit),
--       5 '1' if it must be a repetition, 6 the subject, 7 the node,
--       8 how many charges of the epoch this node knows to be acknowledged.
-- Answers {verdict, number, number}.
local node = 'node:' .. ARGV[7]
local known = redis.call('HMGET', KEYS[1], 'total', 'closed', node)
local own = tonumber(known[3] or 0)
if not known[1] or own < tonumber(ARGV[8]) then
    return {'lost', own, 0}
end
if known[2] then
    return {'closed', 0, 0}
end
local tokens = tonumber(ARGV[2])
local counted = redis.call('HGET', KEYS[2], ARGV[1])
if counted and tonumber(counted) >= tokens then
    -- Nothing is added, and yet written: the answer waits then until replicas have
    -- what was counted before.
    return {'counted', redis.call('HINCRBY', KEYS[1], 'total', 0), own}
end
if ARGV[5] == '1' then
    return {'not repeated', 0, 0}
end
if ARGV[4] ~= '' and tonumber(known[1]) + tokens > tonumber(ARGV[4]) then
    return {'used up', 0, 0}
end
local drawn = tonumber(redis.call('HGET', KEYS[2], 'drawn') or 0)
if drawn + tokens > tonumber(ARGV[3]) then
    return {'exhausted', drawn, 0}
end
local more = tokens - tonumber(counted or 0)
if redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('SADD', KEYS[3], ARGV[6])
end
redis.call('HINCRBY', KEYS[2], ARGV[1], more)
redis.call('HINCRBY', KEYS[2], 'drawn', more)
local total = redis.call('HINCRBY', KEYS[1], 'total', more)
return {'counted', total, redis.call('HINCRBY', KEYS[1], node, 1)}

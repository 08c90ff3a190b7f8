-- Records that a node leads the log, and the size it has reached; never overwrites a
-- larger size, nor another leader.
-- KEYS[1] a hash. ARGV[1] the log's verifier key, ARGV[2] its size, ARGV[3] its root.
-- Answers the key that counts.
local known = redis.call('HMGET', KEYS[1], 'key', 'size')
if known[1] and known[1] ~= ARGV[1] then
    return known[1]
end
if not known[2] or tonumber(known[2]) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'key', ARGV[1], 'size', ARGV[2], 'root', ARGV[3])
end
return ARGV[1]

-- Says that a node keeps the log, and how far it has come; never takes back what was
-- said before, nor what another node said.
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

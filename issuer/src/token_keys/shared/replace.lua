-- Puts a list of keys in the place of the one before it, if that is still there
-- and the time for it is not over.
-- KEYS: 1 the list. ARGV: 1 the number of the one before, 2 its own, 3 the list,
--       4 the last second for it, by the server's clock, 5 the one before.
local there = redis.call('HMGET', KEYS[1], 'number', 'sealed')
if (there[1] or '0') ~= ARGV[1] or (there[2] or '') ~= ARGV[5]
    or tonumber(redis.call('TIME')[1]) > tonumber(ARGV[4]) then
    return 0
end
redis.call('HSET', KEYS[1], 'number', ARGV[2], 'sealed', ARGV[3])
return 1

-- Takes no charges of an epoch any more, and names some of the subjects whose
-- accounts are left.
-- KEYS: 1 the epoch, 2 the names of all subjects. ARGV: 1 how many at most.
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[1], 'closed', 1)
end
return redis.call('SRANDMEMBER', KEYS[2], ARGV[1])

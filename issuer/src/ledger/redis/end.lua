-- Forgets an epoch of which no account is left.
-- KEYS: 1 the epoch, 2 the names of all subjects.
if redis.call('EXISTS', KEYS[2]) == 1 then
    return 0
end
return redis.call('UNLINK', KEYS[1])

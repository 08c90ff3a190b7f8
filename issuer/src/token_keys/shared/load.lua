-- Reads the list of keys, its number, and the server's clock.
-- KEYS: 1 the list.
local now = redis.call('TIME')[1]
local list = redis.call('HGET', KEYS[1], 'sealed')
if not list then
    return {0, '', now}
end
-- Nothing is added, and yet written: the answer waits then until replicas have
-- the list.
return {redis.call('HINCRBY', KEYS[1], 'number', 0), list, now}

-- Forgets some accounts, and their names with them.
-- KEYS: 1 the names of all subjects, then the accounts. ARGV: their subjects.
for place = 2, #KEYS do
    redis.call('UNLINK', KEYS[place])
end
return redis.call('SREM', KEYS[1], unpack(ARGV))

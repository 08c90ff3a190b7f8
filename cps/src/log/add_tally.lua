-- Adds to the counts of a key epoch, and tells their sums.
-- KEYS[1] a hash. ARGV[1] seconds to keep it, then fields, each with what it grows by.
local sums = {}
for place = 2, #ARGV, 2 do
  sums[#sums + 1] = redis.call('HINCRBY', KEYS[1], ARGV[place], ARGV[place + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return sums

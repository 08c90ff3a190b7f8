-- Records an entry as added and dropped, unless its request was added before. KEYS[1] the mark
-- of the request, KEYS[2] what is known of dropped entries. ARGV[1] the entry's time, ARGV[2]
-- the lifetime and ARGV[3] the mark's, in milliseconds.
if redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[3]) then
  local time = redis.call('TIME')
  local number = string.format('%.0f', time[1] * 1000000 + time[2])
  local latest = math.max(latest_dropped(KEYS[2]), tonumber(ARGV[1]))
  record_dropped(KEYS[2], number, latest, ARGV[2])
end
return 1

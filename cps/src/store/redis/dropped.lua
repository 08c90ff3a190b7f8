-- Begins every script that drops entries. What is known of dropped ones is the number of the
-- newest, and the latest time of all: where the nodes' clocks differ, an older one may live
-- longer.
local function latest_dropped(key)
  return tonumber(string.match(redis.call('GET', key) or '', ' (%d+)$') or 0)
end
local function record_dropped(key, number, latest, lifetime)
  redis.call('SET', key, number .. ' ' .. string.format('%.0f', latest), 'PX', lifetime)
end

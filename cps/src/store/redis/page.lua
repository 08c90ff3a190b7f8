-- Some living entries, oldest first. KEYS[1] the mailbox's entries by number,
-- KEYS[2] by time. ARGV[1] what an entry's key begins with, ARGV[2] the number
-- after which, ARGV[3] most entries, ARGV[4] and ARGV[5] between which times an
-- entry is alive, ARGV[6] the lifetime in microseconds. Answers with whether there
-- are more, the last number, and the entries.
local time = redis.call('TIME')
local oldest = time[1] * 1000000 + time[2] - tonumber(ARGV[6])
local after = '(' .. ARGV[2]
if tonumber(ARGV[2]) < oldest then
  after = string.format('(%.0f', oldest)
end
local earliest, latest = tonumber(ARGV[4]), tonumber(ARGV[5])
local page = {0, ''}
local step, from = 64, 0
while true do
  local found = redis.call('ZRANGE', KEYS[1], after, '+inf', 'BYSCORE', 'LIMIT', from, step,
    'WITHSCORES')
  for i = 1, #found, 2 do
    local at = tonumber(redis.call('ZSCORE', KEYS[2], found[i]) or earliest)
    local entry = at > earliest and at <= latest and redis.call('GET', ARGV[1] .. found[i])
    if entry then
      if #page - 2 == tonumber(ARGV[3]) then
        page[1] = 1
        return page
      end
      page[2] = found[i + 1]
      page[#page + 1] = entry
    end
  end
  if #found < 2 * step then
    return page
  end
  from = from + step
end

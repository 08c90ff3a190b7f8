-- A window of living entries, oldest first, and filler in the other slots: as much work
-- and as many bytes whatever there is. KEYS[1] the mailbox's entries by number, KEYS[2]
-- by time, KEYS[3] number of the newest and latest time of all dropped entries. ARGV[1] what an
-- entry's key begins with, ARGV[2] the number after which, ARGV[3] how many slots,
-- ARGV[4] and ARGV[5] between which times an entry is alive, ARGV[6] the lifetime in
-- microseconds, ARGV[7] bytes of a slot. Answers with whether there are more, whether
-- one was dropped, how many there are in 3 digits, the last number in 20, and the slots.
local time = redis.call('TIME')
local oldest = time[1] * 1000000 + time[2] - tonumber(ARGV[6])
local from = math.max(tonumber(ARGV[2]), oldest)
local after = string.format('(%.0f', from)
local earliest, latest = tonumber(ARGV[4]), tonumber(ARGV[5])
local slots, size = tonumber(ARGV[3]), tonumber(ARGV[7])
local filler = string.rep('\0', size - 4)
local page, filled, last, more = {}, 0, 0, 0
local step, skip, tried = slots + 1, 0, 0
repeat
  local found = redis.call('ZRANGE', KEYS[1], after, '+inf', 'BYSCORE', 'LIMIT', skip, step,
    'WITHSCORES')
  for i = 1, #found, 2 do
    local at = tonumber(redis.call('ZSCORE', KEYS[2], found[i]) or earliest)
    tried = tried + 1
    if at > earliest and at <= latest then
      local entry = filled < slots and redis.call('GET', ARGV[1] .. found[i])
      if filled == slots then
        more = 1
        break
      elseif entry and #entry == size then
        filled = filled + 1
        page[filled] = entry
        last = found[i + 1]
      end
    end
  end
  -- Only a node whose clock is wrong finds none alive among so many.
  skip = skip + step
until more == 1 or #found < 2 * step
-- Work that weighs as much for what is not there: the same look-ups; a number as text for
-- each score that the server writes; and for copying an entry, one more name that nothing has.
-- Else many polls at one time add up what a page has less to do. Each filler is another
-- string, since Lua keeps equal ones once.
for i = tried + 1, step do
  local score = string.format('%.17g', from + i)
  tonumber(redis.call('ZSCORE', KEYS[2], after) or score)
  string.format('%.17g', earliest + i)
end
for i = filled + 1, slots do
  for _ = 1, 2 do
    redis.call('GET', ARGV[1] .. i)
  end
  page[i] = string.format('%04d', i) .. filler
end
local number, at = string.match(redis.call('GET', KEYS[3]) or '0 0', '(%d+) (%d+)')
number, at = tonumber(number), tonumber(at)
local dropped = number > from and at > earliest and at <= latest and 1 or 0
return {more, dropped, string.format('%03d', filled), string.format('%020.0f', last),
  table.concat(page)}

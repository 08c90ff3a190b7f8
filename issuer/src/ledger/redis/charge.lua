-- Charges a drawing once, to all accounts that its subject overlaps, and to a new one for
-- what no account covers. All keys are in the hash slot of the key epoch.
-- KEYS: 1 the epoch, 2 those drawings among which this one belongs, 3 the accounts,
--       4 the bounds of what accounts cover.
-- ARGV: 1 the drawing, 2 tokens, 3 allowed, 4 most of the key ('' for no limit),
--       5 '1' if it must be a repetition, 6 the node, 7 how many charges of the epoch
--       this node knows to be acknowledged, 8 most overlaps, 9 most bounds of the epoch,
--       then the first and the last bound of each extent of the subject.
-- Answers {verdict, number, number}.

-- The bound of a block that is `step` numbers after `bound`: two characters, and digits.
local function beside(bound, step)
    local form = '%0' .. (#bound - 2) .. '.0f'
    return string.sub(bound, 1, 2) .. string.format(form, tonumber(string.sub(bound, 3)) + step)
end

local node = 'node:' .. ARGV[6]
local known = redis.call('HMGET', KEYS[1], 'total', node)
local own = tonumber(known[2] or 0)
if not known[1] or own < tonumber(ARGV[7]) then
    return {'lost', own, 0}
end
-- Whatever is counted is counted in accounts too: without them every holder would draw its
-- whole allowance again.
if tonumber(known[1]) > 0 and redis.call('EXISTS', KEYS[3], KEYS[4]) < 2 then
    return {'lost', own, 0}
end
local tokens = tonumber(ARGV[2])
local counted = redis.call('HGET', KEYS[2], ARGV[1])
if counted and tonumber(counted) >= tokens then
    -- Nothing is added, and yet written: the answer waits then until replicas have
    -- what was counted before.
    return {'counted', redis.call('HINCRBY', KEYS[1], 'total', 0), own}
end
if ARGV[5] == '1' then
    return {'not repeated', 0, 0}
end
local more = tokens - tonumber(counted or 0)
if ARGV[4] ~= '' and tonumber(known[1]) + more > tonumber(ARGV[4]) then
    return {'used up', 0, 0}
end

-- What accounts cover is 'BOUND a ACCOUNT' where it begins and 'BOUND z ACCOUNT' where it
-- ends. Nothing is covered twice, so beginnings and ends alternate. Redis orders bounds by
-- their bytes; Lua would by the locale, and compares for equality only.
local left, seen, accounts, gaps = tonumber(ARGV[8]), {}, {}, {}
local function bounds(from, to, most)
    return redis.call('ZRANGEBYLEX', KEYS[4], from, to, 'LIMIT', 0, most)
end
local function parts(bound)
    return string.match(bound or '', '^(%S+) ([az]) (%d+)$')
end
local function overlap(account)
    left = left - 1
    if not seen[account] then
        seen[account] = true
        accounts[#accounts + 1] = account
    end
end
for at = 10, #ARGV, 2 do
    local from, last = ARGV[at], ARGV[at + 1]
    local after = '(' .. last .. '!'
    if from ~= last then
        for _, bound in ipairs(bounds('[' .. from, after, 2 * left + 2)) do
            local point, kind, account = parts(bound)
            if kind == 'z' then
                overlap(account)
                from = point ~= last and beside(point, 1) or nil
            else
                if point ~= from then
                    gaps[#gaps + 1] = {from, beside(point, -1)}
                end
                from = nil
            end
        end
        -- What begins before the end and ends after it.
        local _, kind, account = parts(bounds(after, '+', 1)[1])
        if kind == 'z' then
            overlap(account)
            from = nil
        end
    else
        local point, kind, account = parts(bounds('[' .. from, '+', 1)[1])
        if point == from or kind == 'z' then
            overlap(account)
            from = nil
        end
    end
    if left < 0 then
        return {'crowded', 0, 0}
    end
    if from then
        gaps[#gaps + 1] = {from, last}
    end
end
local room = tonumber(ARGV[9]) - redis.call('ZCARD', KEYS[4])
if #gaps > left or #gaps > 0 and 2 * #gaps > room then
    return {'crowded', 0, 0}
end

local drawn = 0
if #accounts > 0 then
    for _, one in ipairs(redis.call('HMGET', KEYS[3], unpack(accounts))) do
        if not one then
            return {'lost', own, 0}
        end
        drawn = math.max(drawn, tonumber(one))
    end
end
if drawn + more > tonumber(ARGV[3]) then
    return {'exhausted', drawn, 0}
end
if #gaps > 0 then
    local account = tostring(redis.call('HLEN', KEYS[3]) + 1)
    accounts[#accounts + 1] = account
    for _, gap in ipairs(gaps) do
        redis.call('ZADD', KEYS[4], 0, gap[1] .. ' a ' .. account, 0, gap[2] .. ' z ' .. account)
    end
end
for _, account in ipairs(accounts) do
    redis.call('HINCRBY', KEYS[3], account, more)
end
redis.call('HINCRBY', KEYS[2], ARGV[1], more)
local total = redis.call('HINCRBY', KEYS[1], 'total', more)
return {'counted', total, redis.call('HINCRBY', KEYS[1], node, 1)}

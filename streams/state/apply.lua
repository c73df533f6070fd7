-- Adds deltas to one state group and moves its watermark, or changes nothing.
--
-- KEYS[1]  watermark; the other keys as the operations name them
-- ARGV[1]  expected offset          ARGV[2]  offset where none is stored
-- ARGV[3]  the new watermark        then operations of three: verb, index into KEYS, payload
--
-- Replies {1} applied; {0, offset} another offset is stored;
-- {2, index, content, ...} these directories hold other names than expected.

local stored = redis.call('GET', KEYS[1])
local offset = stored and string.match(stored, '^(%d+):') or ARGV[2]
if offset ~= ARGV[1] then
  return {0, offset}
end
if tonumber(string.match(ARGV[3], '^%d+')) < tonumber(offset) then
  return redis.error_reply('WATERMARK would go back')
end

local other = {2}
for i = 4, #ARGV, 3 do
  if ARGV[i] == 'name' then
    local key = KEYS[tonumber(ARGV[i + 1])]
    local token = redis.call('GETRANGE', key, 0, 7)
    if token ~= string.sub(ARGV[i + 2], 1, 8) and not (token == '' and string.sub(ARGV[i + 2], 1, 8) == '00000000') then
      other[#other + 1] = tonumber(ARGV[i + 1])
      other[#other + 1] = redis.call('GET', key) or ''
    end
  end
end
if #other > 1 then
  return other
end

local function add(key, width, step, format, payload)
  local position, size = 1, #payload
  while position <= size do
    local command = {'BITFIELD', key, 'OVERFLOW', 'SAT'}
    local n = 4
    local stop = math.min(size, position + step * 1000 - 1)
    while position <= stop do
      local at, amount
      at, amount, position = struct.unpack(format, payload, position)
      command[n + 1], command[n + 2] = 'INCRBY', width
      command[n + 3], command[n + 4] = '#' .. at, amount
      n = n + 4
    end
    redis.call(unpack(command))
  end
end

local now = redis.call('TIME')
local verbs = {
  -- payload: token before, token after, names to append (the last two may be absent)
  name = function(key, payload)
    if #payload > 16 then
      if redis.call('EXISTS', key) == 1 then
        redis.call('SETRANGE', key, 0, string.sub(payload, 9, 16))
        redis.call('APPEND', key, string.sub(payload, 17))
      else
        redis.call('SET', key, string.sub(payload, 9))
      end
    end
  end,
  count = function(key, payload) add(key, 'u32', 8, '<I4I4', payload) end,
  sum = function(key, payload) add(key, 'i64', 12, '<I4i8', payload) end,
  -- a revision is new at every write, also after a rollback
  tick = function(key) redis.call('SET', key, now[1] .. ':' .. now[2]) end,
  join = function(key, payload) redis.call('SADD', key, payload) end,
  append = function(key, payload) redis.call('APPEND', key, payload) end,
  tally = function(key, payload)
    local verdict, amount = string.match(payload, '^(.-)=(%d+)$')
    redis.call('HINCRBY', key, verdict, amount)
  end,
}
for i = 4, #ARGV, 3 do
  verbs[ARGV[i]](KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2])
end
redis.call('SET', KEYS[1], ARGV[3])
return {1}

-- Adds deltas to one state group and moves its watermark, or changes nothing.
--
-- KEYS[1]  watermark; the other keys as the operations name them
-- ARGV[1]  expected offset          ARGV[2]  offset where none is stored
-- ARGV[3]  the new watermark
-- ARGV[4]  operations as a msgpack array, three elements each: verb, index into KEYS, bytes of payload
-- ARGV[5]  the payloads, one behind the other
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

-- from here on the third element is the payload itself
local steps, taken = cmsgpack.unpack(ARGV[4]), 0
for i = 3, #steps, 3 do
  local size = steps[i]
  steps[i] = string.sub(ARGV[5], taken + 1, taken + size)
  taken = taken + size
end

local other = {2}
for i = 1, #steps, 3 do
  if steps[i] == 'name' then
    local key, expected = KEYS[steps[i + 1]], string.sub(steps[i + 2], 1, 8)
    local token = redis.call('GETRANGE', key, 0, 7)
    if token ~= expected and not (token == '' and expected == '00000000') then
      other[#other + 1] = steps[i + 1]
      other[#other + 1] = redis.call('GET', key) or ''
    end
  end
end
if #other > 1 then
  return other
end

-- Arrays of big-endian words of four bytes; a count is one word, a sum two.  A payload is
-- {place, amount} or {place, high, low} as little-endian words, by rising places.
local WORDS, BYTES, MOST = 64, 256, 4294967295
local GIVEN = 192
local DENSE = 6
local call, read, write, rep = redis.call, struct.unpack, struct.pack, string.rep

local function numbers(payload, at)
  local count = math.min(GIVEN, (#payload - at + 1) / 4)
  return count, {read('<' .. rep('I4', count), payload, at)}
end

-- Where few counts of an array are named, each is a part of a command.
local function add_few(key, payload)
  local at = 1
  while at <= #payload do
    local count, given = numbers(payload, at)
    local command, n = {'BITFIELD', key, 'OVERFLOW', 'SAT'}, 4
    for i = 1, count, 2 do
      command[n + 1], command[n + 2], command[n + 3], command[n + 4] = 'INCRBY', 'u32', '#' .. given[i], given[i + 1]
      n = n + 4
    end
    call(unpack(command))
    at = at + count * 4
  end
end

-- Where many are, a stretch of the array is read, changed and written back: up to three times as fast.
-- Sums always go this way, because Lua's numbers are exact to 53 bits only.
local function add_many(key, width, payload)
  if payload == '' then return end
  local stretch, first, offset, at, words = '>' .. rep('I4', WORDS), -WORDS, 0, 1, nil
  -- Made long enough at once: a string that grows bit by bit is given twice the room.
  local last = read('<I4', payload, #payload - 4 * width - 3) * width
  local needed = (last - last % WORDS) * 4 + BYTES
  if call('STRLEN', key) < needed then call('SETRANGE', key, needed - 1, '\0') end
  while at <= #payload do
    local count, given = numbers(payload, at)
    for i = 1, count, width + 1 do
      local place = given[i] * width
      if place >= first + WORDS or place < first then
        if words then call('SETRANGE', key, offset, write(stretch, unpack(words, 1, WORDS))) end
        first = place - place % WORDS
        offset = first * 4
        local stored = call('GETRANGE', key, offset, offset + BYTES - 1)
        words = {read(stretch, stored .. rep('\0', BYTES - #stored))}
      end
      local to = place - first + 1
      if width == 1 then
        words[to] = math.min(words[to] + given[i + 1], MOST)
      else
        local low = words[to + 1] + given[i + 2]
        local carry = low > MOST and 1 or 0
        words[to], words[to + 1] = words[to] + given[i + 1] + carry, low - carry * (MOST + 1)
        if words[to] > 2147483647 then words[to], words[to + 1] = 2147483647, MOST end
      end
    end
    at = at + count * 4
  end
  call('SETRANGE', key, offset, write(stretch, unpack(words, 1, WORDS)))
end

local function add(key, payload)
  local first, last = read('<I4', payload), read('<I4', payload, #payload - 7)
  if #payload / 8 * DENSE >= last - first + WORDS then
    add_many(key, 1, payload)
  else
    add_few(key, payload)
  end
end

local now, revision = redis.call('TIME'), nil
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
  count = add,
  sum = function(key, payload) add_many(key, 2, payload) end,
  -- a revision is new at every write, also after a rollback
  tick = function(key) redis.call('SET', key, now[1] .. ':' .. now[2]) end,
  join = function(key, payload) redis.call('SADD', key, payload) end,
  -- a page and segment has been written: the later its revision, whatever the clock says
  touch = function(key, payload)
    if not revision then
      local last = call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
      revision = string.format('%.0f', math.max(now[1] * 1000000 + now[2], tonumber(last or 0) + 1))
    end
    call('ZADD', key, revision, payload)
  end,
  append = function(key, payload) redis.call('APPEND', key, payload) end,
  -- the limits that hold; they only ever grow longer
  limits = function(key, payload)
    if #payload > redis.call('STRLEN', key) then redis.call('SET', key, payload) end
  end,
  tally = function(key, payload)
    local verdict, amount = string.match(payload, '^(.-)=(%d+)$')
    redis.call('HINCRBY', key, verdict, amount)
  end,
}
local i = 1
while i <= #steps do
  local verb, key = steps[i], KEYS[steps[i + 1]]
  if verb == 'unless' then
    -- two steps follow that list a table: only needed where it is new
    i = i + (call('EXISTS', key) == 1 and 9 or 3)
  else
    verbs[verb](key, steps[i + 2])
    i = i + 3
  end
end
redis.call('SET', KEYS[1], ARGV[3])
return {1}

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

-- A command gets so many arguments at most: Lua has room for some thousands of values.
local PART = 1000
local call, read, write, rep = redis.call, struct.unpack, struct.pack, string.rep

-- A command of many keys costs a third of as many commands.
local function in_parts(command, key, list)
  for i = 1, #list, PART do
    local last = math.min(i + PART - 1, #list)
    if key then call(command, key, unpack(list, i, last)) else call(command, unpack(list, i, last)) end
  end
end

-- The directories: of those with few names the contents, of the others the tokens.
local short, places, held, other = {}, {}, {}, {2}
for i = 1, #steps, 3 do
  if steps[i] == 'short' then
    short[#short + 1], places[#places + 1] = KEYS[steps[i + 1]], steps[i + 1]
  elseif steps[i] == 'name' then
    held[steps[i + 1]] = call('GETRANGE', KEYS[steps[i + 1]], 0, 7)
  end
end
for i = 1, #short, PART do
  local last = math.min(i + PART - 1, #short)
  for at, content in ipairs(call('MGET', unpack(short, i, last))) do
    held[places[i + at - 1]] = content or ''
  end
end
for i = 1, #steps, 3 do
  if steps[i] == 'short' or steps[i] == 'name' then
    local place = steps[i + 1]
    local expected, token = string.sub(steps[i + 2], 1, 8), string.sub(held[place], 1, 8)
    if token ~= expected and not (token == '' and expected == '00000000') then
      other[#other + 1] = place
      other[#other + 1] = call('GET', KEYS[place]) or ''
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

local formats = {}
local function numbers(payload, at, most)
  local count = math.min(most, (#payload - at + 1) / 4)
  formats[count] = formats[count] or '<' .. rep('I4', count)
  return count, read(formats[count], payload, at)
end

-- The arguments of BITFIELD, out of numbers and what struct.unpack adds to them.
local function counts(place, amount, ...)
  if amount then return 'INCRBY', 'u32', place * 32, amount, counts(...) end
end
local function sums(place, high, low, ...)
  if low then return 'INCRBY', 'i64', place * 64, high * (MOST + 1) + low, sums(...) end
end

-- Where few numbers of an array are named, each is a part of a command.
local function add_few(key, arguments, width, payload)
  local size = 8 * (width + 1)
  for at = 1, #payload, size * 4 do
    call('BITFIELD', key, 'OVERFLOW', 'SAT', arguments(select(2, numbers(payload, at, size))))
  end
end

-- An array that grows bit by bit is given twice the room.
local function lengthen(key, width, payload)
  local last = read('<I4', payload, #payload - 4 * width - 3) * width
  local needed = (last - last % WORDS) * 4 + BYTES
  if call('STRLEN', key) < needed then call('SETRANGE', key, needed - 1, '\0') end
end

-- Where many are, a stretch of the array is read, changed and written back: up to three times as fast.
local function add_many(key, width, payload)
  local stretch, first, offset, at, words = '>' .. rep('I4', WORDS), -WORDS, 0, 1, nil
  while at <= #payload do
    local given = {numbers(payload, at, GIVEN)}
    local count = table.remove(given, 1)
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

local function is_dense(width, payload)
  local first, last = read('<I4', payload), read('<I4', payload, #payload - 4 * width - 3)
  return #payload / (4 * (width + 1)) * DENSE >= (last - first) * width + WORDS
end

local now, sets, touched, revisions = redis.call('TIME'), {}, {}, nil
local tick = now[1] .. ':' .. now[2]
local verbs = {
  -- payload: token before, token after, names to append (the last two may be absent)
  short = function(place, payload)
    if #payload > 16 then
      local names = string.sub(held[place], 9) .. string.sub(payload, 17)
      sets[#sets + 1], sets[#sets + 2] = KEYS[place], string.sub(payload, 9, 16) .. names
    end
  end,
  name = function(place, payload)
    if #payload > 16 and held[place] == '' then
      call('SET', KEYS[place], string.sub(payload, 9))
    elseif #payload > 16 then
      call('SETRANGE', KEYS[place], 0, string.sub(payload, 9, 16))
      call('APPEND', KEYS[place], string.sub(payload, 17))
    end
  end,
  count = function(place, payload)
    if is_dense(1, payload) then
      lengthen(KEYS[place], 1, payload)
      add_many(KEYS[place], 1, payload)
    else
      add_few(KEYS[place], counts, 1, payload)
    end
  end,
  sum = function(place, payload)
    if payload == '' then return end
    lengthen(KEYS[place], 2, payload)
    if is_dense(2, payload) then add_many(KEYS[place], 2, payload) else add_few(KEYS[place], sums, 2, payload) end
  end,
  -- Amounts of more than the 53 bits to which Lua's numbers are exact.
  wide = function(place, payload)
    lengthen(KEYS[place], 2, payload)
    add_many(KEYS[place], 2, payload)
  end,
  -- a revision is new at every write, also after a rollback
  tick = function(place)
    sets[#sets + 1], sets[#sets + 2] = KEYS[place], tick
  end,
  join = function(place, payload) call('SADD', KEYS[place], payload) end,
  -- a page and segment has been written: the later its revision, whatever the clock says
  touch = function(place, payload)
    if not revisions then
      revisions = KEYS[place]
      local last = call('ZREVRANGE', revisions, 0, 0, 'WITHSCORES')[2]
      touched.revision = string.format('%.0f', math.max(now[1] * 1000000 + now[2], tonumber(last or 0) + 1))
    end
    touched[#touched + 1], touched[#touched + 2] = touched.revision, payload
  end,
  append = function(place, payload) call('APPEND', KEYS[place], payload) end,
  -- the limits that hold; they only ever grow longer
  limits = function(place, payload)
    if #payload > call('STRLEN', KEYS[place]) then call('SET', KEYS[place], payload) end
  end,
  tally = function(place, payload)
    local verdict, amount = string.match(payload, '^(.-)=(%d+)$')
    call('HINCRBY', KEYS[place], verdict, amount)
  end,
}
local i = 1
while i <= #steps do
  local verb, place = steps[i], steps[i + 1]
  if verb == 'unless' then
    -- two steps follow that list a table: only needed where it is new
    i = i + (call('EXISTS', KEYS[place]) == 1 and 9 or 3)
  else
    verbs[verb](place, steps[i + 2])
    i = i + 3
  end
end
sets[#sets + 1], sets[#sets + 2] = KEYS[1], ARGV[3]
in_parts('MSET', nil, sets)
if revisions then in_parts('ZADD', revisions, touched) end
return {1}

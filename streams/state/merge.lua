-- Puts the sum of some tables, packed, in the place of the first, and drops the others; or changes nothing.
--
-- KEYS[1] a watermark that says how far the log has come, KEYS[2] the group's buckets,
-- KEYS[3] when tables were merged last, KEYS[4] the group's revisions,
-- KEYS[5] the index of the target's bucket;
-- then the revision of each table, the target's first; the index of each other table's bucket;
-- the key that the sum is written to; the keys that are dropped
-- ARGV[1] the time of the log that it takes, ARGV[2] the table in an index,
-- ARGV[3] its page and segment in the revisions, ARGV[4] how many tables;
-- then the bucket of each table, the revision that each was read with ('' where there was none),
-- and the sum
--
-- Replies 1 where it merged, 0 where the log has not come so far or a table is another by now.
local call, count = redis.call, tonumber(ARGV[4])
local mark = call('GET', KEYS[1])
if not mark or tonumber(string.match(mark, '^%d+:(%d+)')) < tonumber(ARGV[1]) then
  return 0
end
for i = 1, count do
  if (call('GET', KEYS[5 + i]) or '') ~= ARGV[4 + count + i] then
    return 0
  end
end

local time = call('TIME')
local now = time[1] .. ':' .. time[2]
local last = call('ZREVRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2]
local revision = math.max(time[1] * 1000000 + time[2], tonumber(last or 0) + 1)
local sum = 5 + 2 * count
for i = sum + 1, #KEYS do
  call('UNLINK', KEYS[i])
end
call('SET', KEYS[sum], ARGV[sum])
for i = 2, count do
  call('UNLINK', KEYS[5 + i])
  local index = KEYS[4 + count + i]
  call('SREM', index, ARGV[2])
  if call('EXISTS', index) == 0 then
    call('SREM', KEYS[2], ARGV[4 + i])
  end
end
call('SADD', KEYS[2], ARGV[5])
call('SADD', KEYS[5], ARGV[2])
call('ZADD', KEYS[4], string.format('%.0f', revision), ARGV[3])
call('SET', KEYS[6], now)
call('SET', KEYS[3], now)
return 1

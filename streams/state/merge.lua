-- Puts the sum of some tables in the place of the first, and drops the others; or changes nothing.
--
-- KEYS[1] a watermark that says how far the log has come, KEYS[2] the group's buckets,
-- KEYS[3] when tables were merged last, KEYS[4] the index of the target's bucket;
-- then the revision of each table, the target's first; the index of each other table's bucket;
-- the keys that the sum is written to; the keys that are dropped
-- ARGV[1] the time of the log that it takes, ARGV[2] the table in an index, ARGV[3] how many tables;
-- then the bucket of each table, the revision that each was read with ('' where there was none),
-- and what is written to each key
--
-- Replies 1 where it merged, 0 where the log has not come so far or a table is another by now.
local call, count = redis.call, tonumber(ARGV[3])
local mark = call('GET', KEYS[1])
if not mark or tonumber(string.match(mark, '^%d+:(%d+)')) < tonumber(ARGV[1]) then
  return 0
end
for i = 1, count do
  if (call('GET', KEYS[4 + i]) or '') ~= ARGV[3 + count + i] then
    return 0
  end
end

local now = call('TIME')
now = now[1] .. ':' .. now[2]
local written, at = #ARGV - 3 - 2 * count, 3 + 2 * count
for i = at + written + 1, #KEYS do
  call('UNLINK', KEYS[i])
end
for i = 1, written do
  call('SET', KEYS[at + i], ARGV[at + i])
end
for i = 2, count do
  call('UNLINK', KEYS[4 + i])
  local index = KEYS[3 + count + i]
  call('SREM', index, ARGV[2])
  if call('EXISTS', index) == 0 then
    call('SREM', KEYS[2], ARGV[3 + i])
  end
end
call('SADD', KEYS[2], ARGV[4])
call('SADD', KEYS[4], ARGV[2])
call('SET', KEYS[5], now)
call('SET', KEYS[3], now)
return 1

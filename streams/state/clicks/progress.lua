-- Moves attribution of one partition along, or changes nothing.
--
-- KEYS  the watermarks of the topics that it decides by, where to read each topic that it writes from, the window
-- ARGV  1 how many watermarks   2 how many topics that it writes
--       then for each watermark the expected offset, the offset where none is stored, and the new watermark
--       then for each topic that it writes the new place, then the window
--
-- Replies {1, offsets} applied, {0, offsets} other offsets are stored.

local marks, places = tonumber(ARGV[1]), tonumber(ARGV[2])
local reply, same = {1}, true
for at = 1, marks do
  local stored = redis.call('GET', KEYS[at])
  local offset = stored and string.match(stored, '^(%d+):') or ARGV[3 * at + 1]
  reply[at + 1] = offset
  same = same and offset == ARGV[3 * at]
end
if not same then
  reply[1] = 0
  return reply
end
for at = 1, marks do
  local offset = string.match(ARGV[3 * at + 2], '^%d+')
  if tonumber(offset) < tonumber(reply[at + 1]) then
    return redis.error_reply('WATERMARK would go back')
  end
  reply[at + 1] = offset
end
for at = 1, marks do
  redis.call('SET', KEYS[at], ARGV[3 * at + 2])
end
for at = 1, places + 1 do
  redis.call('SET', KEYS[marks + at], ARGV[3 * marks + 2 + at])
end
return reply

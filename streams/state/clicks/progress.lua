-- Moves attribution of one partition along, or changes nothing.
--
-- KEYS  1 watermark of clicks, 2 watermark of purchases, 3 where to read events-conversions from, 4 the window
-- ARGV  1, 2 expected offsets      3, 4 offsets where none is stored
--       5, 6 the new watermarks    7 the new place in events-conversions    8 the window
--
-- Replies {1, clicks, purchases} applied, {0, clicks, purchases} other offsets are stored.

local function offset(key, start)
  local stored = redis.call('GET', key)
  return stored and string.match(stored, '^(%d+):') or start
end

local clicks, purchases = offset(KEYS[1], ARGV[3]), offset(KEYS[2], ARGV[4])
if clicks ~= ARGV[1] or purchases ~= ARGV[2] then
  return {0, clicks, purchases}
end
local new_clicks, new_purchases = string.match(ARGV[5], '^%d+'), string.match(ARGV[6], '^%d+')
if tonumber(new_clicks) < tonumber(clicks) or tonumber(new_purchases) < tonumber(purchases) then
  return redis.error_reply('WATERMARK would go back')
end
redis.call('SET', KEYS[3], ARGV[7])
redis.call('SET', KEYS[4], ARGV[8])
redis.call('SET', KEYS[1], ARGV[5])
redis.call('SET', KEYS[2], ARGV[6])
return {1, new_clicks, new_purchases}

-- KEYS[1]: version of one page and segment.  ARGV[1]: the highest one seen on the topic.
-- ARGV[2]: for how many milliseconds it is kept when no further one is asked for.
-- Gives a number above both, at least the time in milliseconds.
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local version = math.max(stored + 1, tonumber(ARGV[1]) + 1, now)
redis.call('SET', KEYS[1], string.format('%.0f', version), 'PX', ARGV[2])
return version

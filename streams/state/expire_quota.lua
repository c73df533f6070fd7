-- Drops the quotas of buckets whose life the partition itself has passed.
--
-- KEYS[1] the partition's watermark, KEYS[2] its buckets, then the quota of each bucket
-- ARGV[1] width and life of a bucket (ms), then the buckets
local stored = redis.call('GET', KEYS[1])
local append_time = stored and tonumber(string.match(stored, '^%d+:(%d+):')) or 0
for i = 3, #KEYS do
  if tonumber(ARGV[i - 1]) + tonumber(ARGV[1]) < append_time then
    redis.call('UNLINK', KEYS[i])
    redis.call('SREM', KEYS[2], ARGV[i - 1])
  end
end

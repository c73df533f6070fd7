-- Drops one bucket of a state group, unless its index is another than the one that was listed.
--
-- KEYS[1] the bucket's index, KEYS[2] the group's buckets, then all keys of the bucket
-- ARGV[1] the bucket, then the members of the index when it was listed
if redis.call('SCARD', KEYS[1]) ~= #ARGV - 1 then
  return 0
end
for i = 2, #ARGV do
  if redis.call('SISMEMBER', KEYS[1], ARGV[i]) == 0 then
    return 0
  end
end
for i = 3, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
redis.call('UNLINK', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return 1

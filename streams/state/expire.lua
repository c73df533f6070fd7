-- Drops one bucket of a state group, unless its index grew since it was listed.
--
-- KEYS[1] the bucket's index, KEYS[2] the group's buckets, then all keys of the bucket
-- ARGV[1] members of the index when it was listed, ARGV[2] the bucket
if redis.call('SCARD', KEYS[1]) ~= tonumber(ARGV[1]) then
  return 0
end
for i = 3, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
redis.call('UNLINK', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[2])
return 1

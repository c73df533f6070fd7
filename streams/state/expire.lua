-- Drops one bucket of a state group, unless its index, or the group's buckets, are others than those listed.
--
-- KEYS[1] the bucket's index, KEYS[2] the group's buckets, KEYS[3] the group's revisions;
-- then the indexes of the other buckets, the newest first, and all keys of the bucket
-- ARGV[1] the bucket, ARGV[2] how many other buckets, ARGV[3] how many members its index has;
-- then the other buckets and the members of the index; then for each page and segment in it
-- its name in the revisions and what its tables are called in an index, by ARGV[4] kinds of traffic
local call, others, listed, kinds = redis.call, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if call('SCARD', KEYS[1]) ~= listed or call('SCARD', KEYS[2]) ~= others + 1 then
  return 0
end
for i = 5, 4 + others do
  if call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then
    return 0
  end
end
for i = 5 + others, 4 + others + listed do
  if call('SISMEMBER', KEYS[1], ARGV[i]) == 0 then
    return 0
  end
end

-- Whether one of some tables is in another bucket.
local function remains(first)
  for bucket = 4, 3 + others do
    for i = first, first + kinds - 1 do
      if call('SISMEMBER', KEYS[bucket], ARGV[i]) == 1 then
        return true
      end
    end
  end
  return false
end
for i = 5 + others + listed, #ARGV, kinds + 1 do
  if not remains(i + 1) then
    call('ZREM', KEYS[3], ARGV[i])
  end
end
for i = 4 + others, #KEYS do
  call('UNLINK', KEYS[i])
end
call('UNLINK', KEYS[1])
call('SREM', KEYS[2], ARGV[1])
return 1

-- Another visitor with each request.
local visitor = 0
request = function()
    visitor = (visitor + 1) % 100000
    return wrk.format("GET", wrk.path .. "?unit=unit-" .. visitor)
end

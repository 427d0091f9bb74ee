-- The last so many numbers, stored as the item `swcounter$key`: values in a ring, the index of
-- the last one (0: none yet), and the size. Slots not yet used count as 0.
swcounter = {}

function swcounter.new(command, key, object, size)
  executeNew(command, key, "swcounter", object, function()
    local n = size == nil and 16 or tonumber(size)
    if n == nil or n < 1 or n ~= math.floor(n) then return nil end
    local values = {}
    for i = 1, n do values[i] = 0 end
    -- In this order the table is stored byte for byte as the original stored it.
    return { size = n, index = 0, values = values }
  end)
end

function swcounter.add(command, key, object, value)
  executeReadWrite(command, key, "swcounter", object, function(c)
    local n = tonumber(value)
    if n == nil then error("the value must be a number", 0) end
    c.index = c.index % c.size + 1
    c.values[c.index] = n
    return "SUCCESS"
  end)
end

-- Defines a function that reads all values.
local function reader(name, read)
  swcounter[name] = function(command, key, object)
    executeReadOnly(command, key, "swcounter", object, read)
  end
end

reader("getlast", function(c)
  return c.values[c.index] or 0
end)

reader("getmin", function(c)
  local least = math.huge
  for i = 1, c.size do least = math.min(least, c.values[i]) end
  return least
end)

reader("getmax", function(c)
  local most = -math.huge
  for i = 1, c.size do most = math.max(most, c.values[i]) end
  return most
end)

reader("getavg", function(c)
  local sum = 0
  for i = 1, c.size do sum = sum + c.values[i] end
  return sum / c.size
end)

-- A set of strings, stored as the item `set$key`: a table of element = 1.
set = {}

local function lines(elements)
  for i = 1, #elements do elements[i] = elements[i] .. "\r\n" end
  return table.concat(elements)
end

-- The set of another key, or nil.
local function read(key)
  local item = getHashMap():get("set$" .. key)
  return item and table.unmarshal(item:getData())
end

function set.new(command, key, object)
  executeNew(command, key, "set", object, function() return {} end)
end

function set.put(command, key, object, element)
  executeReadWrite(command, key, "set", object, function(t)
    t[element] = 1
    return "SUCCESS"
  end)
end

function set.exist(command, key, object, element)
  executeReadOnly(command, key, "set", object, function(t)
    return t[element] == 1 and "EXISTS" or "NOT_FOUND"
  end)
end

function set.delete(command, key, object, element)
  executeReadWrite(command, key, "set", object, function(t)
    t[element] = nil
    return "SUCCESS"
  end)
end

function set.count(command, key, object)
  executeReadOnly(command, key, "set", object, function(t)
    local n = 0
    for _ in pairs(t) do n = n + 1 end
    return n
  end)
end

function set.getall(command, key, object)
  executeReadOnly(command, key, "set", object, function(t)
    local all = {}
    for element in pairs(t) do all[#all + 1] = element end
    return lines(all)
  end)
end

-- Elements of this set or the other.
function set.union(command, key, object, other)
  executeReadOnly(command, key, "set", object, function(t)
    local second = read(other)
    if second == nil then return "ERROR_CACHE_MISS" end
    local all = {}
    for element in pairs(t) do all[#all + 1] = element end
    for element in pairs(second) do
      if t[element] == nil then all[#all + 1] = element end
    end
    return lines(all)
  end)
end

-- Elements of this set and the other.
function set.intersection(command, key, object, other)
  executeReadOnly(command, key, "set", object, function(t)
    local second = read(other)
    if second == nil then return "ERROR_CACHE_MISS" end
    local all = {}
    for element in pairs(t) do
      if second[element] ~= nil then all[#all + 1] = element end
    end
    return lines(all)
  end)
end

-- A map of strings to strings, stored as the item `map$key`: a table.
map = {}

local function entry(k, v) return k .. " : " .. v end

-- One line for each pair.
local function each(t, line)
  local all = {}
  for k, v in pairs(t) do all[#all + 1] = line(k, v) .. "\r\n" end
  return table.concat(all)
end

function map.new(command, key, object)
  executeNew(command, key, "map", object, function() return {} end)
end

function map.put(command, key, object, k, v)
  executeReadWrite(command, key, "map", object, function(t)
    t[k] = v
    return "SUCCESS"
  end)
end

function map.get(command, key, object, k)
  executeReadOnly(command, key, "map", object, function(t)
    return t[k] and entry(k, t[k]) or "NOT_FOUND"
  end)
end

function map.delete(command, key, object, k)
  executeReadWrite(command, key, "map", object, function(t)
    t[k] = nil
    return "SUCCESS"
  end)
end

function map.count(command, key, object)
  executeReadOnly(command, key, "map", object, function(t)
    local n = 0
    for _ in pairs(t) do n = n + 1 end
    return n
  end)
end

function map.getkeys(command, key, object)
  executeReadOnly(command, key, "map", object, function(t)
    return each(t, function(k) return k end)
  end)
end

function map.getvalues(command, key, object)
  executeReadOnly(command, key, "map", object, function(t)
    return each(t, function(_, v) return v end)
  end)
end

function map.getall(command, key, object)
  executeReadOnly(command, key, "map", object, function(t) return each(t, entry) end)
end

-- The handlers of plain commands, for directories that do not bring their own core.lua. They
-- are asked only under --lua-main; commands without one are executed by the server itself.
core = {}

local function say(command, line)
  command:writeString(line .. "\r\n")
  return 0
end

local function put(command)
  local hashMap = getHashMap()
  local item = command:newCacheItem()
  hashMap:delete(command:getKey())
  hashMap:put(item)
  return say(command, "STORED")
end

local function exists(command)
  return getHashMap():get(command:getKey()) ~= nil
end

function core.get(command)
  for _, key in ipairs(command:getMultipleKeys() or { command:getKey() }) do
    handleGET(command, key)
  end
  return say(command, "END")
end

core.set = put

function core.add(command)
  if exists(command) then return say(command, "NOT_STORED") end
  return put(command)
end

function core.replace(command)
  if not exists(command) then return say(command, "NOT_STORED") end
  return put(command)
end

local NEVER = 4294967295

-- Joins the old data and the new in the given order. Flags and expiry stay.
local function join(command, order)
  local item = getHashMap():get(command:getKey())
  if item == nil then return say(command, "NOT_STORED") end
  local expiry = item:getExpiryTime()
  command:setFlags(item:getFlags())
  command:setExpiryTime(expiry ~= NEVER and expiry or 0)
  command:setData(order(item:getData(), command:getData() or ""))
  return put(command)
end

function core.append(command)
  return join(command, function(old, new) return old .. new end)
end

function core.prepend(command)
  return join(command, function(old, new) return new .. old end)
end

function core.delete(command)
  local there = exists(command)
  getHashMap():delete(command:getKey())
  return say(command, there and "DELETED" or "NOT_FOUND")
end

function core.flush_all(command)
  getHashMap():deleteLRU(64 * 1024 * 1024 * 1024)
  return say(command, "OK")
end

function core.version(command)
  return say(command, "VERSION 1.4.2")
end

function core.quit()
  return -1
end

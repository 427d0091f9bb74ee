-- The dispatch of config.lua, for directories that do not bring their own. `legacy` and
-- `objects` map type names to tables of functions; nothing else can be called by a key.
local legacy, objects = ...

--- The function a virtual key names, and its arguments; nil when the key is an ordinary one.
function getVirtualKeyHandler(key)
  local words = split(key)
  local typeName, name = words[1], words[2]
  if name == nil then return nil, nil end
  local args = {}
  for i = 3, #words do args[i - 2] = words[i] end
  local methods = legacy[typeName]
  if methods then
    local handler = rawget(methods, name)
    if type(handler) ~= "function" then return nil, nil end
    return handler, args
  end
  methods = objects[typeName]
  local handler = methods and rawget(methods, name)
  if type(handler) ~= "function" then return nil, nil end
  return function(command, wholeKey, objectKey, ...)
    local value = handler(require("object").open(typeName, objectKey or ""), ...)
    if value ~= nil then writeStringAsValue(command, wholeKey, tostring(value)) end
  end, args
end

--- Writes the VALUE block of a plain item, if there is one.
function handleGET(command, key)
  local item = getHashMap():get(key)
  if item ~= nil then
    command:writeCacheItem(item)
    item:delete()
  end
  return 0
end

--- A command, without virtual keys. A negative number closes the connection, "native" leaves the command to
-- the server, as does a command without a handler.
function mainNormal(command)
  local handler = core[command:getCommand()]
  if handler == nil then return -1 end
  return handler(command)
end

--- A command, with virtual keys in `get`. A storage command that calls a function is the server's to frame.
function mainVirtualKey(command)
  local name = command:getCommand()
  if name == "set" and getVirtualKeyHandler(command:getKey()) then return "native" end
  if name ~= "get" then return mainNormal(command) end
  local keys = command:getMultipleKeys() or { command:getKey() }
  for _, key in ipairs(keys) do
    local handler, args = getVirtualKeyHandler(key)
    if handler then
      handler(command, key, unpack(args))
    else
      handleGET(command, key)
    end
  end
  command:writeString("END\r\n")
  return 0
end

-- Stand-ins of the host, in Lua: `texts` are config.lua and scripts, which run on them unchanged.
local store, answers = {}, {}

local function counted(text)
  local n = #text
  return string.char(4, n % 256, math.floor(n / 256) % 256) .. text
end

local function marshal(t)
  local out = {}
  for key, value in pairs(t) do
    out[#out + 1] = counted(tostring(key))
    out[#out + 1] = type(value) == "number" and "\3" .. ("%-12d"):format(value) or counted(value)
  end
  return table.concat(out)
end

local function unmarshal(text)
  local t, at = {}, 1
  local function read()
    if text:byte(at) == 3 then
      at = at + 13
      return tonumber(text:sub(at - 12, at - 1))
    end
    local low, high = text:byte(at + 1, at + 2)
    local start = at + 3
    at = start + low + 256 * high
    return text:sub(start, at - 1)
  end
  while at <= #text do
    local key = read()
    t[key] = read()
  end
  return t
end

local Item = {}
Item.__index = Item
function Item:getData() return self.data end
function Item:delete() end

local hashMap = {}
function hashMap:get(key) return store[key] end
function hashMap:put(item) store[item.key] = item end
function hashMap:delete(key) store[key] = nil end

local command = {}
function command:setKey(key) self.key = key end
function command:setData(data) self.data = data end
function command:newCacheItem() return setmetatable({ key = self.key, data = self.data }, Item) end

local library = setmetatable({ marshal = marshal, unmarshal = unmarshal }, { __index = table })
local function split(text)
  local parts = {}
  for part in text:gmatch("[^:]+") do parts[#parts + 1] = part end
  return parts
end
local environment = setmetatable({
  table = library,
  split = split,
  getHashMap = function() return hashMap end,
  writeStringAsValue = function(_, key, value)
    answers[1] = ("VALUE %s 0 %d\r\n%s\r\n"):format(key, #value, value)
  end,
}, { __index = _G })

local types = {}
for _, text in ipairs(texts) do setfenv(assert(loadstring(text)), environment)(types, {}) end
types.map, types.quota = environment.map, environment.quota

-- One command: from the key to the answer.
local function get(key)
  local handler, arguments = environment.getVirtualKeyHandler(key)
  handler(command, key, unpack(arguments))
end

get "map:new:m"
for i = 1, 10 do get("map:put:m:key" .. i .. ":value" .. i) end
get "quota:new:q:1000000000:day"

bench = {}
function bench.map_put(c, k, loops)
  for _ = 1, tonumber(loops) do get "map:put:m:key3:value" end
  assert(answers[1]:find("SUCCESS", 1, true))
  writeStringAsValue(c, k, "done")
end
function bench.quota_add(c, k, loops)
  for _ = 1, tonumber(loops) do get "quota:addandcheck:q:1" end
  assert(answers[1]:find("QUOTA_OK", 1, true), answers[1])
  writeStringAsValue(c, k, "done")
end

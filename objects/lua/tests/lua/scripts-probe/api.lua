-- probe object written for the golden recordings (not part of the original)
local function hex(s) return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end
local function out(command, key, v) writeStringAsValue(command, key, tostring(v)) end
local function colon(s) return (s:gsub('/', ':')) end
local function dump(t)
  if type(t) ~= 'table' then return type(t) .. '=' .. tostring(t) end
  local ks = {}
  for k in pairs(t) do ks[#ks+1] = tostring(k) end
  table.sort(ks)
  local r = {}
  for _, k in ipairs(ks) do
    local v = t[k]; if v == nil then v = t[tonumber(k)] end
    r[#r+1] = k .. '=' .. (type(v) == 'table' and '{' .. dump(v) .. '}' or tostring(v))
  end
  return table.concat(r, ',')
end
local samples = {
  empty   = function() return {} end,
  array   = function() return {1, 2, 3} end,
  strs    = function() return {'a', 'bb', ''} end,
  nums    = function() return {0, -1, 0.5, 1e300, 2^53} end,
  bools   = function() return {true, false} end,
  one     = function() return {k = 'v'} end,
  nested  = function() return {{1}, {2}} end,
  shared  = function() local t = {7}; return {t, t} end,
  cycle   = function() local t = {}; t[1] = t; return t end,
  func    = function() return {string.len} end,
  luafunc = function() return {function(a) return a + 1 end} end,
  udata   = function() return {getHashMap()} end,
  inf     = function() return {math.huge, -math.huge} end,
}
local lists = {
  one   = '127.0.0.1:11211',
  two   = '127.0.0.1:11211,127.0.0.1:11212',
  three = 's1 s2\ts3',
  four  = '10.0.0.1:11211, 10.0.0.2:11211, 10.0.0.3:11211, 10.0.0.4:11211',
  long  = 'a-server-name-that-is-too-long-for-it',
  n27   = '123456789012345678901234567',
  n28   = '1234567890123456789012345678',
}
api = {
  marshal = function(c, k, name) out(c, k, select(2, pcall(function() return hex(table.marshal(samples[name]())) end))) end,
  roundtrip = function(c, k, name) out(c, k, select(2, pcall(function() return dump(table.unmarshal(table.marshal(samples[name]()))) end))) end,
  clone = function(c, k, name) out(c, k, select(2, pcall(function() return dump(table.clone(samples[name]())) end))) end,
  unmarshal = function(c, k, h)
    local s = (h or ''):gsub('%x%x', function(x) return string.char(tonumber(x, 16)) end)
    local ok, e = pcall(table.unmarshal, s)
    out(c, k, ok and ('ok ' .. dump(e)) or ('error ' .. tostring(e)))
  end,
  marshalbad = function(c, k) local ok, e = pcall(table.marshal, 5); out(c, k, tostring(ok) .. ' ' .. tostring(e)) end,
  find = function(c, k, list, key)
    local h = newConsistent(lists[list])
    if h == nil then return out(c, k, 'nil') end
    out(c, k, tostring(h:findServerForKey(key)))
    deleteConsistent(h)
  end,
  count = function(c, k, list) local h = newConsistent(lists[list]); out(c, k, h and h:getServerCount() or 'nil'); if h then deleteConsistent(h) end end,
  avail = function(c, k, list, server)
    local h = newConsistent(lists[list])
    local r = {h:isServerAvailable(server)}
    h:setServerAvailable(server, 0);  r[#r+1] = h:isServerAvailable(server)
    h:setServerAvailable(0, server);  r[#r+1] = h:isServerAvailable(server)
    h:setServerAvailable(1, server);  r[#r+1] = h:isServerAvailable(server)
    r[#r+1] = h:isServerAvailable('nosuch')
    deleteConsistent(h)
    out(c, k, table.concat(r, ','))
  end,
  prefix = function(c, k, p)
    local t = getHashMap():getPrefixMatchingKeys(p)
    if t == nil then return out(c, k, 'nil') end
    table.sort(t); out(c, k, #t .. ' ' .. table.concat(t, ' '))
  end,
  item = function(c, k, key)
    local i = getHashMap():get(key)
    if i == nil then return out(c, k, 'nil') end
    local e = i:getExpiryTime()
    out(c, k, table.concat({i:getKey(), i:getKeySize(), i:getFlags(), i:getDataSize(), i:getData(), e == 4294967295 and 'never' or 'timed'}, '|'))
    i:delete()
  end,
  command = function(c, k)
    out(c, k, table.concat({tostring(c:getCommand()), tostring(c:getKey()), tostring(c:getKeySize()), tostring(c:getExpiryTime()), tostring(c:getFlags()),
      tostring(c:getDelta()), tostring(c:getNoReply()), tostring(c:getDataSize()), tostring(c:getData()), tostring(c:hasMultipleKeys()), type(c:getMultipleKeys())}, '|'))
  end,
  setters = function(c, k)
    c:setExpiryTime(7); c:setFlags(8); c:setDelta(9); c:setNoReply(1); c:setData('hello'); c:setKey('newkey')
    out(c, k, table.concat({c:getExpiryTime(), c:getFlags(), c:getDelta(), c:getNoReply(), c:getDataSize(), c:getData(), c:getKey(), c:getKeySize()}, '|'))
  end,
  store = function(c, k, key, value, flags, exp)
    c:setFlags(tonumber(flags) or 0); c:setExpiryTime(tonumber(exp) or 0); c:setKey(key); c:setData(value)
    local m = getHashMap(); m:delete(key)
    local i = c:newCacheItem(); local r = m:put(i)
    out(c, k, tostring(r))
  end,
  wret = function(c, k) local a = c:writeString('X'); local b = c:writeString(''); out(c, k, tostring(a) .. ',' .. tostring(b)) end,
  misses = function(c, k) local m = getHashMap(); out(c, k, tostring(m:get('nokey')) .. ',' .. tostring(m:get('')) .. ',' .. select('#', m:delete('nokey')) .. ',' .. tostring(m:getPrefixMatchingKeys('zzz'))) end,
  lru = function(c, k, n) getHashMap():deleteLRU(tonumber(n)); out(c, k, 'done') end,
  globals = function(c, k)
    local r = {}
    for n, v in pairs(_G) do r[#r+1] = n .. ':' .. type(v) end
    table.sort(r); out(c, k, table.concat(r, ' '))
  end,
  methods = function(c, k, name)
    local r = {}
    for n, v in pairs(_G[name]) do r[#r+1] = n .. ':' .. type(v) end
    table.sort(r); out(c, k, table.concat(r, ' '))
  end,
  num = function(c, k, a) out(c, k, tonumber(a)) end,
  big = function(c, k, n) writeStringAsValue(c, k, string.rep('x', tonumber(n))) end,
  boom = function() error('boom') end,
  retval = function(c, k, x) return tonumber(x) end,
  remote = function(c, k, port, key)
    local r = c:getFromServer('127.0.0.1:' .. port, colon(key))
    out(c, k, type(r) .. '=' .. tostring(r))
  end,
  par = function(c, k, p1, p2, ...)
    local keys = {}
    for i = 1, select('#', ...) do keys[i] = colon((select(i, ...))) end
    local r = c:getInParallel({['127.0.0.1:' .. p1] = keys, ['127.0.0.1:' .. p2] = keys})
    out(c, k, dump(r))
  end,
  parone = function(c, k, p1, key)
    local r = c:getInParallel({['127.0.0.1:' .. p1] = colon(key)})
    out(c, k, dump(r))
  end,
  parmany = function(c, k, p1, n)
    local keys = {}
    for i = 1, tonumber(n) do keys[i] = 'pk' .. i end
    local r = c:getInParallel({['127.0.0.1:' .. p1] = keys})
    local got, miss = 0, 0
    local inner = r and r['127.0.0.1:' .. p1] or {}
    for i = 1, tonumber(n) do if inner['pk' .. i] == 'pv' .. i then got = got + 1 else miss = miss + 1 end end
    out(c, k, got .. ' ok ' .. miss .. ' missing')
  end,
}
return api

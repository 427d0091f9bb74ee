-- What is simpler said in Lua: refusals, `require`, and the module `object`.
-- Runs once, before every script. `natives` is the table of object.rs, `registry` holds the
-- tables of declared types, `pending` loads a script of the directory by name.
local natives, registry, pending = ...

local function refuse(name)
  return function() error(name .. " is not available in cacheismo", 2) end
end

local function refuse_all(library, names)
  local t = _G[library] or {}
  for name in names:gmatch("%S+") do t[name] = refuse(library .. "." .. name) end
  _G[library] = t
end

refuse_all("io", "close flush input lines open output popen read tmpfile type write")
refuse_all("os", "execute exit remove rename tmpname")
refuse_all("debug", "debug gethook sethook getfenv setfenv getlocal setlocal getmetatable "
  .. "setmetatable getregistry getupvalue setupvalue")
dofile, loadfile = refuse "dofile", refuse "loadfile"
string.dump = refuse "string.dump"
function os.getenv() return nil end
function os.setlocale(locale)
  if locale == nil or locale == "" or locale == "C" or locale == "POSIX" then return "C" end
  return nil
end

-- Modules: those here, and the scripts of the directory.
package = {
  loaded = { _G = _G, string = string, table = table, math = math, os = os, io = io,
    coroutine = coroutine, debug = debug },
  preload = {}, loaders = {}, path = "?.lua", cpath = "", config = "/\n;\n?\n!\n-",
  loadlib = refuse "package.loadlib",
  seeall = function(module)
    local meta = getmetatable(module) or {}
    meta.__index = _G
    setmetatable(module, meta)
  end,
}
package.loaded.package = package

local loading = {}
function require(name)
  name = tostring(name)
  local module = package.loaded[name]
  if module ~= nil then
    if module == loading then error("loop or previous error loading module '" .. name .. "'", 2) end
    return module
  end
  local loader = package.preload[name] or pending(name)
  if not loader then error("module '" .. name .. "' not found", 2) end
  package.loaded[name] = loading
  local result = loader(name)
  if result ~= nil then package.loaded[name] = result end
  if package.loaded[name] == loading then package.loaded[name] = true end
  return package.loaded[name]
end

function module(name, ...)
  local t = package.loaded[name]
  if type(t) ~= "table" then
    t = _G
    for part in name:gmatch("[^.]+") do
      local inner = rawget(t, part)
      if inner == nil then inner = {} rawset(t, part, inner) end
      if type(inner) ~= "table" then error("name conflict for module '" .. name .. "'", 2) end
      t = inner
    end
    package.loaded[name] = t
  end
  if t._NAME == nil then t._M, t._NAME, t._PACKAGE = t, name, name:match("^(.-)[^.]*$") end
  setfenv(2, t)
  for _, f in ipairs { ... } do f(t) end
end

-- New-style objects.
local object = natives
local methods = natives.methods
object.methods = nil

local AFTER, REVERSE, KEYS = 1, 2, 4

--- object:each{from=, after=, prefix=, reverse=, keys=}: iterates over fields in order.
function methods:each(options)
  options = options or {}
  local prefix = options.prefix
  local from = options.from or options.after or prefix or ""
  local flags = options.after and AFTER or 0
  if options.reverse then flags = flags + REVERSE end
  if options.keys then flags = flags + KEYS end
  if prefix and options.reverse and not (options.from or options.after) then
    -- The end of a prefix: no field that has it sorts after it and 32 bytes of 0xff.
    from = prefix .. ("\255"):rep(32)
  end
  local page, at, size = nil, 0, 8
  return function()
    if not page or at >= #page then
      page, at = self:page(from, flags, size), 0
      if #page == 0 then return nil end
      from, size = page[#page - 1], 512
      if flags % 2 == 0 then flags = flags + AFTER end
    end
    local field, value = page[at + 1], page[at + 2]
    at = at + 2
    if prefix and field:sub(1, #prefix) ~= prefix then return nil end
    return field, value
  end
end

--- object:number(field [, default]): the field as a number.
function methods:number(field, default)
  local value = self:get(field)
  if value == nil then return default end
  return tonumber(value)
end

--- object.type(name, functions [, options]): declares a new-style type.
-- options.readonly: names of functions that do not write; options.doc: a sentence, or a table
-- of sentences by function.
function object.type(name, functions, options)
  if type(name) ~= "string" or not name:find("^[a-z][a-z0-9_]*$") or #name > 32 then
    error("object.type: a name is 1 to 32 of a-z 0-9 _ and starts with a letter", 2)
  end
  if type(functions) ~= "table" then error("object.type: a table of functions is expected", 2) end
  if not pcall(rawset, registry.objects, name, functions) then
    error("object.type: a type is declared once, and while scripts are loaded", 2)
  end
  registry.options[name] = options or {}
  return functions
end

package.preload.object = function() return object end

-- What scripts share and cannot change: tables with their names, and the library's globals. The helpers are the scripts' to
-- replace: a directory brings its own with its config.lua.
local readonly = {
  [string] = "string", [table] = "table", [math] = "math", [os] = "os", [io] = "io", [debug] = "debug",
  [coroutine] = "coroutine", [getmetatable ""] = "the metatable of strings", [object] = "object", [methods] = "Object",
  [HashMap] = "HashMap", [CacheItem] = "CacheItem", [Command] = "Command", [Consistent] = "Consistent",
  [registry.objects] = "object.type", [registry.options] = "object.type",
}
local globals = {}
for name in pairs(_G) do globals[name] = true end
for name in ("executeNew executeReadOnly executeReadWrite split writeStringAsValue"):gmatch "%S+" do
  globals[name] = nil
end
return readonly, globals

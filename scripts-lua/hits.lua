-- Counts words on every server and finds the most frequent ones of all: map and reduce over
-- getInParallel. Each server answers for its own counts (map), the one asked merges (reduce).
--
--   get hits:add:site:home             on any server
--   get hits:local:site:3              the top of this server
--   get hits:top:site:3:a/11211:b/11211   the top of all: a colon would end the argument
hits = {}

local object = require "object"

-- Lines `count word`, the most frequent first, of a table of counts.
local function format(counts, limit)
  local words = {}
  for word in pairs(counts) do words[#words + 1] = word end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  local lines = {}
  for i = 1, math.min(#words, limit) do
    lines[i] = counts[words[i]] .. " " .. words[i] .. "\r\n"
  end
  return table.concat(lines)
end

local function limit(text) return tonumber(text) or 10 end

function hits.add(command, key, name, word)
  writeStringAsValue(command, key, object.open("hits", name):incr(word))
end

hits["local"] = function(command, key, name, count)
  local counts = {}
  for word, n in object.open("hits", name):each() do counts[word] = tonumber(n) end
  writeStringAsValue(command, key, format(counts, limit(count)))
end

function hits.top(command, key, name, count, ...)
  -- The most frequent word of all need not lead anywhere, so more are asked for.
  local question = ("hits:local:%s:%d"):format(name, limit(count) * 10)
  local requests = {}
  for _, server in ipairs { ... } do requests[server:gsub("/", ":")] = question end
  local counts = {}
  for _, answers in pairs(command:getInParallel(requests)) do
    for n, word in (answers[question] or ""):gmatch("(%S+) ([^\r\n]*)") do
      counts[word] = (counts[word] or 0) + tonumber(n)
    end
  end
  writeStringAsValue(command, key, format(counts, limit(count)))
end

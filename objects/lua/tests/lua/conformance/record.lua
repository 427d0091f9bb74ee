-- Runs every snippet of snippets.txt and prints what it printed: with lua5.1,
--   lua5.1 record.lua snippets.txt > expected.txt
-- and, by the tests, inside the module, one snippet a call.

function runSnippet(code)
  local out = {}
  local function show(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    out[#out + 1] = table.concat(parts, "\t")
  end
  local chunk, message = loadstring(code, "=snippet")
  if not chunk then return "syntax: " .. message end
  setfenv(chunk, setmetatable({ print = show }, { __index = _G }))
  local ok, err = pcall(chunk)
  if not ok then out[#out + 1] = "error: " .. tostring(err) end
  return table.concat(out, "\n")
end

if arg and arg[1] then
  for line in io.lines(arg[1]) do
    if line ~= "" and line:sub(1, 1) ~= "#" then io.write(runSnippet(line), "\n--\n") end
  end
end

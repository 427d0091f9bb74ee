-- So much per hour, day or month of local time, stored as the item `quota$key`.
quota = {}

-- The first second of the next period, and one more.
local function nextPeriod(kind)
  local t = os.date("*t")
  t.min, t.sec, t.isdst = 0, 1, nil
  if kind == "hour" then
    t.hour = t.hour + 1
  elseif kind == "day" then
    t.day, t.hour = t.day + 1, 0
  elseif kind == "month" then
    t.month, t.day, t.hour = t.month + 1, 1, 0
  else
    return nil
  end
  return os.time(t)
end

function quota.new(command, key, object, limit, kind)
  executeNew(command, key, "quota", object, function()
    local expiresAt = nextPeriod(kind)
    if expiresAt == nil or tonumber(limit) == nil then return nil end
    return { limit = tonumber(limit), type = kind, expiresAt = expiresAt, value = 0 }
  end)
end

function quota.addandcheck(command, key, object, amount)
  executeReadWrite(command, key, "quota", object, function(q)
    local n = amount == nil and 1 or tonumber(amount)
    if n == nil then error("the amount must be a number", 0) end
    if os.time() > q.expiresAt then
      q.value, q.expiresAt = 0, nextPeriod(q.type)
    end
    if q.value + n > q.limit then return "QUOTA_EXCEEDED" end
    q.value = q.value + n
    return "QUOTA_OK"
  end)
end

function quota.reset(command, key, object)
  executeReadWrite(command, key, "quota", object, function(q)
    q.value, q.expiresAt = 0, nextPeriod(q.type)
    return "QUOTA_OK"
  end)
end

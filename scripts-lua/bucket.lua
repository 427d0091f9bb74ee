-- A token bucket: `capacity` tokens, `rate` more each second, a request takes some. New style:
-- the state is four small fields, and an idle bucket leaves by itself.
local object = require "object"

local function number(text, what)
  local n = tonumber(text)
  if n == nil or n ~= n or n < 0 then error(what .. " must be a number that is not negative", 0) end
  return n
end

-- Tokens there are now.
local function tokens(self, now)
  local grown = (now - self:number("at")) * self:number("rate")
  return math.min(self:number("capacity"), self:number("tokens") + math.max(grown, 0))
end

local function put(self, field, n)
  self:put(field, ("%.17g"):format(n))
end

local bucket = {}

--- get bucket:new:<key>:<capacity>:<tokens per second>
function bucket.new(self, capacity, rate)
  self:clear()
  put(self, "capacity", number(capacity, "the capacity"))
  put(self, "rate", number(rate, "the rate"))
  put(self, "tokens", number(capacity, "the capacity"))
  put(self, "at", object.now())
  return "CREATED"
end

--- get bucket:take:<key>[:<tokens>] answers OK, or LIMITED and takes none.
function bucket.take(self, count)
  if not self:get("rate") then return "ERROR_CACHE_MISS" end
  local wanted, now = number(count or 1, "the number of tokens"), object.now()
  local there = tokens(self, now)
  if there < wanted then return "LIMITED" end
  put(self, "tokens", there - wanted)
  put(self, "at", now)
  return "OK"
end

--- get bucket:left:<key>
function bucket.left(self)
  if not self:get("rate") then return "ERROR_CACHE_MISS" end
  return math.floor(tokens(self, object.now()))
end

object.type("bucket", bucket, { readonly = { "left" } })

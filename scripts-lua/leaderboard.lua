-- Players by score, the highest first. New style: every player is two fields of the object,
-- found and changed without reading the others.
--
--   p<player>          score
--   s<score><player>   nothing; sorts by score, because the score is written sortably
local object = require "object"

local function rank_field(score, player)
  return "s" .. object.sortable(score) .. player
end

-- The player and score that a field of the second kind says.
local function read(field)
  return field:sub(10), object.unsortable(field:sub(2, 9))
end

local function set(self, player, score)
  local old = self:number("p" .. player)
  if old then self:delete(rank_field(old, player)) end
  self:put("p" .. player, ("%.17g"):format(score))
  self:put(rank_field(score, player), "")
end

local function number(text, what)
  return tonumber(text) or error(what .. " must be a number", 0)
end

local board = {}

--- get leaderboard:put:<board>:<player>:<score>
function board.put(self, player, score)
  set(self, player, number(score, "the score"))
  return "SUCCESS"
end

--- get leaderboard:add:<board>:<player>:<points> answers the new score.
function board.add(self, player, points)
  local score = self:number("p" .. player, 0) + number(points or 1, "points")
  set(self, player, score)
  return score
end

--- get leaderboard:score:<board>:<player>
function board.score(self, player)
  return self:get("p" .. player) or "NOT_FOUND"
end

--- get leaderboard:delete:<board>:<player>
function board.delete(self, player)
  local score = self:number("p" .. player)
  if not score then return "NOT_FOUND" end
  self:delete(rank_field(score, player))
  self:delete("p" .. player)
  return "SUCCESS"
end

--- get leaderboard:top:<board>[:<count>] answers a line for each: player : score
function board.top(self, count)
  count = count and number(count, "the count") or 10
  local lines = {}
  for field in self:each { prefix = "s", reverse = true, keys = true } do
    if #lines >= count then break end
    local player, score = read(field)
    lines[#lines + 1] = player .. " : " .. score .. "\r\n"
  end
  return table.concat(lines)
end

--- get leaderboard:rank:<board>:<player> counts from 1.
function board.rank(self, player)
  local score = self:number("p" .. player)
  if not score then return "NOT_FOUND" end
  local own, rank = rank_field(score, player), 1
  for field in self:each { prefix = "s", reverse = true, keys = true } do
    if field == own then return rank end
    rank = rank + 1
  end
end

--- get leaderboard:count:<board>
function board.count(self)
  return self:count() / 2
end

object.type("leaderboard", board, { readonly = { "score", "top", "rank", "count" } })

-- The smallest new-style script that writes: one field, one increment.
require("object").type("visits", {
  add = function(self, page) return self:incr(page) end,
})

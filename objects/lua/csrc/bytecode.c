/* Byte code is neither read nor made: Lua trusts it, and it reaches any memory of the instance. Stands in for lundump.c and
 * ldump.c. */
#include "shim.h"

#include "lua.h"
#include "ldo.h"
#include "lobject.h"
#include "lundump.h"

Proto *luaU_undump(lua_State *L, ZIO *Z, Mbuffer *buffer, const char *name) {
  name = *name == '@' || *name == '=' ? name + 1 : "binary string";
  luaO_pushfstring(L, "%s:0: byte code is not accepted", name);
  luaD_throw(L, LUA_ERRSYNTAX);
  return 0;
}

int luaU_dump(lua_State *L, const Proto *f, lua_Writer writer, void *data, int strip) { return 1; }

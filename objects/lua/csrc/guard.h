/* Included behind shim.h in those files of Lua through which scripts change tables, metatables and environments:
 * each such change asks guard.c first, when what it changes is guarded. Lua's own sources stay as they are: the macros
 * stand in for the functions that they call. */
#ifndef CACHEISMO_LUA_GUARD_H
#define CACHEISMO_LUA_GUARD_H

#include "lua.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"

/* A bit of `marked` in a table's or function's header. Lua's collector has a meaning for bits 0 to 6 and keeps this one. */
#define GUARDED 0x80

/* `t[key] = value` is about to be done: returns when it may be. */
void cacheismo_guard_set(lua_State *L, Table *t, const TValue *key, const TValue *value);

static inline TValue *guarded_set(lua_State *L, Table *t, const TValue *key, const TValue *value) {
  if (t->marked & GUARDED) cacheismo_guard_set(L, t, key, value);
  return luaH_set(L, t, key);
}

static inline TValue *guarded_setnum(lua_State *L, Table *t, int n, const TValue *value) {
  if (t->marked & GUARDED) {
    TValue key;
    setnvalue(&key, cast_num(n));
    cacheismo_guard_set(L, t, &key, value);
  }
  return luaH_setnum(L, t, n);
}

int cacheismo_setmetatable(lua_State *L, int index);
int cacheismo_setfenv(lua_State *L, int index);
int cacheismo_gc(lua_State *L, int what, int data);

/* The value that is set has another name in each file. */
#if defined(CACHEISMO_GUARD_LVM)
#define luaH_set(L, t, key) guarded_set(L, t, key, val)
#elif defined(CACHEISMO_GUARD_LAPI)
#define luaH_set(L, t, key) guarded_set(L, t, key, L->top - 1)
#define luaH_setnum(L, t, n) guarded_setnum(L, t, n, L->top - 1)
#elif defined(CACHEISMO_GUARD_LBASELIB)
#define lua_setmetatable cacheismo_setmetatable
#define lua_setfenv cacheismo_setfenv
#define lua_gc cacheismo_gc
#endif

#endif

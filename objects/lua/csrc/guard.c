/* Keeps scripts apart that share a state.
 *
 * Tables of the library are read-only: while scripts are loaded, they may get new names, but what is there is not replaced.
 * The same holds for globals of the library.
 *
 * Everything else that scripts share, the table of globals and the tables that can be reached from it, is as loading left
 * it when a call begins. What a call changes there it sees itself; when it ends, all is put back. The old value of a
 * field is noted at the first change in a call:
 *
 *   changes: table -> { key -> old value, or ABSENT; METATABLE -> old metatable, or ABSENT }
 *   environments: function or coroutine -> old environment
 */
#include "shim.h"
#include "guard.h"

#include "lauxlib.h"
#include "ldebug.h"
#include "lgc.h"

/* Slots of the registry that keep the four tables; api/mod.rs has the others. */
enum { SLOT_NAMES = 121, SLOT_GLOBALS, SLOT_CHANGES, SLOT_ENVIRONMENTS };

static enum { OPEN, LOADING, CALLING } phase = OPEN;
/* Read-only tables, and their names. */
static Table *names;
/* Names of the library's globals. */
static Table *library;
/* Table of globals. */
static Table *globals;
/* What the running call changed; see the top. */
static Table *changes, *environments;
static int changed;
/* Some of what is noted, for loops that assign to a global: the place is found by the address of the name. */
enum { RECENT = 8 };
static struct { Table *t; TString *key; } recent[RECENT];
/* The collector's parameters after loading, and whether the running call changed them. */
static int pause, step_multiplier, collector_changed;

static char absent_address, metatable_address;
#define ABSENT ((void *)&absent_address)
#define METATABLE ((void *)&metatable_address)

static Table *table_at(lua_State *L, int index) { return (Table *)lua_topointer(L, index); }

static const TValue *get(Table *t, const void *object, int type) {
  TValue key;
  key.value.gc = (GCObject *)object;
  key.tt = type;
  return luaH_get(t, &key);
}

static void refuse(lua_State *L, const char *table, const TValue *key) {
  const char *field = key && ttisstring(key) ? svalue(key) : "";
  const char *dot = *table && *field ? "." : "";
  int by_lua = isLua(L->ci);
  const char *format = "attempt to change '%s%s%s', which is read-only";
  if (by_lua) luaG_runerror(L, format, table, dot, field);
  luaL_error(L, format, table, dot, field);
}

/* The note of what the call changed in `t`. */
static Table *note_of(lua_State *L, Table *t) {
  const TValue *found = get(changes, t, LUA_TTABLE);
  if (ttistable(found)) return hvalue(found);
  TValue key;
  sethvalue(L, &key, t);
  Table *note = luaH_new(L, 0, 1);
  TValue *slot = luaH_set(L, changes, &key);
  sethvalue(L, slot, note);
  luaC_barriert(L, changes, slot);
  changed = 1;
  return note;
}

/* Notes an old value, unless one is noted. Nothing in here collects garbage or moves the stack: the callers are in the
 * middle of an instruction. */
static void note(lua_State *L, Table *t, const TValue *key, const TValue *old) {
  Table *notes = note_of(L, t);
  if (!ttisnil(luaH_get(notes, key))) return;
  TValue *slot = luaH_set(L, notes, key);
  if (ttisnil(old)) {
    setpvalue(slot, ABSENT);
  } else {
    setobj2t(L, slot, old);
    luaC_barriert(L, notes, old);
  }
}

void cacheismo_guard_set(lua_State *L, Table *t, const TValue *key, const TValue *value) {
  if (phase == OPEN) return;
  TString *string = ttisstring(key) ? rawtsvalue(key) : NULL;
  int place = (size_t)string / sizeof(TString) % RECENT;
  if (string && recent[place].key == string && recent[place].t == t) return;
  const TValue *old = luaH_get(t, key);
  if (luaO_rawequalObj(old, value)) return;
  const TValue *name = get(names, t, LUA_TTABLE);
  if (ttisstring(name)) {
    int metamethod = ttisstring(key) && svalue(key)[0] == '_' && svalue(key)[1] == '_';
    if (phase == LOADING && ttisnil(old) && !metamethod) return;
    refuse(L, svalue(name), key);
  }
  if (phase == CALLING) {
    note(L, t, key, old);
    recent[place].t = t;
    recent[place].key = string;
  } else if (t == globals && !ttisnil(luaH_get(library, key))) {
    refuse(L, "", key);
  }
}

/* setmetatable */
int cacheismo_setmetatable(lua_State *L, int index) {
  if (phase != OPEN && lua_istable(L, index)) {
    Table *t = table_at(L, index);
    if (t->marked & GUARDED) {
      const TValue *name = get(names, t, LUA_TTABLE);
      if (ttisstring(name)) refuse(L, svalue(name), NULL);
      if (phase == CALLING) {
        TValue key, old;
        setpvalue(&key, METATABLE);
        setnilvalue(&old);
        if (t->metatable) sethvalue(L, &old, t->metatable);
        note(L, t, &key, &old);
      }
    }
  }
  return lua_setmetatable(L, index);
}

/* setfenv. A guarded function is one of the library's; the environment of a coroutine is the table of globals. */
int cacheismo_setfenv(lua_State *L, int index) {
  const GCObject *object = lua_topointer(L, index);
  if (phase != OPEN && object && (lua_isfunction(L, index) || lua_isthread(L, index))) {
    if (object->gch.marked & GUARDED) return 0;
    if (phase == LOADING && lua_isthread(L, index)) luaL_error(L, "the table of globals cannot be replaced");
    if (phase == CALLING && ttisnil(get(environments, object, lua_type(L, index)))) {
      lua_pushvalue(L, index);
      lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENTS);
      lua_insert(L, -2);
      lua_getfenv(L, -1);
      lua_rawset(L, -3);
      lua_pop(L, 1);
      changed = 1;
    }
  }
  return lua_setfenv(L, index);
}

/* collectgarbage */
int cacheismo_gc(lua_State *L, int what, int data) {
  if (what == LUA_GCSTOP || what == LUA_GCSETPAUSE || what == LUA_GCSETSTEPMUL) collector_changed = 1;
  return lua_gc(L, what, data);
}

/* Guards the functions written in Lua among the values of the table on top. */
static void guard_functions(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1))
      ((GCObject *)lua_topointer(L, -1))->gch.marked |= GUARDED;
}

/* A new table, kept in a slot of the registry. */
static Table *kept_table(lua_State *L, int slot) {
  lua_newtable(L);
  Table *t = table_at(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, slot);
  return t;
}

/* Scripts come from now on. Takes two tables off the stack: read-only tables with their names, and a set of the names of
 * the library's globals. */
void cacheismo_guard_load(lua_State *L) {
  globals = table_at(L, LUA_GLOBALSINDEX);
  globals->marked |= GUARDED;
  library = table_at(L, -1);
  names = table_at(L, -2);
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  guard_functions(L);
  lua_pop(L, 1);
  lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_GLOBALS);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    table_at(L, -2)->marked |= GUARDED;
    lua_pushvalue(L, -2);
    guard_functions(L);
    lua_pop(L, 1);
  }
  lua_rawseti(L, LUA_REGISTRYINDEX, SLOT_NAMES);
  changes = kept_table(L, SLOT_CHANGES);
  environments = kept_table(L, SLOT_ENVIRONMENTS);
  phase = LOADING;
}

/* Puts the value on top, if it is a table met for the first time, among those to be walked through: `seen` is a set and
 * `todo` an array of `count`. Takes it off. */
static int walk_later(lua_State *L, int seen, int todo, int count) {
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    return count;
  }
  lua_pushvalue(L, -1);
  lua_rawget(L, seen);
  int met = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (met) {
    lua_pop(L, 1);
    return count;
  }
  table_at(L, -1)->marked |= GUARDED;
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, seen);
  lua_rawseti(L, todo, count + 1);
  return count + 1;
}

/* Scripts are loaded: from now on calls come. Guards all tables that can be reached from the table of globals. */
void cacheismo_guard_calls(lua_State *L) {
  phase = OPEN;
  lua_newtable(L);
  lua_newtable(L);
  int todo = lua_gettop(L), seen = todo - 1, count = 0;
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  count = walk_later(L, seen, todo, count);
  while (count > 0) {
    lua_rawgeti(L, todo, count--);
    int t = lua_gettop(L);
    if (lua_getmetatable(L, t)) count = walk_later(L, seen, todo, count);
    for (lua_pushnil(L); lua_next(L, t);) {
      count = walk_later(L, seen, todo, count);
      lua_pushvalue(L, -1);
      count = walk_later(L, seen, todo, count);
    }
    lua_settop(L, t - 1);
  }
  lua_pop(L, 2);
  pause = G(L)->gcpause;
  step_multiplier = G(L)->gcstepmul;
  collector_changed = 0;
  phase = CALLING;
}

/* Puts back what a call changed in the table below the notes on top, which are taken off. */
static void put_back(lua_State *L) {
  int t = lua_gettop(L) - 1;
  for (lua_pushnil(L); lua_next(L, t + 1);) {
    if (lua_touserdata(L, -1) == ABSENT) {
      lua_pop(L, 1);
      lua_pushnil(L);
    }
    if (lua_touserdata(L, -2) == METATABLE) {
      lua_setmetatable(L, t);
    } else {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, t);
    }
  }
  lua_pop(L, 1);
}

/* Removes the note whose key is on top from the table below, without an allocation. */
static void forget(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_pushnil(L);
  lua_rawset(L, -4);
}

/* A call has ended: puts back what it changed of what others see. No code of a script runs in here. */
void cacheismo_guard_end(lua_State *L) {
  if (collector_changed) {
    lua_gc(L, LUA_GCRESTART, 0);
    lua_gc(L, LUA_GCSETPAUSE, pause);
    lua_gc(L, LUA_GCSETSTEPMUL, step_multiplier);
    collector_changed = 0;
  }
  if (!changed) return;
  phase = OPEN;
  lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_CHANGES);
  for (lua_pushnil(L); lua_next(L, -2); forget(L)) put_back(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, SLOT_ENVIRONMENTS);
  for (lua_pushnil(L); lua_next(L, -2); forget(L)) lua_setfenv(L, -2);
  lua_pop(L, 2);
  memset(recent, 0, sizeof recent);
  phase = CALLING;
  changed = 0;
}

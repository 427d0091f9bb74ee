/* What Lua 5.1.5 needs beside libc: see shim.h for the why of each. */
#include "shim.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lua.h"
#include "lauxlib.h"

/* The host's `pcall` comes back in here. */
__attribute__((export_name("invoke")))
void cacheismo_invoke(void (*f)(lua_State *, void *), lua_State *L, void *ud) { f(L, ud); }

/* As "%.14g". A NaN always reads "-nan", what x86-64 prints for 0/0: its sign is the
 * hardware's choice, and answers must not depend on it. */
int cacheismo_number2str(char *out, double n) {
  if (n > -1e9 && n < 1e9) {
    int i = (int)n;
    if ((double)i == n && (i != 0 || !signbit(n))) {
      char digits[12];
      unsigned u = i < 0 ? 0u - (unsigned)i : (unsigned)i;
      int at = 12;
      do digits[--at] = (char)('0' + u % 10); while (u /= 10);
      if (i < 0) digits[--at] = '-';
      memcpy(out, digits + at, (size_t)(12 - at));
      out[12 - at] = 0;
      return 12 - at;
    }
  }
  if (n != n) {
    memcpy(out, "-nan", 5);
    return 4;
  }
  return snprintf(out, 32, "%.14g", n);
}

/* As strtod: up to fifteen plain digits are exact in a double, the rest is libc's. */
double cacheismo_str2number(const char *s, char **end) {
  const char *p = s;
  int64_t n = 0;
  while (*p >= '0' && *p <= '9' && p - s < 15) n = n * 10 + (*p++ - '0');
  if (p > s && *p != '.' && !isalnum((unsigned char)*p)) {
    *end = (char *)p;
    return (double)n;
  }
  return strtod(s, end);
}

/* glibc's additive feedback generator, TYPE_3. */
static uint32_t random_state[34];
static int random_front = -1, random_rear;

void cacheismo_srand(unsigned seed) {
  int32_t word = (int32_t)(seed ? seed : 1);
  for (int i = 0; i < 31; i++) {
    random_state[i] = (uint32_t)word;
    int32_t hi = word / 127773, lo = word % 127773;
    word = 16807 * lo - 2836 * hi;
    if (word < 0) word += 2147483647;
  }
  random_front = 3;
  random_rear = 0;
  for (int i = 0; i < 310; i++) cacheismo_rand();
}

uint32_t cacheismo_seed(void);

int cacheismo_rand(void) {
  if (random_front < 0) cacheismo_srand(cacheismo_seed());
  uint32_t sum = random_state[random_front] += random_state[random_rear];
  if (++random_front == 31) random_front = 0;
  if (++random_rear == 31) random_rear = 0;
  return (int)(sum >> 1);
}

/* tonumber: as in lbaselib.c, with `unsigned long` 64 bits wide. */
int cacheismo_tonumber(lua_State *L) {
  int base = luaL_optint(L, 2, 10);
  if (base == 10) {
    luaL_checkany(L, 1);
    if (lua_isnumber(L, 1)) {
      lua_pushnumber(L, lua_tonumber(L, 1));
      return 1;
    }
  } else {
    const char *text = luaL_checkstring(L, 1);
    char *end;
    luaL_argcheck(L, 2 <= base && base <= 36, 2, "base out of range");
    unsigned long long n = strtoull(text, &end, base);
    if (end != text) {
      while (isspace((unsigned char)*end)) end++;
      if (*end == '\0') {
        lua_pushnumber(L, (lua_Number)n);
        return 1;
      }
    }
  }
  lua_pushnil(L);
  return 1;
}

/* libc's memcmp goes byte by byte; comparing strings of a table is most of what Lua asks. */
int memcmp(const void *left, const void *right, size_t len) {
  const unsigned char *l = left, *r = right;
  for (; len >= 8; len -= 8, l += 8, r += 8) {
    uint64_t a, b;
    memcpy(&a, l, 8);
    memcpy(&b, r, 8);
    if (a != b) {
      a = __builtin_bswap64(a);
      b = __builtin_bswap64(b);
      return a < b ? -1 : 1;
    }
  }
  for (; len; len--, l++, r++)
    if (*l != *r) return *l - *r;
  return 0;
}

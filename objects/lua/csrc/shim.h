/* Included before everything else in each file of Lua 5.1.5, which is compiled unchanged.
 *
 * It makes wasm32 behave as the 64-bit machines scripts were written on, and takes away what
 * a sandbox does not have: files, standard streams, longjmp.
 */
#ifndef CACHEISMO_LUA_SHIM_H
#define CACHEISMO_LUA_SHIM_H

#define LUA_CORE
#include "luaconf.h"
#undef LUA_CORE

#include <limits.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>

/* Errors: two imports of the host instead of longjmp. `pcall` calls the export `invoke` and
 * returns when that returns or when `throw` is called inside it. */
struct lua_State;
__attribute__((import_module("cacheismo_lua_1"), import_name("pcall")))
int cacheismo_pcall(void (*f)(struct lua_State *, void *), struct lua_State *L, void *ud);
__attribute__((import_module("cacheismo_lua_1"), import_name("throw"), noreturn))
void cacheismo_throw(void);

#undef LUAI_TRY
#undef LUAI_THROW
#undef luai_jmpbuf
#define luai_jmpbuf int
#define LUAI_TRY(L, c, a) (void)cacheismo_pcall(f, L, ud);
#define LUAI_THROW(L, c) cacheismo_throw()

/* Integers: 64 bits wide, and out of range they become what x86-64 makes of them. */
#undef LUA_INTEGER
#define LUA_INTEGER long long
static inline long long cacheismo_integer(double d) {
  return d >= -9223372036854775808.0 && d < 9223372036854775808.0 ? (long long)d : LLONG_MIN;
}
static inline int cacheismo_int(double d) {
  return d > -2147483649.0 && d < 2147483648.0 ? (int)d : INT_MIN;
}
#undef lua_number2int
#undef lua_number2integer
#define lua_number2int(i, d) ((i) = cacheismo_int(d))
#define lua_number2integer(i, d) ((i) = cacheismo_integer(d))

/* string.format: %d and its kin take 64 bits; %x of a negative number wraps around. */
#undef LUA_INTFRMLEN
#undef LUA_INTFRM_T
#define LUA_INTFRMLEN "ll"
#define LUA_INTFRM_T long long)(long long

/* Numbers to text and back: most are small integers, for which libc is far too thorough. */
int cacheismo_number2str(char *out, double n);
double cacheismo_str2number(const char *s, char **end);
#undef lua_number2str
#undef lua_str2number
#define lua_number2str(s, n) cacheismo_number2str((s), (n))
#define lua_str2number(s, p) cacheismo_str2number((s), (p))

/* math.random: the sequence of glibc, so that a seeded script draws what it always drew. */
int cacheismo_rand(void);
void cacheismo_srand(unsigned seed);
#undef RAND_MAX
#define RAND_MAX 2147483647
#define rand cacheismo_rand
#define srand cacheismo_srand

/* Only luaD_throw without a handler and the panic function come here. */
#define exit(code) __builtin_trap()

/* No files and no streams. `loadfile` and `print` are replaced; the rest reads an empty world. */
#undef stdin
#undef stdout
#undef stderr
#define stdin ((FILE *)0)
#define stdout ((FILE *)0)
#define stderr ((FILE *)0)
#undef getc
#undef ungetc
#define fopen(name, mode) ((FILE *)0)
#define freopen(name, mode, f) ((FILE *)0)
#define fclose(f) 0
#define fread(p, size, n, f) 0
#define fgets(p, n, f) ((char *)0)
#define fputs(s, f) 0
#define fflush(f) 0
#define ferror(f) 0
#define feof(f) 1
#define getc(f) EOF
#define ungetc(c, f) EOF
#define fprintf(...) 0
#define strerror(e) "files are not available"

/* lstrlib.c keeps positions in ptrdiff_t, which has to hold what luaL_checkinteger returns. */
#ifdef CACHEISMO_WIDE_POSITIONS
#define ptrdiff_t long long
#endif

#endif

/* wasi-libc has none, and ldo.c needs none: see LUAI_TRY in shim.h. */

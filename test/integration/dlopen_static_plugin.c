/* The same plugin with weir's archive inside: a copy of weir that is its own, and goes with it. */
#include "dlopen_plugin.c"

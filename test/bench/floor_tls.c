/* bench: the floor's shared library: one thread-local pointer, reached as a library's own must be (initial-exec). */
#include "floor_tls.h"

__thread uint64_t *bench_floor_tls __attribute__((tls_model("initial-exec"), visibility("default")));

/* bench: a thread's cells, and nothing else. Writer and reader: the thread. */
#ifndef BENCH_FLOOR_TLS_H
#define BENCH_FLOOR_TLS_H

#include <stdint.h>

extern __thread uint64_t *bench_floor_tls __attribute__((tls_model("initial-exec")));

#endif

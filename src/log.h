/* L0: words to the host: one callback, or standard error. Invariant: nothing is written from a record or under a lock; what
 * happens there is left for the next tick. Each message at most once a minute. */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <weir/abi/private.h>

void weir__log_set(weir_log_fn *log, void *arg, enum weir_log_level level);
/* Async-signal-safe, lock-free: kept, up to 32, for weir__log_flush. */
void weir__log_later(const char *text);
void weir__log_later_about(const char *what, const char *name);
void weir__log_flush(void);

#endif

/* orders: how a process of its learns that it shall end. */
#ifndef ORDERS_SIGNALS_H
#define ORDERS_SIGNALS_H

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SIGTERM and SIGINT, blocked from here on in all threads. Before there are other threads. */
sigset_t signals_take(void);
/* Says that it listens, and where, and returns when one of them comes. */
void signals_await(const sigset_t *set, const char *where);

#ifdef __cplusplus
}
#endif
#endif

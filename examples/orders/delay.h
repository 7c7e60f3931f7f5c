/* orders: requests whose answer is to leave later: their connections sleep, and no thread with them.
 *
 * A thread that slept in a handler would hold up all other connections it serves, and the histogram, which measures inside,
 * would not show it. */
#ifndef ORDERS_DELAY_H
#define ORDERS_DELAY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct MHD_Connection;
struct delay;

/* Its one thread starts here; NULL: it could not. */
struct delay *delay_new(void);
/* The connection, which is suspended now, is resumed after delay_ns; at once where memory or the thread is gone. */
void delay_add(struct delay *delay, struct MHD_Connection *connection, uint64_t delay_ns);
/* Resumes all that sleep, and ends the thread; what is added later is resumed at once. */
void delay_stop(struct delay *delay);
void delay_destroy(struct delay *delay);

#ifdef __cplusplus
}
#endif

#endif

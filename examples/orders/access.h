/* orders: the access log: a line of JSON a request, appended to a file, each by one write. */
#ifndef ORDERS_ACCESS_H
#define ORDERS_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ACCESS_IDS = 80 };

struct access_entry { /* texts of our own making: none of them needs escaping */
	const char *service, *method, *route;
	uint64_t order_id; /* 0: none */
	int status;
	unsigned calls; /* to the store; 0: not told */
	uint64_t took_ns;
	char ids[ACCESS_IDS]; /* "trace_id=... span_id=...", or empty */
};

/* False: the file cannot be written; it has said why. */
bool access_open(const char *path);
bool access_is_open(void);
void access_line(const struct access_entry *entry);
void access_close(void);
uint64_t access_now_ns(void); /* monotonic */

#ifdef __cplusplus
}
#endif

#endif

/* orders: an order, and how it is read from JSON. */
#ifndef ORDERS_ORDER_H
#define ORDERS_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct order {
	uint64_t id;
	uint32_t quantity; /* 1 to 1,000,000 */
	char item[64];     /* printable ASCII without " and \, so that it needs no escaping */
};

/* {"item": "tea", "quantity": 3}: these two, in any order, once, and nothing else. The text needs no NUL. */
bool order_parse(struct order *order, const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif

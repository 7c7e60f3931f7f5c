/* orders: what its routes do. Each returns 0 with an answer in the exchange, or a negative error without. */
#ifndef ORDERS_HANDLERS_H
#define ORDERS_HANDLERS_H

#include "exchange.h"

int handle_order(struct exchange *x);  /* GET /api/v1/orders/{id} */
int handle_orders(struct exchange *x); /* POST /api/v1/orders */
int handle_health(struct exchange *x); /* GET /healthz */

#endif

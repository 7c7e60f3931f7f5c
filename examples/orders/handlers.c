/* orders: what its routes do. See handlers.h. No data of its own. */
#include "handlers.h"

#include "links.h"
#include "order.h"
#include "store.h"

static void answer_order(struct exchange *x, int status, const struct order *order)
{
	answer(x, status, "{\"id\":%llu,\"item\":\"%s\",\"quantity\":%u,\"state\":\"accepted\"}\n",
	       (unsigned long long)order->id, order->item, order->quantity);
}

int handle_order(struct exchange *x)
{
	struct order order;
	int result = store_get(x->store, x->order_id, &order, &x->delay_ns);

	if (result < 0)
		return result;
	if (result == STORE_NONE)
		x->status = 404;
	else
		answer_order(x, 200, &order);
	return 0;
}

int handle_orders(struct exchange *x)
{
	struct order order;
	int result;

	if (!order_parse(&order, x->body, x->received)) {
		x->status = 400;
		return 0;
	}
	result = store_put(x->store, &order, &x->delay_ns);
	if (result < 0)
		return result;
	if (result == STORE_NEW)
		telemetry_stored(1);
	x->order_id = order.id;
	answer_order(x, 201, &order);
	return 0;
}

int handle_health(struct exchange *x)
{
	answer(x, 200, "{\"status\":\"ok\"}\n");
	return 0;
}

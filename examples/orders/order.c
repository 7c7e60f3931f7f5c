/* orders: an order out of JSON. See order.h. Pure. */
#include "order.h"

#include <string.h>

struct text {
	const char *at, *end;
};

static void skip_space(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\n' || *t->at == '\r'))
		t->at++;
}

static bool take(struct text *t, char c)
{
	skip_space(t);
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

static bool take_string(struct text *t, char *out, size_t size)
{
	size_t len = 0;

	if (!take(t, '"'))
		return false;
	for (; t->at < t->end && *t->at != '"'; t->at++) {
		if (*t->at < ' ' || *t->at > '~' || *t->at == '\\' || len + 1 == size)
			return false;
		out[len++] = *t->at;
	}
	out[len] = '\0';
	return len > 0 && take(t, '"');
}

static bool take_number(struct text *t, uint32_t *out)
{
	uint32_t n = 0;

	skip_space(t);
	if (t->at == t->end || *t->at < '1' || *t->at > '9')
		return false;
	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
		n = n * 10 + (uint32_t)(*t->at - '0');
		if (n > 1000000)
			return false;
	}
	*out = n;
	return true;
}

bool order_parse(struct order *order, const char *text, size_t len)
{
	struct text t = {text, text + len};
	bool item = false, quantity = false;
	char key[16];

	memset(order, 0, sizeof *order);
	if (!take(&t, '{'))
		return false;
	do {
		if (!take_string(&t, key, sizeof key) || !take(&t, ':'))
			return false;
		if (strcmp(key, "item") == 0 && !item)
			item = take_string(&t, order->item, sizeof order->item);
		else if (strcmp(key, "quantity") == 0 && !quantity)
			quantity = take_number(&t, &order->quantity);
		else
			return false;
	} while (item != quantity && take(&t, ','));
	if (!item || !quantity || !take(&t, '}'))
		return false;
	skip_space(&t);
	return t.at == t.end;
}

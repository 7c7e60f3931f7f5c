/* Fuzz: tracestate, from any bytes; each newline begins another header. The list stays valid and within its limits, what is
 * set is got back, nothing of others is reordered, and OpenTelemetry's member is rewritten without loss. */
#include "tracestate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_same(struct weir_str a, struct weir_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The text alone gives the same list: it is valid, and says how many members it has. */
static void check(const struct weir__tracestate *t)
{
	struct weir__tracestate again = {.len = 0};

	must(t->len <= WEIR__TRACESTATE_BYTES && t->members <= WEIR__TRACESTATE_MEMBERS);
	must((t->len == 0) == (t->members == 0));
	weir__tracestate_add(&again, weir__tracestate_text(t));
	must(again.flags == 0 && again.members == t->members);
	must(is_same(weir__tracestate_text(&again), weir__tracestate_text(t)));
}

static void check_ot(struct weir_str former)
{
	struct weir__ot ot, back;
	char out[WEIR__OT_MAX], twice[WEIR__OT_MAX];
	size_t len;

	weir__ot_read(former, &ot);
	ot.threshold &= UINT64_MAX >> 8;
	ot.has_threshold = true;
	len = weir__ot_write(out, former, &ot);
	must(len <= WEIR__OT_MAX);
	must(weir__ot_read(weir_str_n(out, len), &back));
	must(back.has_threshold && back.threshold == ot.threshold && back.has_random == ot.has_random);
	must(!ot.has_random || back.random == ot.random);
	must(weir__ot_write(twice, weir_str_n(out, len), &ot) == len && memcmp(out, twice, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir__tracestate t = {.len = 0}, before;
	struct weir_str key = {"weir", 4}, value, former;
	const uint8_t *end = data + size, *equals;

	check_ot(weir_str_n(data, size));
	for (const uint8_t *at = data; at != end;) {
		const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop != NULL ? stop : end;
		weir__tracestate_add(&t, weir_str_n(at, (size_t)(stop - at)));
		check(&t);
		at = stop != end ? stop + 1 : end;
	}
	equals = size != 0 ? memchr(data, '=', size) : NULL;
	if (equals != NULL)
		key = weir_str_n(data, (size_t)(equals - data));
	value = equals != NULL ? weir_str_n(equals + 1, (size_t)(end - equals) - 1) : weir_str_of("1");
	before = t;
	former = weir__tracestate_get(&before, key);
	if (weir__tracestate_set(&t, key, value) != WEIR_OK) {
		must(memcmp(&t, &before, sizeof t) == 0);
		return 0;
	}
	check(&t);
	must(is_same(weir__tracestate_get(&t, key), value));
	must(memcmp(t.text, key.ptr, key.len) == 0 && t.text[key.len] == '='); /* in front */
	must(weir__tracestate_remove(&t, key) == WEIR_OK);
	check(&t);
	must(weir__tracestate_get(&t, key).ptr == NULL);
	if (former.ptr == NULL && (t.flags & WEIR__TRACESTATE_CUT) == (before.flags & WEIR__TRACESTATE_CUT) &&
	    t.members == before.members)
		must(is_same(weir__tracestate_text(&t), weir__tracestate_text(&before)));
	return 0;
}

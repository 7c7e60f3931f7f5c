/* Span messages: their bytes equal protobuf-c's for random spans; defaults, limits, invalid text, an attribute of every type. */
#include "encode_attr.h"
#include "encode_span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <otlp.pb-c.h>

typedef Weir__Otlp__AnyValue Any;
typedef Weir__Otlp__KeyValue Pair;
typedef Weir__Otlp__Span Span;
typedef Weir__Otlp__Span__Event Event;
typedef Weir__Otlp__Span__Link Link;

enum { ROUNDS = 4000, ATTRS_MOST = 9, ELEMENTS_MOST = 5, EVENTS_MOST = 4 };

/* ---- random values; all of one round lie in one block, which the next round frees ----------------------------------- */

static uint64_t seed = 1;
static char *block;
static size_t block_used;
enum { BLOCK = 1 << 20 };

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static size_t below(size_t n)
{
	return (size_t)(rnd() % n);
}

static void *take(size_t size)
{
	void *at = block + block_used;

	block_used += (size + 15) & ~(size_t)15;
	assert_true(block_used <= BLOCK);
	memset(at, 0, size);
	return at;
}

/* UTF-8 without NUL, since protobuf-c's strings end there. */
static struct weir_str text(void)
{
	static const char *const pieces[] = {"a", "Z", "/", " ", "\n", "é", "ß", "€", "日", "😀"};
	size_t count = below(8) == 0 ? 100 + below(300) : below(20), len = 0;
	char *to = take(4 * count + 1);

	for (size_t i = 0; i < count; i++) {
		const char *piece = pieces[below(below(2) ? 5 : sizeof pieces / sizeof *pieces)];

		memcpy(to + len, piece, strlen(piece));
		len += strlen(piece);
	}
	return weir_str_n(to, len);
}

static uint64_t number(void)
{
	uint64_t v = rnd() >> below(64);

	return below(6) == 0 ? 0 : v;
}

static double real(void)
{
	double v = (double)rnd() / (double)(1 + below(1000));

	return below(5) == 0 ? 0 : below(2) ? v : -v;
}

/* ---- the same as weir has it and as protobuf-c has it --------------------------------------------------------------- */

static void any_scalar(Any *any, struct weir_attr *a, enum weir_attr_type type)
{
	*any = (Any)WEIR__OTLP__ANY_VALUE__INIT;
	a->type = type;
	switch (type) {
	case WEIR_ATTR_STR:
		a->as.str = text();
		any->value_case = WEIR__OTLP__ANY_VALUE__VALUE_STRING_VALUE;
		any->string_value = (char *)(uintptr_t)a->as.str.ptr;
		break;
	case WEIR_ATTR_BOOL:
		a->as.boolean = below(2);
		any->value_case = WEIR__OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
		any->bool_value = a->as.boolean;
		break;
	case WEIR_ATTR_INT:
		a->as.integer = (int64_t)number();
		if (below(2))
			a->as.integer = -(a->as.integer / 2);
		any->value_case = WEIR__OTLP__ANY_VALUE__VALUE_INT_VALUE;
		any->int_value = a->as.integer;
		break;
	case WEIR_ATTR_DOUBLE:
		a->as.real = real();
		any->value_case = WEIR__OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
		any->double_value = a->as.real;
		break;
	default: {
		size_t len = below(40);
		uint8_t *bytes = take(len + 1);

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rnd();
		a->type = WEIR_ATTR_BYTES;
		a->as.str = weir_str_n(bytes, len);
		any->value_case = WEIR__OTLP__ANY_VALUE__VALUE_BYTES_VALUE;
		any->bytes_value = (ProtobufCBinaryData){len, bytes};
	}
	}
}

static void any_list(Any *any, struct weir_attr *a, enum weir_attr_type type)
{
	static const enum weir_attr_type of[] = {WEIR_ATTR_STR, WEIR_ATTR_BOOL, WEIR_ATTR_INT, WEIR_ATTR_DOUBLE};
	size_t count = below(ELEMENTS_MOST + 1);
	Weir__Otlp__ArrayValue *array = take(sizeof *array);
	struct weir_str *strs = take(ELEMENTS_MOST * sizeof *strs);
	bool *bools = take(ELEMENTS_MOST * sizeof *bools);
	int64_t *ints = take(ELEMENTS_MOST * sizeof *ints);
	double *doubles = take(ELEMENTS_MOST * sizeof *doubles);
	const void *const lists[] = {strs, bools, ints, doubles};

	*any = (Any)WEIR__OTLP__ANY_VALUE__INIT;
	*array = (Weir__Otlp__ArrayValue)WEIR__OTLP__ARRAY_VALUE__INIT;
	array->n_values = count;
	array->values = take((count + 1) * sizeof *array->values);
	for (size_t i = 0; i < count; i++) {
		struct weir_attr one = {.type = 0};

		array->values[i] = take(sizeof(Any));
		any_scalar(array->values[i], &one, of[type - WEIR_ATTR_STRS]);
		switch (type) {
		case WEIR_ATTR_STRS:
			strs[i] = one.as.str;
			break;
		case WEIR_ATTR_BOOLS:
			bools[i] = one.as.boolean;
			break;
		case WEIR_ATTR_INTS:
			ints[i] = one.as.integer;
			break;
		default:
			doubles[i] = one.as.real;
			break;
		}
	}
	a->type = type;
	a->as.list = (struct weir_list){lists[type - WEIR_ATTR_STRS], count};
	any->value_case = WEIR__OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
	any->array_value = array;
}

static struct weir_attrs attrs(Pair ***pairs, size_t *n)
{
	size_t count = below(ATTRS_MOST + 1);
	struct weir_attr *list = take((count + 1) * sizeof *list);

	*n = count;
	*pairs = take((count + 1) * sizeof **pairs);
	for (size_t i = 0; i < count; i++) {
		enum weir_attr_type type = (enum weir_attr_type)(WEIR_ATTR_STR + below(WEIR_ATTR_DOUBLES));
		Pair *pair = (*pairs)[i] = take(sizeof *pair);

		*pair = (Pair)WEIR__OTLP__KEY_VALUE__INIT;
		list[i].key = text();
		pair->key = (char *)(uintptr_t)list[i].key.ptr;
		pair->value = take(sizeof(Any));
		if (type >= WEIR_ATTR_STRS)
			any_list(pair->value, &list[i], type);
		else
			any_scalar(pair->value, &list[i], type);
	}
	return (struct weir_attrs){list, count};
}

static void fill_ids(struct weir_ids *ids)
{
	for (size_t i = 0; i < sizeof ids->trace_id; i++)
		ids->trace_id[i] = (uint8_t)(rnd() | 1);
	for (size_t i = 0; i < sizeof ids->span_id; i++)
		ids->span_id[i] = (uint8_t)(rnd() | 1);
	ids->flags = (uint8_t)below(4);
}

static ProtobufCBinaryData id(const uint8_t *bytes, size_t len)
{
	return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)bytes};
}

static void add_events(struct weir_ended *e, Span *span)
{
	struct weir_event *events = take(EVENTS_MOST * sizeof *events);

	e->events = events;
	e->events_count = span->n_events = below(EVENTS_MOST + 1);
	span->events = take(EVENTS_MOST * sizeof *span->events);
	for (size_t i = 0; i < e->events_count; i++) {
		Event *to = span->events[i] = take(sizeof *to);

		*to = (Event)WEIR__OTLP__SPAN__EVENT__INIT;
		events[i].name = text();
		to->name = (char *)(uintptr_t)events[i].name.ptr;
		to->time_unix_nano = events[i].time_ns = number();
		to->dropped_attributes_count = (uint32_t)(events[i].dropped_attrs = number() & UINT32_MAX);
		events[i].attrs = attrs(&to->attributes, &to->n_attributes);
	}
}

static void add_links(struct weir_ended *e, Span *span)
{
	struct weir_link *links = take(EVENTS_MOST * sizeof *links);
	uint64_t *dropped = take(EVENTS_MOST * sizeof *dropped);

	e->links = links;
	e->links_dropped_attrs = dropped;
	e->links_count = span->n_links = below(EVENTS_MOST + 1);
	span->links = take(EVENTS_MOST * sizeof *span->links);
	for (size_t i = 0; i < e->links_count; i++) {
		Link *to = span->links[i] = take(sizeof *to);

		*to = (Link)WEIR__OTLP__SPAN__LINK__INIT;
		fill_ids(&links[i].ids);
		to->trace_id = id(links[i].ids.trace_id, 16);
		to->span_id = id(links[i].ids.span_id, 8);
		to->flags = links[i].ids.flags;
		to->dropped_attributes_count = (uint32_t)(dropped[i] = number() & UINT32_MAX);
		links[i].attrs = attrs(&to->attributes, &to->n_attributes);
	}
}

static void make(struct weir_ended *e, Span *span, Weir__Otlp__Status *status)
{
	*e = (struct weir_ended){.kind = (enum weir_span_kind)below(6), .status = (enum weir_span_status)below(3)};
	*span = (Span)WEIR__OTLP__SPAN__INIT;
	*status = (Weir__Otlp__Status)WEIR__OTLP__STATUS__INIT;
	fill_ids(&e->ids);
	span->trace_id = id(e->ids.trace_id, 16);
	span->span_id = id(e->ids.span_id, 8);
	if (below(3) != 0) {
		e->parent_id[below(8)] = (uint8_t)(1 + below(255));
		span->parent_span_id = id(e->parent_id, 8);
	}
	e->remote_parent = below(2);
	span->flags = e->ids.flags | 0x100u | (e->remote_parent ? 0x200u : 0);
	e->name = text();
	span->name = (char *)(uintptr_t)e->name.ptr;
	e->tracestate = text();
	span->trace_state = (char *)(uintptr_t)e->tracestate.ptr;
	e->failure = text();
	span->kind = (Weir__Otlp__Span__SpanKind)e->kind;
	span->start_time_unix_nano = e->start_ns = number();
	span->end_time_unix_nano = e->end_ns = number();
	span->dropped_attributes_count = (uint32_t)(e->dropped_attrs = number() & UINT32_MAX);
	span->dropped_events_count = (uint32_t)(e->dropped_events = number() & UINT32_MAX);
	span->dropped_links_count = (uint32_t)(e->dropped_links = number() & UINT32_MAX);
	e->failed = e->status == WEIR_STATUS_ERROR;
	if (e->status != WEIR_STATUS_UNSET) {
		status->code = (Weir__Otlp__Status__StatusCode)e->status;
		if (e->failed)
			status->message = (char *)(uintptr_t)e->failure.ptr;
		span->status = status;
	}
	e->attrs = attrs(&span->attributes, &span->n_attributes);
	add_events(e, span);
	add_links(e, span);
}

static void as_protobuf_c(void **state)
{
	struct weir__otlp_bytes b = {0};

	(void)state;
	block = malloc(BLOCK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct weir_ended e;
		Span span, *one = &span;
		Weir__Otlp__Status status;
		Weir__Otlp__ScopeSpans spans = WEIR__OTLP__SCOPE_SPANS__INIT;
		size_t size;
		uint8_t *packed;

		block_used = 0;
		make(&e, &span, &status);
		spans.n_spans = 1;
		spans.spans = &one;
		size = weir__otlp__scope_spans__get_packed_size(&spans);
		packed = malloc(size);
		weir__otlp__scope_spans__pack(&spans, packed);
		weir__otlp_cut(&b, 0);
		weir__otlp_put_span(&b, &e);
		assert_false(b.failed);
		assert_int_equal(weir__otlp_used(&b), size);
		assert_memory_equal(b.start, packed, size);
		free(packed);
	}
	free(block);
	weir__otlp_bytes_free(&b);
}

/* ---- one by one ----------------------------------------------------------------------------------------------------- */

static Weir__Otlp__ScopeSpans *decode(const struct weir_ended *e)
{
	struct weir__otlp_bytes b = {0};
	Weir__Otlp__ScopeSpans *got;

	weir__otlp_put_span(&b, e);
	got = weir__otlp__scope_spans__unpack(NULL, weir__otlp_used(&b), b.start);
	assert_non_null(got);
	assert_int_equal(got->n_spans, 1);
	weir__otlp_bytes_free(&b);
	return got;
}

static void text_is_mended(void **state)
{
	static const struct {
		const char *given, *wanted;
	} cases[] = {
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"a\xff", "a\xef\xbf\xbd"},
	    {"\xc3", "\xef\xbf\xbd"},
	    {"\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx"},
	    {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                             /* overlong */
	    {"\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},             /* overlong */
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},             /* a surrogate */
	    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
	    {"\xf0\x9f\x98\x80\x80", "\xf0\x9f\x98\x80\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_attr attr = {.key = weir_str_of(cases[i].given), .type = WEIR_ATTR_STR};
		struct weir_str list[] = {weir_str_of(cases[i].given), weir_str_of("whole")};
		struct weir_attr both[] = {attr, {.key = weir_str_of("list"), .type = WEIR_ATTR_STRS, .as.list = {list, 2}}};
		struct weir_ended e = {.name = weir_str_of(cases[i].given), .attrs = {both, 2}, .failed = true};
		Weir__Otlp__ScopeSpans *got;
		const Span *span;

		both[0].as.str = weir_str_of(cases[i].given);
		e.failure = e.name;
		got = decode(&e);
		span = got->spans[0];
		assert_string_equal(span->name, cases[i].wanted);
		assert_string_equal(span->status->message, cases[i].wanted);
		assert_string_equal(span->attributes[0]->key, cases[i].wanted);
		assert_string_equal(span->attributes[0]->value->string_value, cases[i].wanted);
		assert_string_equal(span->attributes[1]->value->array_value->values[0]->string_value, cases[i].wanted);
		assert_string_equal(span->attributes[1]->value->array_value->values[1]->string_value, "whole");
		weir__otlp__scope_spans__free_unpacked(got, NULL);
	}
}

static void bytes_stay_raw(void **state)
{
	static const char raw[] = {'\xff', 0, '\xc3', 'a'};
	struct weir_attr attr = {.key = weir_str_of("raw"), .type = WEIR_ATTR_BYTES, .as.str = {raw, sizeof raw}};
	struct weir_ended e = {.attrs = {&attr, 1}};
	Weir__Otlp__ScopeSpans *got = decode(&e);
	const Any *value = got->spans[0]->attributes[0]->value;

	(void)state;
	assert_int_equal(value->value_case, WEIR__OTLP__ANY_VALUE__VALUE_BYTES_VALUE);
	assert_int_equal(value->bytes_value.len, sizeof raw);
	assert_memory_equal(value->bytes_value.data, raw, sizeof raw);
	weir__otlp__scope_spans__free_unpacked(got, NULL);
}

static void an_unknown_type_keeps_its_key(void **state)
{
	struct weir_attr attr = {.key = weir_str_of("new"), .type = (enum weir_attr_type)99};
	struct weir_ended e = {.attrs = {&attr, 1}};
	Weir__Otlp__ScopeSpans *got = decode(&e);

	(void)state;
	assert_string_equal(got->spans[0]->attributes[0]->key, "new");
	assert_int_equal(got->spans[0]->attributes[0]->value->value_case, WEIR__OTLP__ANY_VALUE__VALUE__NOT_SET);
	weir__otlp__scope_spans__free_unpacked(got, NULL);
}

static void null_pointers(void **state)
{
	struct weir_attr list[] = {
	    {.type = WEIR_ATTR_STR}, {.type = WEIR_ATTR_BYTES, .as.str = {NULL, 5}}, {.type = WEIR_ATTR_STRS, .as.list = {NULL, 3}}};
	struct weir_ended e = {.name = {NULL, 7}, .attrs = {list, 3}};
	Weir__Otlp__ScopeSpans *got = decode(&e);

	(void)state;
	assert_int_equal(got->spans[0]->n_attributes, 3);
	assert_string_equal(got->spans[0]->name, "");
	assert_int_equal(got->spans[0]->attributes[2]->value->array_value->n_values, 0);
	weir__otlp__scope_spans__free_unpacked(got, NULL);
}

static void counts_end_at_32_bits(void **state)
{
	struct weir_ended e = {.dropped_attrs = UINT64_MAX, .dropped_events = (uint64_t)UINT32_MAX + 1, .dropped_links = 3};
	Weir__Otlp__ScopeSpans *got = decode(&e);

	(void)state;
	assert_true(got->spans[0]->dropped_attributes_count == UINT32_MAX);
	assert_true(got->spans[0]->dropped_events_count == UINT32_MAX);
	assert_int_equal(got->spans[0]->dropped_links_count, 3);
	weir__otlp__scope_spans__free_unpacked(got, NULL);
}

static void a_description_belongs_to_an_error(void **state)
{
	struct weir_ended e = {.status = WEIR_STATUS_OK, .failure = weir_str_of("was nothing")};
	Weir__Otlp__ScopeSpans *got = decode(&e);

	(void)state;
	assert_int_equal(got->spans[0]->status->code, WEIR__OTLP__STATUS__STATUS_CODE__OK);
	assert_string_equal(got->spans[0]->status->message, "");
	weir__otlp__scope_spans__free_unpacked(got, NULL);
}

static void a_large_value(void **state)
{
	size_t len = 1 << 20;
	char *large = malloc(len);
	struct weir_attr attr = {.key = weir_str_of("large"), .type = WEIR_ATTR_STR, .as.str = {large, len}};
	struct weir_ended e = {.attrs = {&attr, 1}, .name = weir_str_of("after")};
	Weir__Otlp__ScopeSpans *got;

	(void)state;
	memset(large, 'x', len);
	got = decode(&e);
	assert_int_equal(strlen(got->spans[0]->attributes[0]->value->string_value), len);
	assert_string_equal(got->spans[0]->name, "after");
	weir__otlp__scope_spans__free_unpacked(got, NULL);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_protobuf_c),
	    cmocka_unit_test(text_is_mended),
	    cmocka_unit_test(bytes_stay_raw),
	    cmocka_unit_test(an_unknown_type_keeps_its_key),
	    cmocka_unit_test(null_pointers),
	    cmocka_unit_test(counts_end_at_32_bits),
	    cmocka_unit_test(a_description_belongs_to_an_error),
	    cmocka_unit_test(a_large_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

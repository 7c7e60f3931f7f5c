/* Unit: src/attr.c: attributes of every type come out as they went in; limits and room leave out whole ones, counted, and cut
 * text at a character; the same key replaces; bytes that are no entries are found out. */
#define _GNU_SOURCE
#include "attr.h"
#include "context.h"
#include "utf8.h"

#include "witness.h"

static struct weir_ctx ctx;
static struct weir_span span;

static void begin_span(const char *name, void *buffer, size_t size)
{
	struct weir_span_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = size};

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin_opts(&span, &ctx, WEIR_INTERNAL, name, &o);
}

static const struct weir_ended *end_span(const char *name)
{
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	return see(name);
}
#define SET(...) weir_span_set_attrs(&span, WEIR_ATTRS_(__VA_ARGS__))
#define LIST(array) ((struct weir_list){(array), COUNT(array)})

/* ---- types ---- */

ALONE(every_type_round_trips)
{
	static const struct weir_str texts[] = {{"one", 3}, {"", 0}, {NULL, 5}, {"a\0b", 3}};
	static const bool bools[] = {true, false, true};
	static const int64_t ints[] = {0, -1, INT64_MIN, INT64_MAX};
	static const double doubles[] = {0.0, -1.5, 1e308};
	const struct weir_ended *e;
	const struct weir_attr *a;
	char room[2000];

	witness(NULL);
	begin_span("span", room, sizeof room);
	SET(weir_attr_str("str", "text"), weir_attr_str("str.empty", ""), weir_attr_str("str.null", NULL),
	    weir_attr_str_n("str.nul", STR("a\0b")), weir_attr_bool("yes", true), weir_attr_bool("no", false),
	    weir_attr_int("int", -5), weir_attr_int("int.least", INT64_MIN), weir_attr_double("double", 0.1),
	    weir_attr_bytes("bytes", STR("\0\xff\x80")), weir_attr_bytes("bytes.empty", weir_str_n(NULL, 7)),
	    weir_attr_strs("strs", LIST(texts)), weir_attr_bools("bools", LIST(bools)), weir_attr_ints("ints", LIST(ints)),
	    weir_attr_doubles("doubles", LIST(doubles)));
	SET(weir_attr_strs("strs.empty", (struct weir_list){NULL, 0}), weir_attr_bools("bools.empty", (struct weir_list){bools, 0}),
	    weir_attr_ints("ints.empty", (struct weir_list){NULL, 0}), weir_attr_doubles("doubles.empty", (struct weir_list){NULL, 0}));
	e = end_span("span");
	assert_int_equal(e->dropped_attrs, 0);
	assert_int_equal(e->attrs.count, 19);
	assert_attr_text(e->attrs, "str", "text");
	assert_attr_text(e->attrs, "str.empty", "");
	assert_attr_text(e->attrs, "str.null", "");
	a = attr_in(e->attrs, "str.nul");
	assert_true(a->as.str.len == 3 && memcmp(a->as.str.ptr, "a\0b", 3) == 0);
	assert_true(attr_in(e->attrs, "yes")->as.boolean && !attr_in(e->attrs, "no")->as.boolean);
	assert_int_equal(attr_in(e->attrs, "yes")->type, WEIR_ATTR_BOOL);
	assert_attr_int(e->attrs, "int", -5);
	assert_attr_int(e->attrs, "int.least", INT64_MIN);
	a = attr_in(e->attrs, "double");
	assert_true(a->type == WEIR_ATTR_DOUBLE && a->as.real > 0.0999 && a->as.real < 0.1001);
	a = attr_in(e->attrs, "bytes");
	assert_true(a->type == WEIR_ATTR_BYTES && a->as.str.len == 3 && memcmp(a->as.str.ptr, "\0\xff\x80", 3) == 0);
	assert_int_equal(attr_in(e->attrs, "bytes.empty")->as.str.len, 0);
	a = attr_in(e->attrs, "strs");
	assert_true(a->type == WEIR_ATTR_STRS && a->as.list.count == 4);
	{
		const struct weir_str *list = a->as.list.ptr;

		assert_true(list[0].len == 3 && memcmp(list[0].ptr, "one", 3) == 0);
		assert_true(list[1].len == 0 && list[2].len == 0);
		assert_true(list[3].len == 3 && memcmp(list[3].ptr, "a\0b", 3) == 0);
	}
	a = attr_in(e->attrs, "bools");
	assert_true(a->type == WEIR_ATTR_BOOLS && a->as.list.count == 3);
	assert_memory_equal(a->as.list.ptr, bools, sizeof bools);
	a = attr_in(e->attrs, "ints");
	assert_true(a->type == WEIR_ATTR_INTS && a->as.list.count == 4);
	assert_memory_equal(a->as.list.ptr, ints, sizeof ints);
	a = attr_in(e->attrs, "doubles");
	assert_true(a->type == WEIR_ATTR_DOUBLES && a->as.list.count == 3);
	assert_memory_equal(a->as.list.ptr, doubles, sizeof doubles);
	static const struct {
		const char *key;
		enum weir_attr_type type;
	} empty[] = {{"strs.empty", WEIR_ATTR_STRS}, {"bools.empty", WEIR_ATTR_BOOLS}, {"ints.empty", WEIR_ATTR_INTS}, {"doubles.empty", WEIR_ATTR_DOUBLES}};
	for (size_t i = 0; i < COUNT(empty); i++) {
		a = attr_in(e->attrs, empty[i].key);
		assert_true(a != NULL && a->type == empty[i].type && a->as.list.count == 0);
	}
}

ALONE(what_cannot_be_is_counted)
{
	static char large[70000];
	const struct weir_list gone = {NULL, 3}, huge = {large, SIZE_MAX}, huge_too = {large, SIZE_MAX / 8 + 2};
	struct weir_attr odd = weir_attr_int("odd", 1);
	const struct weir_ended *e;

	witness(NULL);
	memset(large, 'k', sizeof large);
	odd.type = (enum weir_attr_type)77;
	begin_span("span", NULL, 0);
	SET(weir_attr_str("good", "1"), weir_attr_str(NULL, "no key"), weir_attr_str("", "empty key"), weir_attr_strs("s", gone),
	    weir_attr_bools("b", gone), weir_attr_ints("i", gone), weir_attr_doubles("d", gone), weir_attr_ints("i", huge),
	    weir_attr_bools("b", huge), weir_attr_ints("i", huge_too), weir_attr_strs("s", huge), odd);
	odd.type = (enum weir_attr_type)0;
	SET(odd);
	weir_span_set_attrs(&span, (struct weir_attrs){NULL, 5});
	odd = weir_attr_int("x", 1);
	odd.key = weir_str_n(large, sizeof large);
	SET(odd);
	SET(weir_attr_int("last", 2));
	e = end_span("span");
	assert_int_equal(e->attrs.count, 2);
	assert_attr_int(e->attrs, "last", 2);
	assert_int_equal(e->dropped_attrs, 11 + 1 + 5 + 1);
	/* one that cannot be does not cost its event */
	begin_span("event", NULL, 0);
	weir_span_event_attrs(&span, "e", WEIR_ATTRS_(weir_attr_ints("i", gone), odd, weir_attr_int("n", 1)));
	e = end_span("event");
	assert_int_equal(e->events_count, 1);
	assert_int_equal(e->events[0].dropped_attrs, 2);
	assert_attr_int(e->events[0].attrs, "n", 1);
}

/* ---- room ---- */

ALONE(what_does_not_fit_is_left_out_whole)
{
	char text[200];
	const struct weir_ended *e;

	witness(NULL);
	memset(text, 't', sizeof text);
	text[199] = '\0';
	begin_span("span", NULL, 0);
	for (int i = 0; i < 5; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%d", i);
		SET(weir_attr_str(key, text));
	}
	weir_span_event_attrs(&span, "large", WEIR_ATTRS_(weir_attr_str("a", text)));
	weir_span_link_attrs(&span, weir_ctx_ids(&ctx), WEIR_ATTRS_(weir_attr_str("a", text)));
	weir_span_fail(&span, text);
	SET(weir_attr_int("s", 1)); /* there is room for it yet */
	e = end_span("span");
	assert_int_equal(e->attrs.count, 3);
	assert_attr_text(e->attrs, "k0", text);
	assert_attr_text(e->attrs, "k1", text);
	assert_attr_int(e->attrs, "s", 1);
	assert_int_equal(e->dropped_attrs, 3 + 1); /* and what the failure said */
	assert_int_equal(e->dropped_events, 1);
	assert_int_equal(e->dropped_links, 1);
	assert_true(e->failed);
}

ALONE(a_larger_buffer_holds_128)
{
	static char room[16384];
	const struct weir_ended *e;
	char key[32];

	witness(NULL);
	begin_span("span", room, sizeof room);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "attribute.%d", i);
		SET(weir_attr_str(key, "0123456789012345678901234567890123456789"));
	}
	e = end_span("span");
	assert_int_equal(e->attrs.count, 128);
	assert_int_equal(e->dropped_attrs, 1000 - 128);
	assert_attr_text(e->attrs, "attribute.0", "0123456789012345678901234567890123456789");
	assert_attr_text(e->attrs, "attribute.127", "0123456789012345678901234567890123456789");
	begin_span("own", NULL, 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "attribute.%d", i);
		SET(weir_attr_int(key, i));
	}
	e = end_span("own");
	assert_true(e->attrs.count > 10);
	assert_int_equal(e->attrs.count + e->dropped_attrs, 1000);
}

ALONE(a_value_of_a_mebibyte)
{
	enum { LARGE = 1 << 20 };
	char *room = malloc(2 * LARGE), *text = malloc(LARGE);
	struct weir_str list[2];
	const struct weir_ended *e;

	assert_true(room != NULL && text != NULL);
	memset(text, 'x', LARGE);
	list[0] = list[1] = weir_str_n(text, LARGE);
	witness(NULL);
	begin_span("span", room, 2 * LARGE); /* no more of it is used than a chunk takes, so that all of it gets there */
	SET(weir_attr_int("first", 1), weir_attr_str_n("large", weir_str_n(text, LARGE)), weir_attr_bytes("large", weir_str_n(text, LARGE)),
	    weir_attr_strs("large", (struct weir_list){list, 2}), weir_attr_ints("large", (struct weir_list){text, LARGE / 8}),
	    weir_attr_str_n("fits", weir_str_n(text, 15000)), weir_attr_str_n("more", weir_str_n(text, 1000)), weir_attr_int("last", 2));
	weir_span_event_attrs(&span, "e", WEIR_ATTRS_(weir_attr_str_n("large", weir_str_n(text, LARGE))));
	e = end_span("span");
	assert_int_equal(e->attrs.count, 3);
	assert_attr_int(e->attrs, "first", 1);
	assert_attr_int(e->attrs, "last", 2);
	assert_int_equal(attr_in(e->attrs, "fits")->as.str.len, 15000);
	assert_int_equal(e->dropped_attrs, 5);
	assert_int_equal(e->dropped_events, 1);
	free(room);
	free(text);
}

/* ---- the same key ---- */

ALONE(the_same_key_replaces)
{
	static char room[16384];
	const struct weir_ended *e;

	witness(NULL);
	begin_span("span", NULL, 0);
	SET(weir_attr_int("a", 1), weir_attr_int("b", 1), weir_attr_str("a", "two"));
	e = end_span("span");
	assert_int_equal(e->attrs.count, 2);
	assert_attr_text(e->attrs, "a", "two");
	begin_span("often", NULL, 0); /* also where there is no room for one more */
	weir_span_event(&span, "stays");
	SET(weir_attr_str("other", "stays"));
	for (int i = 0; i < 5000; i++)
		SET(weir_attr_int("progress", i));
	SET(weir_attr_int("after", 1));
	SET(weir_attr_str("progress", "the end"));
	e = end_span("often");
	assert_int_equal(e->attrs.count, 3);
	assert_int_equal(e->dropped_attrs, 0);
	assert_attr_text(e->attrs, "progress", "the end");
	assert_attr_text(e->attrs, "other", "stays");
	assert_attr_int(e->attrs, "after", 1);
	assert_int_equal(e->events_count, 1);
	begin_span("limit", room, sizeof room); /* and where the limit is met by one key */
	for (int i = 0; i < 200; i++)
		SET(weir_attr_int("progress", i));
	SET(weir_attr_int("another", 1));
	e = end_span("limit");
	assert_int_equal(e->attrs.count, 2);
	assert_int_equal(e->dropped_attrs, 0);
	assert_attr_int(e->attrs, "progress", 199);
}

ALONE(replacing_needs_room_as_well)
{
	char text[500];
	const struct weir_ended *e;

	witness(NULL);
	memset(text, 't', sizeof text);
	begin_span("span", NULL, 0);
	SET(weir_attr_str_n("a", weir_str_n(text, 200)), weir_attr_str_n("b", weir_str_n(text, 150)));
	SET(weir_attr_str_n("a", weir_str_n(text, 450))); /* never fits: the former stays */
	SET(weir_attr_str_n("b", weir_str_n(text, 180)));  /* fits in place of the former */
	e = end_span("span");
	assert_int_equal(attr_in(e->attrs, "a")->as.str.len, 200);
	assert_int_equal(attr_in(e->attrs, "b")->as.str.len, 180);
	assert_int_equal(e->dropped_attrs, 1);
}

/* ---- limits ---- */

ALONE(limits_come_from_the_environment)
{
	static const char euros[] = "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";
	const struct weir_str texts[] = {{euros, 12}, {"0123456789", 10}};
	const struct weir_ended *e;
	struct weir_ids ids;

	setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3", 1);
	setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", 1);
	setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "2", 1);
	setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "1", 1);
	setenv("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "2", 1);
	setenv("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0", 1);
	witness(NULL);
	begin_span("span", NULL, 0);
	ids = weir_ctx_ids(&ctx);
	SET(weir_attr_str("text", euros), weir_attr_strs("list", LIST(texts)), weir_attr_bytes("bytes", weir_str_n(euros, 12)),
	    weir_attr_int("fourth", 4));
	for (int i = 0; i < 3; i++)
		weir_span_event_attrs(&span, "e", WEIR_ATTRS_(weir_attr_str("a", "0123456789"), weir_attr_int("b", 1), weir_attr_int("c", 1)));
	for (int i = 0; i < 3; i++)
		weir_span_link_attrs(&span, ids, WEIR_ATTRS_(weir_attr_int("a", 1)));
	weir_span_fail(&span, "the reason is not an attribute's value"); /* but no longer than one */
	e = end_span("span");
	assert_attr_text(e->attrs, "text", "\xe2\x82\xac\xe2\x82\xac"); /* cut at a character */
	assert_int_equal(attr_in(e->attrs, "bytes")->as.str.len, 7);
	assert_int_equal(((const struct weir_str *)attr_in(e->attrs, "list")->as.list.ptr)[0].len, 6);
	assert_int_equal(((const struct weir_str *)attr_in(e->attrs, "list")->as.list.ptr)[1].len, 7);
	assert_int_equal(e->dropped_attrs, 1);
	assert_int_equal(e->events_count, 2);
	assert_int_equal(e->dropped_events, 1);
	assert_int_equal(e->events[1].attrs.count, 2);
	assert_int_equal(e->events[1].dropped_attrs, 1);
	assert_attr_text(e->events[1].attrs, "a", "0123456");
	assert_int_equal(e->links_count, 1);
	assert_int_equal(e->dropped_links, 2);
	assert_int_equal(e->links[0].attrs.count, 0);
	assert_int_equal(e->links_dropped_attrs[0], 1);
}

ALONE(a_limit_of_none_and_the_general_ones)
{
	const struct weir_ended *e;

	setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "1", 1);
	setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2", 1);
	setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "0", 1);
	setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "0", 1);
	witness(NULL);
	begin_span("span", NULL, 0);
	SET(weir_attr_str("a", "123"), weir_attr_int("b", 1));
	weir_span_event(&span, "e");
	weir_span_link(&span, weir_ctx_ids(&ctx));
	e = end_span("span");
	assert_attr_text(e->attrs, "a", "12");
	assert_int_equal(e->dropped_attrs, 1);
	assert_int_equal(e->events_count + e->links_count, 0);
	assert_int_equal(e->dropped_events, 1);
	assert_int_equal(e->dropped_links, 1);
}

ALONE(events_and_links_are_128_by_default)
{
	static char room[16384];
	const struct weir_ended *e;
	struct weir_ids ids;

	witness(NULL);
	begin_span("span", room, sizeof room);
	ids = weir_ctx_ids(&ctx);
	for (int i = 0; i < 200; i++) {
		weir_span_event(&span, "event");
		weir_span_link(&span, ids);
	}
	e = end_span("span");
	assert_int_equal(e->events_count, 128);
	assert_int_equal(e->dropped_events, 72);
	assert_int_equal(e->links_count, 128);
	assert_int_equal(e->dropped_links, 72);
}

ALONE(counts_stay_at_their_most)
{
	const struct weir_ended *e;

	witness(NULL);
	begin_span("span", NULL, 0);
	for (int i = 0; i < 40; i++)
		weir_span_set_attrs(&span, (struct weir_attrs){NULL, 5000});
	weir_span_set_attrs(&span, (struct weir_attrs){NULL, SIZE_MAX});
	e = end_span("span");
	assert_int_equal(e->dropped_attrs, UINT16_MAX);
}

/* ---- read again ---- */

static void bytes_that_are_no_entries_are_found_out(void **state)
{
	char bytes[256], room[512], *at;
	struct weir__bytes b = {bytes, 0, sizeof bytes};
	struct weir_attr a = weir_attr_str("key", "value"), out;
	struct weir__entry entry;
	struct weir_str key, value;
	size_t from, left;
	bool whole;

	(void)state;
	assert_true(weir__attr_put(&b, &a));
	assert_true(weir__attr_put_int(&b, "n", 1, 5));
	for (size_t len = 0; len <= b.used; len++) { /* cut anywhere */
		size_t found = 0;

		whole = true;
		for (from = 0; weir__entry_next(bytes, len, &from, &entry, &key, &value, &whole);)
			found++;
		assert_int_equal(whole, len == 0 || len == b.used || len == 16);
		assert_int_equal(found, len == b.used ? 2 : len >= 16);
	}
	bytes[0] = 9; /* no tag */
	whole = true;
	from = 0;
	assert_false(weir__entry_next(bytes, b.used, &from, &entry, &key, &value, &whole));
	assert_false(whole);
	/* values that their type cannot have */
	memset(&entry, 0, sizeof entry);
	for (int type = 0; type < 12; type++)
		for (size_t len = 0; len < 24; len++) {
			memset(bytes, 0xff, sizeof bytes);
			entry.type = (uint8_t)type;
			at = room;
			left = sizeof room;
			if (weir__attr_read(&out, &entry, weir_str_of("k"), weir_str_n(bytes, len), &at, &left))
				assert_true(type >= WEIR_ATTR_STR && type <= WEIR_ATTR_DOUBLES &&
				            (type != WEIR_ATTR_BOOL || len == 1) && (type != WEIR_ATTR_STRS || len == 0) &&
				            ((type != WEIR_ATTR_INT && type != WEIR_ATTR_DOUBLE) || len == 8) && at <= room + sizeof room);
			left = 0;
			at = room;
			assert_true(!weir__attr_read(&out, &entry, weir_str_of("k"), weir_str_n(bytes, len), &at, &left) ||
			            type < WEIR_ATTR_STRS || len == 0);
		}
}

static void short_copies_are_exact(void **state)
{
	(void)state;
	for (size_t len = 0; len < 80; len++) {
		char from[80], to[82];

		for (size_t i = 0; i < sizeof from; i++)
			from[i] = (char)(i * 7 + 1);
		memset(to, '!', sizeof to);
		weir__copy(to + 1, from, len);
		assert_memory_equal(to + 1, from, len);
		assert_true(to[0] == '!' && to[len + 1] == '!');
		memset(to, '!', sizeof to);
		assert_int_equal(weir__copy_short(to + 1, from, len), len <= WEIR__SHORT);
		if (len <= WEIR__SHORT)
			assert_memory_equal(to + 1, from, len);
		assert_true(to[0] == '!' && to[len <= WEIR__SHORT ? len + 1 : 1] == '!');
	}
}

/* The short way puts what the long one does, or leaves it to it. */
static void the_short_way_is_the_same(void **state)
{
	char text[600];

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t key_len = 0; key_len < 40; key_len++)
		for (size_t len = 0; len < 40; len++) {
			char a_bytes[700], b_bytes[3 + WEIR__SHORT_ENTRY + 1], *end;
			struct weir__bytes a = {a_bytes, 3, sizeof a_bytes};
			struct weir_attr attr = weir_attr_str_n("key", weir_str_n(text, len));

			attr.key = weir_str_n(text + 600 - key_len, key_len);
			memset(b_bytes, '!', sizeof b_bytes);
			end = weir__attr_put_short(b_bytes + 3, &attr);
			assert_int_equal(end != NULL, key_len != 0 && key_len <= WEIR__SHORT && len <= WEIR__SHORT);
			assert_true(b_bytes[sizeof b_bytes - 1] == '!' && (end == NULL || *end == '!'));
			if (end == NULL)
				continue;
			assert_true(weir__attr_put(&a, &attr));
			assert_int_equal(end - b_bytes, a.used);
			assert_memory_equal(a_bytes + 3, b_bytes + 3, a.used - 3);
		}
}

static void the_short_way_leaves_what_is_no_text(void **state)
{
	char bytes[WEIR__SHORT_ENTRY];
	struct weir_attr attr = weir_attr_int("key", 1);

	(void)state;
	assert_null(weir__attr_put_short(bytes, &attr));
	attr = weir_attr_str_n("key", weir_str_n(NULL, 5));
	assert_null(weir__attr_put_short(bytes, &attr));
	attr = weir_attr_str("key", "value");
	attr.key.ptr = NULL;
	assert_null(weir__attr_put_short(bytes, &attr));
	attr = weir_attr_str_n("key", weir_str_n("", SIZE_MAX));
	assert_null(weir__attr_put_short(bytes, &attr));
	attr.key.len = SIZE_MAX;
	assert_null(weir__attr_put_short(bytes, &attr));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_type_round_trips),
	cmocka_unit_test(what_cannot_be_is_counted),
	cmocka_unit_test(what_does_not_fit_is_left_out_whole),
	cmocka_unit_test(a_larger_buffer_holds_128),
	cmocka_unit_test(a_value_of_a_mebibyte),
	cmocka_unit_test(the_same_key_replaces),
	cmocka_unit_test(replacing_needs_room_as_well),
	cmocka_unit_test(limits_come_from_the_environment),
	cmocka_unit_test(a_limit_of_none_and_the_general_ones),
	cmocka_unit_test(events_and_links_are_128_by_default),
	cmocka_unit_test(counts_stay_at_their_most),
	cmocka_unit_test(bytes_that_are_no_entries_are_found_out),
	cmocka_unit_test(short_copies_are_exact),
	cmocka_unit_test(the_short_way_is_the_same),
	cmocka_unit_test(the_short_way_leaves_what_is_no_text),
};
ALONE_MAIN(tests)

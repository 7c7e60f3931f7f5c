/* Unit: src/ended.c: what a span said is read back out of its record, each key once; what is broken is passed over, and nothing is
 * read past a record's end, whatever its bytes. */
#define _GNU_SOURCE
#include "attr.h"
#include "spans.h"

#include <weir/exporter.h>

#include "alone.h"

enum { ROOM = 8192 };
static struct weir_batch batch_of(const struct weir__span_record **list, size_t count)
{
	return (struct weir_batch){.list = list, .count = count};
}

/* A record of exactly its bytes, so that a read past it is seen under a sanitizer. */
static struct weir__span_record *record(const char *name, const char *tracestate, const void *entries, size_t len)
{
	size_t name_len = strlen(name), state_len = strlen(tracestate);
	struct weir__span_record *r = calloc(1, sizeof *r + name_len + state_len + len);

	assert_non_null(r);
	r->bytes = (uint32_t)(sizeof *r + name_len + state_len + len);
	r->name_len = (uint16_t)name_len;
	r->tracestate_len = (uint16_t)state_len;
	r->entries_len = (uint32_t)len;
	r->kind = WEIR_SERVER;
	memcpy(r + 1, name, name_len);
	memcpy((char *)(r + 1) + name_len, tracestate, state_len);
	if (len != 0)
		memcpy((char *)(r + 1) + name_len + state_len, entries, len);
	return r;
}

static bool is_text(struct weir_str got, const char *text)
{
	return got.len == strlen(text) && memcmp(got.ptr, text, got.len) == 0;
}

static void what_was_said_is_read(void **state)
{
	static const struct weir_str texts[] = {{"a", 1}, {"", 0}, {"third", 5}};
	static const bool bools[] = {true, false, true};
	static const int64_t ints[] = {-1, 2};
	static const double doubles[] = {0.5, -3};
	char bytes[ROOM];
	struct weir__bytes to = {bytes, 0, ROOM};
	struct weir_attr attrs[] = {weir_attr_bools("bools", (struct weir_list){bools, 3}), /* odd lengths first */
	                            weir_attr_strs("texts", (struct weir_list){texts, 3}),
	                            weir_attr_str("str", "text"), weir_attr_bool("bool", true), weir_attr_int("int", -5),
	                            weir_attr_double("double", 2.5), weir_attr_bytes("bytes", STR("\0\xff")),
	                            weir_attr_ints("ints", (struct weir_list){ints, 2}),
	                            weir_attr_doubles("doubles", (struct weir_list){doubles, 2}),
	                            weir_attr_ints("none", (struct weir_list){NULL, 0})};
	struct weir_attrs all = {attrs, COUNT(attrs)};
	struct weir_ids ids = {.trace_id = {1}, .span_id = {2}, .flags = 1};
	const struct weir__span_record *list[1];
	struct weir__span_record *r;
	struct weir_batch batch;
	struct weir_ended e;

	(void)state;
	for (size_t i = 0; i < COUNT(attrs); i++)
		assert_true(weir__attr_put(&to, &attrs[i]));
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(weir__event_put(&to, STR("event"), 100 + i, all));
		assert_true(weir__link_put(&to, &ids, all));
	}
	assert_true(weir__event_put(&to, STR("bare"), 7, (struct weir_attrs){NULL, 0}));
	assert_true(weir__failure_put(&to, STR("why")));
	list[0] = r = record("GET /", "a=b", bytes, to.used);
	memset(r->trace_id, 3, 16);
	memset(r->span_id, 4, 8);
	memset(r->parent_id, 5, 8);
	r->flags = 3;
	r->start_ns = 1000;
	r->duration_ns = 234;
	r->state = WEIR__SPAN_FAILED | WEIR__SPAN_REMOTE;
	r->dropped_attrs = 1;
	r->dropped_events = 2;
	r->dropped_links = 3;
	batch = batch_of(list, 1);
	weir_ended_begin(&e, &batch);
	assert_true(weir_ended_next(&e));
	assert_true(is_text(e.name, "GET /") && is_text(e.tracestate, "a=b") && is_text(e.failure, "why"));
	assert_true(e.failed && e.remote_parent && !e.kept);
	assert_int_equal(e.status, WEIR_STATUS_ERROR);
	assert_int_equal(e.kind, WEIR_SERVER);
	assert_memory_equal(e.ids.trace_id, r->trace_id, 16);
	assert_memory_equal(e.ids.span_id, r->span_id, 8);
	assert_memory_equal(e.parent_id, r->parent_id, 8);
	assert_int_equal(e.ids.flags, 3);
	assert_int_equal(e.start_ns, 1000);
	assert_int_equal(e.end_ns, 1234);
	assert_int_equal(e.dropped_attrs * 100 + e.dropped_events * 10 + e.dropped_links, 123);
	assert_int_equal(e.events_count, 4);
	assert_int_equal(e.links_count, 3);
	assert_true(is_text(e.events[3].name, "bare") && e.events[3].attrs.count == 0 && e.events[3].time_ns == 7);
	assert_memory_equal(&e.links[2].ids, &ids, sizeof ids);
	for (size_t group = 0; group < 7; group++) {
		struct weir_attrs got = group == 0 ? e.attrs : group < 4 ? e.events[group - 1].attrs : e.links[group - 4].attrs;
		const struct weir_attr *a = got.ptr;

		assert_int_equal(got.count, COUNT(attrs));
		for (size_t i = 0; i < COUNT(attrs); i++) {
			assert_int_equal(a[i].type, attrs[i].type);
			assert_true(a[i].key.len == attrs[i].key.len && memcmp(a[i].key.ptr, attrs[i].key.ptr, a[i].key.len) == 0);
		}
		assert_memory_equal(a[0].as.list.ptr, bools, sizeof bools);
		assert_int_equal(a[1].as.list.count, 3);
		for (size_t i = 0; i < 3; i++)
			assert_true(is_text(((const struct weir_str *)a[1].as.list.ptr)[i], texts[i].ptr));
		assert_true(is_text(a[2].as.str, "text") && a[3].as.boolean && a[4].as.integer == -5);
		assert_true(memcmp(&a[5].as.real, &attrs[5].as.real, 8) == 0);
		assert_int_equal(a[6].as.str.len, 2);
		assert_memory_equal(a[7].as.list.ptr, ints, sizeof ints);
		assert_memory_equal(a[8].as.list.ptr, doubles, sizeof doubles);
		assert_int_equal(a[9].as.list.count, 0);
	}
	assert_false(weir_ended_next(&e));
	assert_false(weir_ended_next(&e));
	free(batch.room);
	free(r);
}

static void each_key_once_the_last_one_counts(void **state)
{
	char bytes[ROOM];
	struct weir__bytes to = {bytes, 0, ROOM};
	struct weir_attr attrs[] = {weir_attr_int("n", 1), weir_attr_str("weir.kept", "mine"), weir_attr_int("n", 2),
	                            weir_attr_int("m", 3), weir_attr_str("n", "last")};
	const struct weir__span_record *list[1];
	struct weir__span_record *r;
	struct weir_batch batch;
	struct weir_ended e;

	(void)state;
	for (size_t i = 0; i < COUNT(attrs); i++)
		assert_true(weir__attr_put(&to, &attrs[i]));
	assert_true(weir__failure_put(&to, STR("first")));
	assert_true(weir__failure_put(&to, STR("second")));
	list[0] = r = record("n", "", bytes, to.used);
	batch = batch_of(list, 1);
	for (uint8_t kept = 0; kept < 4; kept++) { /* 3: no reason there is */
		r->kept = kept;
		r->state = kept == 1 ? WEIR__SPAN_FAILED : kept == 2 ? WEIR__SPAN_OK : 0;
		weir_ended_begin(&e, &batch);
		assert_true(weir_ended_next(&e));
		assert_int_equal(e.attrs.count, 3);
		assert_true(is_text(e.attrs.ptr[0].as.str, "last"));
		assert_true(is_text(e.attrs.ptr[1].as.str, kept == 1 ? "failed" : kept == 2 ? "slow" : "mine"));
		assert_int_equal(e.kept, kept != 0);
		assert_int_equal(e.status, kept == 1 ? WEIR_STATUS_ERROR : kept == 2 ? WEIR_STATUS_OK : WEIR_STATUS_UNSET);
		assert_true(kept == 1 ? is_text(e.failure, "second") : e.failure.len == 0);
	}
	free(batch.room);
	free(r);
}

static void a_kind_that_there_is(void **state)
{
	struct weir__span_record *r = record("n", "", NULL, 0);
	const struct weir__span_record *list[] = {r};
	struct weir_batch batch = batch_of(list, 1);
	struct weir_ended e;

	(void)state;
	for (unsigned kind = 0; kind < 256; kind++) {
		r->kind = (uint8_t)kind;
		weir_ended_begin(&e, &batch);
		assert_true(weir_ended_next(&e));
		assert_int_equal(e.kind, kind >= 1 && kind <= 5 ? kind : WEIR_INTERNAL);
	}
	free(batch.room);
	free(r);
}

static void what_is_broken_is_passed_over(void **state)
{
	static const struct weir__entry too_long = {WEIR__ENTRY_ATTR, WEIR_ATTR_STR, 1, 100}, no_tag = {9, 1, 0, 0};
	char bytes[ROOM];
	struct weir__bytes to = {bytes, 0, ROOM};
	struct weir_attr attr = weir_attr_int("n", 1);
	const struct weir__span_record *list[6];
	struct weir__span_record *made[6];
	struct weir_batch batch = batch_of(list, COUNT(list));
	struct weir_ended e;

	(void)state;
	assert_true(weir__attr_put(&to, &attr));
	list[0] = made[0] = record("whole", "", bytes, to.used);
	list[1] = made[1] = record("cut", "", bytes, to.used - 1);
	list[2] = made[2] = record("long", "", &too_long, sizeof too_long);
	list[3] = made[3] = record("tag", "", &no_tag, sizeof no_tag);
	list[4] = made[4] = record("head", "", &too_long, 3);
	list[5] = made[5] = record("last", "", bytes, to.used);
	for (int again = 0; again < 2; again++) {
		weir_ended_begin(&e, &batch);
		assert_true(weir_ended_next(&e) && is_text(e.name, "whole"));
		assert_true(weir_ended_next(&e) && is_text(e.name, "last") && e.attrs.count == 1);
		assert_false(weir_ended_next(&e));
		for (int i = 0; i < 6; i++) /* marked, for who counts */
			assert_true((list[i] != NULL) == (i == 0 || i == 5));
	}
	assert_int_equal(weir_batch_count(&batch), 6);
	assert_int_equal(weir_batch_resource(&batch).count, 0);
	free(batch.room);
	for (int i = 0; i < 6; i++)
		free(made[i]);
}

static void values_that_are_not_of_their_type_are_left_out(void **state)
{
	char bytes[ROOM];
	struct weir__bytes to = {bytes, 0, ROOM};
	struct weir_attr good = weir_attr_int("n", 1);
	const struct weir__span_record *list[1];
	struct weir__span_record *r;
	struct weir_batch batch;
	struct weir_ended e;
	size_t at = 0;

	(void)state;
	for (unsigned type = 0; type < 12; type++) {
		struct weir__entry entry = {WEIR__ENTRY_ATTR, (uint8_t)type, 1, 3};

		memcpy(bytes + at, &entry, sizeof entry);
		bytes[at + sizeof entry] = (char)('a' + type);
		memcpy(bytes + at + sizeof entry + 1, "\2\3\4", 3);
		at += sizeof entry + 4;
	}
	to.used = (uint32_t)at;
	assert_true(weir__attr_put(&to, &good));
	list[0] = r = record("n", "", bytes, to.used);
	batch = batch_of(list, 1);
	weir_ended_begin(&e, &batch);
	assert_true(weir_ended_next(&e));
	assert_int_equal(e.attrs.count, 4); /* a text, bytes, bools, and the good one */
	assert_int_equal(e.attrs.ptr[3].as.integer, 1);
	for (int i = 0; i < 3; i++)
		if (e.attrs.ptr[i].type == WEIR_ATTR_BOOLS)
			assert_memory_equal(e.attrs.ptr[i].as.list.ptr, "\1\1\1", 3);
	free(batch.room);
	free(r);
}

/* Bytes of all kinds, and what is well formed with one of them changed. A sanitizer looks on. */
static void any_bytes(void **state)
{
	uint64_t seed = 88172645463325252u, read = 0;
	char bytes[400];
	struct weir_ended e;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct weir__bytes to = {bytes, 0, sizeof bytes};
		struct weir_attr attrs[] = {weir_attr_int("n", 1), weir_attr_strs("s", (struct weir_list){(struct weir_str[]){{"a", 1}}, 1})};
		const struct weir__span_record *list[1];
		struct weir__span_record *r;
		struct weir_batch batch;

		assert_true(weir__event_put(&to, STR("e"), 1, (struct weir_attrs){attrs, 2}));
		assert_true(weir__attr_put(&to, &attrs[1]));
		assert_true(weir__event_put(&to, STR("f"), 1, (struct weir_attrs){attrs, 1}));
		for (int changes = round % 4; changes >= 0; changes--) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			bytes[seed % to.used] = (char)(seed >> 32);
		}
		list[0] = r = record("n", "", bytes, (size_t)(round % 5 == 0 ? to.used - seed % 20 : to.used));
		batch = batch_of(list, 1);
		weir_ended_begin(&e, &batch);
		while (weir_ended_next(&e)) {
			for (size_t i = 0; i < e.events_count; i++)
				read += e.events[i].attrs.count + e.events[i].name.len;
			read += e.attrs.count;
		}
		free(batch.room);
		free(r);
	}
	assert_true(read != 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_was_said_is_read),
	cmocka_unit_test(each_key_once_the_last_one_counts),
	cmocka_unit_test(a_kind_that_there_is),
	cmocka_unit_test(what_is_broken_is_passed_over),
	cmocka_unit_test(values_that_are_not_of_their_type_are_left_out),
	cmocka_unit_test(any_bytes),
};
ALONE_MAIN(tests)

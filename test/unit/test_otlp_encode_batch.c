/* Batches: whole requests with resource and scope, pieces below a size, spans that are too large, no memory. The cursor is this
 * file's own, over spans made by hand; wire.c is in here, so that its memory can be refused. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static size_t refuse_after = SIZE_MAX;

static void *try_realloc(void *p, size_t size)
{
	if (refuse_after == 0)
		return NULL;
	refuse_after -= refuse_after != SIZE_MAX;
	return realloc(p, size);
}
#define realloc try_realloc
#include "wire.c"
#undef realloc

#include "encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <otlp.pb-c.h>

typedef Weir__Otlp__ExportTraceServiceRequest Request;

enum { SPANS = 100 };
static struct weir_batch {
	size_t count, large; /* large: the span that is, from 1; 0: none */
	uint64_t first;
} batch;

static const struct weir_attr resource[] = {{.key = {"service.name", 12}, .type = WEIR_ATTR_STR, .as.str = {"shop", 4}}};

size_t weir_batch_count(const struct weir_batch *b)
{
	return b->count;
}

struct weir_attrs weir_batch_resource(const struct weir_batch *b)
{
	(void)b;
	return (struct weir_attrs){resource, 1};
}

void weir_ended_begin(struct weir_ended *e, struct weir_batch *b)
{
	*e = (struct weir_ended){.private_ = {(uint64_t)(uintptr_t)b}};
}

bool weir_ended_next(struct weir_ended *e)
{
	static char text[100000];
	const struct weir_batch *b = (const struct weir_batch *)(uintptr_t)e->private_[0];

	if (e->private_[1] == b->count)
		return false;
	memset(text, 'x', sizeof text);
	e->start_ns = ++e->private_[1]; /* its number: what it is told by */
	e->name = weir_str_n(text, e->start_ns == b->large ? sizeof text : 100);
	return true;
}

/* The spans of a piece go on where the one before ended. */
static size_t check_piece(const uint8_t *bytes, size_t len, uint64_t *number)
{
	Request *r = weir__otlp__export_trace_service_request__unpack(NULL, len, bytes);
	size_t n;

	assert_non_null(r);
	assert_int_equal(r->n_resource_spans, 1);
	assert_string_equal(r->resource_spans[0]->resource->attributes[0]->key, "service.name");
	assert_int_equal(r->resource_spans[0]->n_scope_spans, 1);
	assert_string_equal(r->resource_spans[0]->scope_spans[0]->scope->name, "weir");
	assert_string_equal(r->resource_spans[0]->scope_spans[0]->scope->version, WEIR_VERSION_TEXT);
	n = r->resource_spans[0]->scope_spans[0]->n_spans;
	for (size_t i = 0; i < n; i++) {
		*number += *number + 1 == batch.large; /* left out */
		assert_int_equal(r->resource_spans[0]->scope_spans[0]->spans[i]->start_time_unix_nano, ++*number);
	}
	weir__otlp__export_trace_service_request__free_unpacked(r, NULL);
	return n;
}

/* All of the batch in pieces of a size; how many pieces. */
static size_t in_pieces(size_t max_bytes, size_t left_out)
{
	struct weir__otlp_bytes b = {0};
	struct weir__otlp_spans s;
	uint64_t number = 0;
	size_t pieces = 0, all = 0, count;

	weir__otlp_spans_begin(&s, &batch);
	for (;; pieces++) {
		size_t before = weir__otlp_used(&b);

		assert_int_equal(weir__otlp_spans_next(&s, &b, max_bytes, &count), WEIR_OK);
		if (count == 0) {
			assert_int_equal(weir__otlp_used(&b), before); /* no empty envelope */
			break;
		}
		assert_true(weir__otlp_used(&b) - before <= max_bytes);
		assert_int_equal(check_piece(b.start + before, weir__otlp_used(&b) - before, &number), count);
		all += count;
	}
	assert_int_equal(s.too_large, left_out);
	assert_int_equal(all + left_out, batch.count);
	weir__otlp_bytes_free(&b);
	return pieces;
}

static void one_request(void **state)
{
	(void)state;
	batch = (struct weir_batch){.count = SPANS};
	assert_int_equal(in_pieces(SIZE_MAX, 0), 1);
	batch.count = 0;
	assert_int_equal(in_pieces(SIZE_MAX, 0), 0);
}

static void pieces_below_a_size(void **state)
{
	(void)state;
	batch = (struct weir_batch){.count = SPANS};
	for (size_t most = 250; most < 20000; most += 97)
		assert_true(in_pieces(most, 0) >= SPANS * 100 / most);
	assert_int_equal(in_pieces(10, SPANS), 0);
}

static void too_large_a_span(void **state)
{
	(void)state;
	for (size_t large = 1; large <= SPANS; large += 11) {
		batch = (struct weir_batch){.count = SPANS, .large = large};
		in_pieces(5000, 1);
	}
}

/* Each growth refused in turn: nothing of the piece remains, and the next call gives the same spans. */
static void without_memory(void **state)
{
	size_t refused = 0;

	(void)state;
	batch = (struct weir_batch){.count = SPANS};
	for (size_t after = 0; after < 20; after++) {
		struct weir__otlp_spans s;
		struct weir__otlp_bytes first = {0}, second = {0};
		uint64_t number = 0;
		size_t count, total;

		weir__otlp_spans_begin(&s, &batch);
		assert_int_equal(weir__otlp_spans_next(&s, &first, 2000, &count), WEIR_OK);
		total = check_piece(first.start, weir__otlp_used(&first), &number);
		refuse_after = after;
		if (weir__otlp_spans_next(&s, &second, SIZE_MAX, &count) == WEIR_ENOMEM) {
			refused++;
			assert_int_equal(count, 0);
			assert_int_equal(weir__otlp_used(&second), 0);
			weir__otlp_bytes_free(&second);
			refuse_after = SIZE_MAX;
			assert_int_equal(weir__otlp_spans_next(&s, &second, SIZE_MAX, &count), WEIR_OK);
		}
		refuse_after = SIZE_MAX;
		total += check_piece(second.start, weir__otlp_used(&second), &number);
		assert_int_equal(total, SPANS);
		weir__otlp_bytes_free(&first);
		weir__otlp_bytes_free(&second);
	}
	assert_in_range(refused, 3, 19);
}

static size_t written;
static int collect(void *arg, const void *bytes, size_t len)
{
	(void)bytes;
	written += len;
	return arg != NULL ? -1 : 0;
}

static void by_a_callback(void **state)
{
	int stop = 1;

	(void)state;
	batch = (struct weir_batch){.count = SPANS};
	written = 0;
	assert_int_equal(weir_otlp_write_spans(&batch, collect, NULL), WEIR_OK);
	assert_true(written > SPANS * 100);
	assert_int_equal(weir_otlp_write_spans(&batch, collect, &stop), WEIR_EIO);
	refuse_after = 2;
	written = 0;
	assert_int_equal(weir_otlp_write_spans(&batch, collect, NULL), WEIR_ENOMEM);
	refuse_after = SIZE_MAX;
	assert_int_equal(written, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_request),
	    cmocka_unit_test(pieces_below_a_size),
	    cmocka_unit_test(too_large_a_span),
	    cmocka_unit_test(without_memory),
	    cmocka_unit_test(by_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

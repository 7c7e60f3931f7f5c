/* The byte buffer: grown, flushed through a callback that may refuse, or the caller's memory of any size. */
#include "out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LINES = 5000 };

/* Lines of many lengths, one of them longer than any chunk, written as encoders do: past their end, within the
 * slack. */
static void put_lines(struct weir__out *out, bool *ok)
{
	*ok = true;
	for (int i = 0; i < LINES && *ok; i++) {
		size_t len = i == LINES / 2 ? 200000 : (size_t)(i * 7 % 120);

		*ok = weir__out_room(out, len);
		if (*ok) {
			memset(out->at, 'a' + i % 26, len + WEIR__OUT_SLACK);
			out->at += len;
		}
		*ok = *ok && weir__out_put(out, "\n", 1);
	}
}

static char *wanted(size_t *len)
{
	struct weir__out out;
	bool ok;

	weir__out_grown(&out, 0);
	put_lines(&out, &ok);
	assert_true(ok);
	*len = weir__out_used(&out);
	return out.start;
}

struct sink {
	char *bytes;
	size_t len, calls, refuse_at, most;
};

static int take(void *arg, const void *bytes, size_t len)
{
	struct sink *sink = arg;

	if (sink->calls++ == sink->refuse_at)
		return -1;
	if (len > sink->most)
		sink->most = len;
	memcpy(sink->bytes + sink->len, bytes, len);
	sink->len += len;
	return 0;
}

static void flushed_in_chunks(void **state)
{
	size_t len;
	char *bytes = wanted(&len);
	struct sink sink = {.bytes = malloc(len), .refuse_at = SIZE_MAX};
	struct weir__out out;
	bool ok;

	(void)state;
	weir__out_flushed(&out, take, &sink);
	put_lines(&out, &ok);
	assert_true(ok);
	assert_int_equal(weir__out_finish(&out), WEIR_OK);
	assert_int_equal(sink.len, len);
	assert_memory_equal(sink.bytes, bytes, len);
	assert_true(sink.calls >= 3);
	assert_true(sink.most < 2 * 200000); /* nothing was gathered for longer than its longest line asked */
	free(sink.bytes);
	free(bytes);
}

static void a_refusal_ends_it(void **state)
{
	(void)state;
	for (size_t at = 0; at < 3; at++) {
		char *bytes = malloc(1 << 20);
		struct sink sink = {.bytes = bytes, .refuse_at = at};
		struct weir__out out;
		bool ok;

		weir__out_flushed(&out, take, &sink);
		put_lines(&out, &ok);
		assert_false(ok);
		assert_false(weir__out_room(&out, 1));
		assert_false(weir__out_put(&out, "x", 1));
		assert_int_equal(weir__out_finish(&out), WEIR_EIO);
		assert_int_equal(sink.calls, at + 1); /* not asked again */
		free(bytes);
	}
}

static void a_buffer_of_any_size(void **state)
{
	size_t len;
	char *bytes = wanted(&len);
	const size_t sizes[] = {0,       1,        63,       64,      65,  1000,    65535,  65536,
	                        len / 2, len - 65, len - 64, len - 1, len, len + 1, 2 * len};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t size = sizes[i], kept = size < len ? size : len;
		char *buf = size != 0 ? malloc(size) : NULL; /* exactly so long, for sanitizers */
		struct weir__out out;
		bool ok;

		weir__out_fixed(&out, buf, size);
		put_lines(&out, &ok);
		assert_true(ok);
		assert_int_equal(weir__out_finish(&out), WEIR_OK);
		assert_int_equal(out.total, len);
		if (kept != 0)
			assert_memory_equal(buf, bytes, kept);
		free(buf);
	}
	free(bytes);
}

static void nothing_at_all(void **state)
{
	struct sink sink = {.refuse_at = SIZE_MAX};
	struct weir__out out;

	(void)state;
	weir__out_flushed(&out, take, &sink);
	assert_int_equal(weir__out_finish(&out), WEIR_OK);
	assert_int_equal(sink.calls, 0);
	weir__out_fixed(&out, NULL, 100);
	assert_int_equal(weir__out_finish(&out), WEIR_OK);
	assert_int_equal(out.total, 0);
	weir__out_grown(&out, 0);
	weir__out_free(&out);
}

static void more_than_memory_holds(void **state)
{
	struct weir__out out;

	(void)state;
	weir__out_grown(&out, 0);
	assert_false(weir__out_room(&out, SIZE_MAX / 2));
	assert_int_equal(out.error, WEIR_ENOMEM);
	assert_false(weir__out_put(&out, "x", 1));
	weir__out_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flushed_in_chunks),      cmocka_unit_test(a_refusal_ends_it),
	    cmocka_unit_test(a_buffer_of_any_size),   cmocka_unit_test(nothing_at_all),
	    cmocka_unit_test(more_than_memory_holds),
	};

	return cmocka_run_group_tests_name("prom_out", tests, NULL, NULL);
}

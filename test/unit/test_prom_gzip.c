/* gzip: what went in comes out, whatever pieces it came in, and is smaller. */
#include "gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

static void check(const char *bytes, size_t len, size_t piece)
{
	struct weir__gzip *g;
	struct weir__out out;
	char *back = malloc(len + 1);
	z_stream z = {.next_out = (Bytef *)back, .avail_out = (uInt)len + 1};

	weir__out_grown(&out, 0);
	g = weir__gzip_new(&out);
	assert_non_null(g);
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(weir__gzip_write(g, bytes + at, len - at < piece ? len - at : piece), WEIR_OK);
	assert_int_equal(weir__gzip_end(g), WEIR_OK);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK); /* gzip's header and checksum, nothing else */
	z.next_in = (Bytef *)out.start;
	z.avail_in = (uInt)weir__out_used(&out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, len);
	assert_int_equal(z.avail_in, 0);
	assert_memory_equal(back, bytes, len);
	inflateEnd(&z);
	weir__out_free(&out);
	free(back);
}

static void what_goes_in_comes_out(void **state)
{
	enum { LEN = 1000003 };
	char *text = malloc(LEN), *noise = malloc(LEN);
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < LEN; i++) {
		text[i] = "http_requests_total{method=\"GET\"} 1\n"[i % 36];
		random = random * 1664525u + 1013904223u;
		noise[i] = (char)(random >> 24);
	}
	check("", 0, 1);
	check("x", 1, 1);
	check(text, LEN, 4096);
	check(text, LEN, LEN);
	check(text, 3000, 1);
	check(noise, LEN, 65536); /* does not shrink: the stream is longer than what went in */
	free(text);
	free(noise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_goes_in_comes_out)};

	return cmocka_run_group_tests_name("prom_gzip", tests, NULL, NULL);
}

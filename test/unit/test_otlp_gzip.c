/* gzip: what comes out is what went in, of every size, behind what stood there before. */
#include "gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 1000, 65535, 65536, 65537, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (unsigned noisy = 0; noisy < 2; noisy++) {
			size_t len = sizes[i];
			uint8_t *in = malloc(len + 1), *out = malloc(len + 1);
			struct weir__otlp_bytes b = {0};
			z_stream z = {0};

			for (size_t n = 0; n < len; n++)
				in[n] = noisy ? (uint8_t)(rand() >> 7) : (uint8_t)("weir.otlp "[n % 10]);
			weir__otlp_put_fixed32(&b, 1, 7);
			assert_int_equal(weir__otlp_gzip(&b, in, len), WEIR_OK);
			if (len > 1000 && !noisy)
				assert_true(weir__otlp_used(&b) < len / 10);
			assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
			z.next_in = b.start + 5;
			z.avail_in = (uInt)weir__otlp_used(&b) - 5;
			z.next_out = out;
			z.avail_out = (uInt)len + 1;
			assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
			assert_int_equal(z.total_out, len);
			assert_int_equal(z.avail_in, 0);
			assert_memory_equal(in, out, len);
			inflateEnd(&z);
			weir__otlp_bytes_free(&b);
			free(in);
			free(out);
		}
}

static void without_memory(void **state)
{
	struct weir__otlp_bytes b = {.failed = true};

	(void)state;
	assert_int_equal(weir__otlp_gzip(&b, "x", 1), WEIR_ENOMEM);
	assert_int_equal(weir__otlp_used(&b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(without_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

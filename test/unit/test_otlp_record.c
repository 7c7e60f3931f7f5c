/* Files of the spool: a round trip, and each bit of a file that is not as it was written. */
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t *file_of(const char *body, size_t len, size_t *size)
{
	struct weir__otlp_record r = {WEIR__OTLP_METRICS, true, 77, 1700000000000000001u, (const uint8_t *)body, len};
	uint8_t *bytes = malloc(WEIR__OTLP_RECORD_HEAD + len);

	assert_non_null(bytes);
	weir__otlp_record_head(bytes, &r);
	memcpy(bytes + WEIR__OTLP_RECORD_HEAD, body, len);
	*size = WEIR__OTLP_RECORD_HEAD + len;
	return bytes;
}

static void round_trip(void **state)
{
	struct weir__otlp_record r;
	size_t size;
	uint8_t *bytes = file_of("hello", 5, &size);

	(void)state;
	assert_memory_equal(bytes, "weirotlp\1\0\0\0\1\0\0\0\1\0\0\0", 20);
	assert_int_equal(weir__otlp_record_items(bytes), 77);
	assert_true(weir__otlp_record_read(&r, bytes, size));
	assert_int_equal(r.signal, WEIR__OTLP_METRICS);
	assert_true(r.gzip);
	assert_int_equal(r.items, 77);
	assert_true(r.made_wall_ns == 1700000000000000001u);
	assert_int_equal(r.len, 5);
	assert_memory_equal(r.body, "hello", 5);
	free(bytes);
}

static void damage(void **state)
{
	struct weir__otlp_record r;
	size_t size;
	uint8_t *bytes = file_of("hello", 5, &size);

	(void)state;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (weir__otlp_record_read(&r, bytes, size))
			fail_msg("bit %zu", bit);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < size; len++) {
		uint8_t *cut = malloc(len != 0 ? len : 1);

		memcpy(cut, bytes, len);
		assert_false(weir__otlp_record_read(&r, cut, len));
		free(cut);
	}
	free(bytes);
	bytes = file_of("", 0, &size);
	assert_false(weir__otlp_record_read(&r, bytes, size));
	free(bytes);
}

static void names(void **state)
{
	static const char *const wrong[] = {"", "lock", "0000000000000001-00000001.logs", "0000000000000001-00000001.traces.tmp",
	                                    "000000000000001-00000001.traces", "000000000000000G-00000001.traces",
	                                    "0000000000000001_00000001.traces", "0000000000000001-00000001", "../../../../../etc/passwd"};
	char name[WEIR__OTLP_RECORD_NAME], later[WEIR__OTLP_RECORD_NAME];
	enum weir__otlp_signal signal;
	uint64_t made;
	uint32_t number;

	(void)state;
	weir__otlp_record_name(name, 0x17979cfe362a0000u, 255, WEIR__OTLP_TRACES);
	assert_string_equal(name, "17979cfe362a0000-000000ff.traces");
	assert_true(weir__otlp_record_parse_name(name, &made, &number, &signal));
	assert_true(made == 0x17979cfe362a0000u && number == 255 && signal == WEIR__OTLP_TRACES);
	weir__otlp_record_name(later, 0x17979cfe362a0000u, 256, WEIR__OTLP_METRICS);
	assert_true(strcmp(name, later) < 0);
	weir__otlp_record_name(name, UINT64_MAX, UINT32_MAX, WEIR__OTLP_METRICS);
	assert_true(weir__otlp_record_parse_name(name, &made, &number, &signal));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (weir__otlp_record_parse_name(wrong[i], &made, &number, &signal))
			fail_msg("%s", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(damage), cmocka_unit_test(names)};

	return cmocka_run_group_tests_name("otlp_record", tests, NULL, NULL);
}

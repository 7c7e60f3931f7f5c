/* Every result has its text, no two the same, each one a label's value. */
#include <weir/jwt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const texts[] = {
#define TEXT(value, name, text) [value] = text,
    WEIR_JWT_RESULTS(TEXT)
#undef TEXT
};

static void each_has_its_text(void **state)
{
	size_t count = sizeof texts / sizeof *texts;

	(void)state;
	assert_int_equal(count, 21);
	for (size_t i = 0; i < count; i++) {
		assert_non_null(texts[i]); /* no number is left out */
		assert_string_equal(weir_jwt_result_text((enum weir_jwt_result)i), texts[i]);
		assert_int_equal(strspn(texts[i], "abcdefghijklmnopqrstuvwxyz_"), strlen(texts[i]));
		for (size_t n = 0; n < i; n++)
			assert_string_not_equal(texts[i], texts[n]);
	}
	assert_string_equal(weir_jwt_result_text((enum weir_jwt_result)count), "unknown");
	assert_string_equal(weir_jwt_result_text((enum weir_jwt_result)-1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_has_its_text)};

	return cmocka_run_group_tests_name("jwt_result", tests, NULL, NULL);
}

/* weir-jwt: its probes: they take any context and any result, and change neither. Who watches is played by writing a semaphore; what
 * they say is test/e2e/probes_scripts.py's. */
#include "probe_auth.h"

#include <weir/usdt.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

WEIR_PROBE_DECLARE_(weir_auth_ok_semaphore);
WEIR_PROBE_DECLARE_(weir_auth_refused_semaphore);

static void they_take_anything(void **state)
{
	struct weir_ctx ctx, before;

	(void)state;
	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_route(&ctx, weir_str_of("/a"));
	memcpy(&before, &ctx, sizeof ctx);
	weir_auth_ok_semaphore = weir_auth_refused_semaphore = 1;
	for (int result = 0; result <= WEIR_JWT_NO_MEMORY; result++) {
		weir__jwt_probe_result(&ctx, (enum weir_jwt_result)result, result % 2 == 0);
		weir__jwt_probe_result(NULL, (enum weir_jwt_result)result, false);
	}
	weir__jwt_probe_result(&ctx, (enum weir_jwt_result)1000, false);
	weir_auth_ok_semaphore = weir_auth_refused_semaphore = 0;
	assert_memory_equal(&ctx, &before, sizeof ctx);
	weir_ctx_end(&ctx);
}

static void reasons_fit(void **state)
{
	(void)state;
	for (int result = 0; result <= WEIR_JWT_NO_MEMORY; result++) {
		assert_in_range(strlen(weir_jwt_result_text((enum weir_jwt_result)result)), 1, 63);
		for (int other = 0; other < result; other++)
			assert_string_not_equal(weir_jwt_result_text((enum weir_jwt_result)result), weir_jwt_result_text((enum weir_jwt_result)other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(they_take_anything),
	    cmocka_unit_test(reasons_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

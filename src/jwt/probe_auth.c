/* weir-jwt: its probes. See probe_auth.h. Layer: jwt. No data of its own but the semaphores. */
#include "probe_auth.h"

#include <weir/abi/private.h>
#include <weir/usdt.h>

#include <string.h>

#define WORD(v) ((uintptr_t)(v))

WEIR_PROBE_DECLARE_(weir_auth_ok_semaphore);
WEIR_PROBE_DECLARE_(weir_auth_refused_semaphore);

static __attribute__((cold, noinline)) void fire(const struct weir_ctx *ctx, enum weir_jwt_result result, bool cached)
{
	struct weir_private_about of;
	char reason[64] = "";

	strncpy(reason, weir_jwt_result_text(result), sizeof reason - 1);
	weir_private_ctx_about(ctx, &of);
	if (result == WEIR_JWT_OK)
		WEIR_PROBE_HERE_(weir, auth_ok, 5, WORD(of.trace_id), WORD(of.peer), WORD(of.route), WORD(of.tenant), WORD(cached));
	else
		WEIR_PROBE_HERE_(weir, auth_refused, 5, WORD(of.trace_id), WORD(reason), WORD(of.peer), WORD(of.route), WORD(of.tenant));
}

void weir__jwt_probe_result(const struct weir_ctx *ctx, enum weir_jwt_result result, bool cached)
{
	WEIR_PROBE_DEFINE_(weir_auth_ok_semaphore);
	WEIR_PROBE_DEFINE_(weir_auth_refused_semaphore);
	if (__builtin_expect((result == WEIR_JWT_OK ? weir_auth_ok_semaphore : weir_auth_refused_semaphore) != 0, 0))
		fire(ctx, result, cached);
}

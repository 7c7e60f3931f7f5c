/* L0: where a thread's context is seen from outside. See thread_context.h. Writer: each thread its own. */
#include "thread_context.h"

#include <weir/abi/thread_context.h>

__thread const void *otel_thread_ctx_v1;

const void **weir__thread_context(void)
{
	return &otel_thread_ctx_v1;
}

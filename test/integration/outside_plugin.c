/* A plugin that brings libweir into a host that has none, and says where its thread's trace stands. Loaded by outside.c. */
#define _GNU_SOURCE
#include <weir/abi/thread_context.h>
#include <weir/weir.h>

__attribute__((visibility("default"))) int plugin_attach(struct weir_ctx *ctx, struct weir_scope *scope, const void **slot);
__attribute__((visibility("default"))) void plugin_detach(struct weir_ctx *ctx, struct weir_scope scope);

int plugin_attach(struct weir_ctx *ctx, struct weir_scope *scope, const void **slot)
{
	weir_ctx_begin(ctx, NULL, 0);
	weir_ctx_ids(ctx);
	*scope = weir_ctx_attach(ctx);
	*slot = &otel_thread_ctx_v1;
	return otel_thread_ctx_v1 == ctx;
}

void plugin_detach(struct weir_ctx *ctx, struct weir_scope scope)
{
	weir_ctx_detach(scope);
	weir_ctx_end(ctx);
}

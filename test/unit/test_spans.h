/* What the tests of src/spans.c begin with: test_spans.c, test_spans_broken.c. Spans whose name is their number. */
#ifndef TEST_SPANS_H
#define TEST_SPANS_H

#define _GNU_SOURCE
#include "ids.h"
#include "ring.h"
#include "spans.h"

#include <weir/exporter.h>

#include "alone.h"

enum { QUEUE = 100, BATCH = 16 };

static inline void configure(uint64_t pool_bytes, uint32_t queue, uint32_t batch)
{
	weir__spans_configure(&(struct weir__spans_options){pool_bytes, queue, batch, WEIR_S(5), WEIR_S(30)});
}

static inline uint32_t join(void)
{
	uint32_t taker = UINT32_MAX;

	assert_int_equal(weir__spans_join(&taker), WEIR_OK);
	return taker;
}

/* One root span, whose kind of name is its number. */
static inline void end_one(uint64_t number)
{
	struct weir_ctx ctx;
	struct weir_span span;
	char name[24];

	snprintf(name, sizeof name, "%llu", (unsigned long long)number);
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_INTERNAL, name);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
}

static inline uint64_t number_of(struct weir_str name)
{
	char text[24] = "";

	memcpy(text, name.ptr, name.len < sizeof text ? name.len : 0);
	return strtoull(text, NULL, 10);
}

#endif

/* What the tests of src/retire.c begin with: test_retire.c, test_retire_outside.c. */
#ifndef TEST_RETIRE_H
#define TEST_RETIRE_H

#define _GNU_SOURCE
#include "retire.h"

#include "claim.h"
#include "exemplar.h"
#include "pages.h"
#include "segment.h"

#include "../integration/segment_reader.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "alone.h"

WEIR_COUNTER(requests, "requests_total", "Requests.", "method", WEIR_CLAIM("tenant"));
WEIR_COUNTER(both, "both_total", "By two.", WEIR_CLAIM("tenant"), WEIR_CLAIM("plan"));
WEIR_HISTOGRAM(body, WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(10, 100)), "body_bytes", "Sizes.", WEIR_CLAIM("tenant"));

static int tenant, plan;
static inline void start(void)
{
	struct weir_options options = {.size = sizeof options, .no_thread = true, .no_process = true};

	assert_int_equal(weir_init(&options), WEIR_OK); /* weir's own metrics are there; nobody ticks but who pumps */
	tenant = weir_private_tag_define(&(struct weir_private_tag){"tenant", "tenant", NULL, "anonymous"});
	plan = weir_private_tag_define(&(struct weir_private_tag){"plan", "plan", NULL, NULL});
}

static inline uint64_t tag(struct weir_ctx *ctx, int which, const char *text)
{
	uint64_t place = weir_private_place_take(which, weir_str_of(text));

	weir_private_ctx_tag(ctx, which, weir_str_of(text), place);
	return place;
}

static inline uint64_t begin(struct weir_ctx *ctx, const char *who)
{
	weir_ctx_begin(ctx, NULL, 0);
	weir_private_ctx_tags_begin(ctx, 1, 0);
	return tag(ctx, tenant, who);
}

/* Values joined by |. Nothing stands twice. False: there is none. */
static inline bool find(const struct weir_snapshot *snapshot, const char *name, const char *values, struct weir_series *found)
{
	struct weir_family f;
	struct weir_series s;
	bool is = false;

	memset(found, 0, sizeof *found);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		for (weir_series_begin(&s, &f); strcmp(f.name, name) == 0 && weir_series_next(&s);) {
			char text[600] = "";

			for (size_t k = 0; k < f.labels_count && s.values != NULL; k++)
				snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", k != 0 ? "|" : "", s.values[k].ptr);
			if (s.overflow || strcmp(text, values) != 0)
				continue;
			assert_false(is);
			*found = s;
			is = true;
		}
	return is;
}

static inline uint64_t value_of(const char *name, const char *values)
{
	struct weir_snapshot *snapshot;
	struct weir_series s;
	uint64_t value = UINT64_MAX;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	if (find(snapshot, name, values, &s))
		value = s.count;
	weir_snapshot_destroy(snapshot);
	return value;
}

#endif

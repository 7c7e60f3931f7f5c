/* What the tests of src/snapshot.c begin with: test_snapshot.c, test_snapshot_cursors.c. */
#ifndef TEST_SNAPSHOT_H
#define TEST_SNAPSHOT_H

#define _GNU_SOURCE
#include "snapshot.h"
#include "exemplar.h"
#include "observe.h"

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPTIONS(...) (&(struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), __VA_ARGS__})

static inline struct weir_snapshot *take(void)
{
	struct weir_snapshot *snapshot = NULL;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	assert_non_null(snapshot);
	return snapshot;
}

static inline bool find(const struct weir_snapshot *snapshot, const char *name, const char *value, struct weir_series *s)
{
	struct weir_str v = weir_str_of(value);

	return weir_snapshot_find(snapshot, name, &v, value != NULL ? 1 : 0, s);
}

static inline bool family(const struct weir_snapshot *snapshot, const char *name, struct weir_family *f)
{
	for (weir_family_begin(f, snapshot); weir_family_next(f);)
		if (strcmp(f->name, name) == 0)
			return true;
	return false;
}

static inline uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#endif

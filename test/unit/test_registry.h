/* What the tests of src/registry.c begin with: test_registry.c, test_registry_configure.c, test_registry_cells.c. */
#ifndef TEST_REGISTRY_H
#define TEST_REGISTRY_H

#define _GNU_SOURCE
#include "registry.h"
#include "log.h"
#include "shard.h"

#include <weir/snapshot.h>

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OPTIONS(...) (&(struct weir_instrument_options){.size = sizeof(struct weir_instrument_options), __VA_ARGS__})
#define BOUNDS(...)                                                                                                    \
	.bounds = (const uint64_t[]){__VA_ARGS__}, .bounds_count = COUNT(((const uint64_t[]){__VA_ARGS__}))

static inline int counter(const struct weir_counter **c, const char *name, const char *const *labels,
                          const struct weir_instrument_options *options)
{
	return weir_counter_create(c, name, "Help.", labels, options);
}

static inline const struct weir_counter *made(const char *name, const char *const *labels,
                                              const struct weir_instrument_options *options)
{
	const struct weir_counter *c = NULL;

	assert_int_equal(counter(&c, name, labels, options), WEIR_OK);
	return c;
}

static inline void hear(void)
{
	struct weir_options o = {.size = sizeof o, .log = say_to_test, .no_thread = true, .no_process = true};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

#endif

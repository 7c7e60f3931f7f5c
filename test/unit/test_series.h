/* What the tests of src/series.c begin with: test_series.c, test_series_mended.c. */
#ifndef TEST_SERIES_H
#define TEST_SERIES_H

#define _GNU_SOURCE
#include "label.h"
#include "registry.h"

#include <weir/snapshot.h>

#include <sys/mman.h>
#include <sys/resource.h>

#include "alone.h"

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline const struct weir_counter *made(const char *name, const char *const *labels, uint32_t max_series)
{
	struct weir_instrument_options o = {.size = sizeof o, .max_series = max_series};
	const struct weir_counter *c = NULL;

	assert_int_equal(weir_counter_create(&c, name, "Help.", labels, &o), WEIR_OK);
	return c;
}

static inline const struct weir__instrument *record_of(const struct weir_counter *c)
{
	return c->i_.state_->series_;
}

static inline uint64_t read2(const struct weir_counter *c, struct weir_str a, struct weir_str b)
{
	return weir_counter_series_read(weir_counter_values(c, (struct weir_str[]){a, b}, 2));
}

#endif

/* What the tests of src/lifecycle.c begin with: test_lifecycle.c, test_lifecycle_fork.c. */
#ifndef TEST_LIFECYCLE_H
#define TEST_LIFECYCLE_H

#define _GNU_SOURCE
#include "pipeline.h"
#include "registry.h"
#include "shard.h"

#include <weir/abi/private.h>
#include <weir/snapshot.h>

#include "alone.h"

WEIR_COUNTER(counter, "life_counter_total", "Counted at any time.");
WEIR_COUNTER(counters, "life_counters_total", "Counted by label.", "a");
WEIR_GAUGE(gauge, "life_gauge", "Set at any time.");
WEIR_HISTOGRAM(histogram, WEIR_LATENCY, "life_histogram_seconds", "Recorded at any time.");

static inline struct weir_options quiet(void)
{
	struct weir_options o = {.size = sizeof o, .log = say_to_test, .no_process = true};

	return o;
}

#endif

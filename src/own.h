/* L3: instruments of weir's own: declared like anybody's, but registered at weir_init, and by no constructor. */
#ifndef WEIR_OWN_H
#define WEIR_OWN_H

#include <weir/metric.h>

#define WEIR__OWN_GAUGE(var, unit, ...)                                                                                \
	WEIR_DECLARE_(weir_observed, var, WEIR_OBSERVED_GAUGE_KIND, unit, NULL, NULL, 0, _Static_assert(1, ""), __VA_ARGS__)
#define WEIR__OWN_COUNTER(var, unit, ...)                                                                              \
	WEIR_DECLARE_(weir_observed, var, WEIR_OBSERVED_COUNTER_KIND, unit, NULL, NULL, 0, _Static_assert(1, ""), __VA_ARGS__)

#endif

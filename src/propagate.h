/* L1: which headers carry a trace. Pure: no data of its own, safe in a signal handler.
 * A name is found without regard to the case of its letters, and no other byte stands for another. */
#ifndef WEIR_PROPAGATE_H
#define WEIR_PROPAGATE_H

#include <weir/base.h>

enum weir__header {
	WEIR__HEADER_NONE,
	WEIR__HEADER_TRACEPARENT,
	WEIR__HEADER_TRACESTATE,
	WEIR__HEADER_BAGGAGE,
	WEIR__HEADER_B3,
	WEIR__HEADER_X_B3_TRACEID,
	WEIR__HEADER_X_B3_SPANID,
	WEIR__HEADER_X_B3_SAMPLED,
	WEIR__HEADER_X_B3_FLAGS,
};

enum weir__header weir__header_of(struct weir_str name);
/* Whether one of these names, or one of own_len bytes, has that length. */
static inline bool weir__header_may_be(size_t len, size_t own_len)
{
	enum { LENGTHS = 1 << 2 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 12 };

	return (len <= 12 && (LENGTHS >> len & 1) != 0) || len == own_len;
}

#endif

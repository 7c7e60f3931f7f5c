/* L1: names of the headers that carry a trace. See propagate.h. Pure: no data of its own. */
#include "propagate.h"

#include <string.h>

/* Both have len bytes, 7 to 16; name is in small letters. 0x20 is set only where name has a letter (which have bit 0x40),
 * so that no other byte passes for one. Two words, which may overlap, see all of it. */
static inline __attribute__((always_inline)) bool same(const char *text, const char *name, size_t len)
{
	uint64_t a, b, x, y;

	if (len < 8) {
		uint32_t c, d, z, w;

		memcpy(&c, text, 4);
		memcpy(&d, text + len - 4, 4);
		memcpy(&z, name, 4);
		memcpy(&w, name + len - 4, 4);
		return ((c | (z & 0x40404040u) >> 1) ^ z) == 0 && ((d | (w & 0x40404040u) >> 1) ^ w) == 0;
	}
	memcpy(&a, text, 8);
	memcpy(&b, text + len - 8, 8);
	memcpy(&x, name, 8);
	memcpy(&y, name + len - 8, 8);
	a = (a | (x & UINT64_C(0x4040404040404040)) >> 1) ^ x;
	b = (b | (y & UINT64_C(0x4040404040404040)) >> 1) ^ y;
	return (a | b) == 0;
}

enum weir__header weir__header_of(struct weir_str name)
{
	const char *p = name.ptr;

	if (p == NULL)
		return WEIR__HEADER_NONE;
	switch (name.len) {
	case 2:
		return (p[0] | 0x20) == 'b' && p[1] == '3' ? WEIR__HEADER_B3 : WEIR__HEADER_NONE;
	case 7:
		return same(p, "baggage", 7) ? WEIR__HEADER_BAGGAGE : WEIR__HEADER_NONE;
	case 10:
		return same(p, "tracestate", 10)   ? WEIR__HEADER_TRACESTATE
		       : same(p, "x-b3-flags", 10) ? WEIR__HEADER_X_B3_FLAGS
		                                   : WEIR__HEADER_NONE;
	case 11:
		return same(p, "traceparent", 11)   ? WEIR__HEADER_TRACEPARENT
		       : same(p, "x-b3-spanid", 11) ? WEIR__HEADER_X_B3_SPANID
		                                    : WEIR__HEADER_NONE;
	case 12:
		return same(p, "x-b3-traceid", 12)   ? WEIR__HEADER_X_B3_TRACEID
		       : same(p, "x-b3-sampled", 12) ? WEIR__HEADER_X_B3_SAMPLED
		                                     : WEIR__HEADER_NONE;
	default:
		return WEIR__HEADER_NONE;
	}
}

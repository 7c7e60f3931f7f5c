/* L1: B3, the trace headers of Zipkin, in one header and in several. Pure: no data of its own, safe in a signal handler.
 * A 64-bit trace id is widened with zeros in front. Header names are the caller's matter; see propagate.h. */
#ifndef WEIR_B3_H
#define WEIR_B3_H

#include <weir/snapshot.h>

enum weir__b3_sampling {
	WEIR__B3_DEFERRED, /* nothing was said: the receiver decides */
	WEIR__B3_NO,
	WEIR__B3_YES,
	WEIR__B3_DEBUG, /* yes, whatever a sampler thinks */
};
struct weir__b3 {
	struct weir_ids ids; /* the sampled flag too; all zero without ids */
	enum weir__b3_sampling sampling;
	bool has_ids;
};
enum { WEIR__B3_SINGLE_MAX = 52 };
struct weir__b3_multi { /* of a header that is not there: ptr NULL */
	struct weir_str trace_id, span_id, sampled, flags;
};
struct weir__b3_text {
	char trace_id[33], span_id[17];
	char sampled[2], flags[2]; /* "0" or "1"; "": the header is not sent */
};

/* b3: {trace}-{span}[-{0|1|d}[-{parent}]], or {0|1|d} alone. False: not valid, and *out is all zero. */
bool weir__b3_parse(struct weir__b3 *out, struct weir_str value);
/* The X-B3- headers. Flags 1 is debug and beats sampled; sampled may be 0, 1, true, false. False: ids are there and not valid
 * (or one of the two is missing), or sampled is not valid; *out is then all zero. Nothing at all there: false. */
bool weir__b3_parse_multi(struct weir__b3 *out, const struct weir__b3_multi *in);

/* Ends in NUL; returns the length. Without ids, the sampling alone; without that either, 0. */
size_t weir__b3_write(char out[WEIR__B3_SINGLE_MAX], const struct weir__b3 *b3);
/* All end in NUL; an empty text: the header is not sent. */
void weir__b3_write_multi(struct weir__b3_text *out, const struct weir__b3 *b3);

#endif

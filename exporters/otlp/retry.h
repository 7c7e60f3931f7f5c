/* weir-otlp: what is done after an attempt: it is done, tried again at a time, or dropped.
 *
 * Layer: exporter, pure: time and chance are given. Invariant: a request that a server may have taken is never sent again,
 * but where it said so (429, 502, 503, 504) or said nothing at all. No data. */
#ifndef WEIR_OTLP_RETRY_H
#define WEIR_OTLP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* How an attempt ended, in the words of the rules. */
enum weir__otlp_ended {
	WEIR__OTLP_ENDED_ANSWERED,   /* with a status, and its whole body */
	WEIR__OTLP_ENDED_SILENT,     /* no connection, or it ended (or our patience did) before there was a status */
	WEIR__OTLP_ENDED_INCOMPLETE, /* there was a status, but its body ended, was cut or was no encoding */
	WEIR__OTLP_ENDED_TOO_LARGE,  /* there was a status, and more of a body than we take */
	WEIR__OTLP_ENDED_NO_HTTP,    /* what came is not HTTP */
};
struct weir__otlp_attempt {
	enum weir__otlp_ended ended;
	long status;             /* 0: none */
	const char *retry_after; /* the header's value, or NULL */
	unsigned number;         /* 1 for the first */
	uint64_t now_ns;         /* monotonic */
	int64_t wall_s;          /* now, seconds of the epoch: for dates */
	uint32_t random;
};
enum weir__otlp_do { WEIR__OTLP_DONE, WEIR__OTLP_RETRY, WEIR__OTLP_DROP };
struct weir__otlp_verdict {
	enum weir__otlp_do what;
	uint64_t at_ns; /* RETRY: not before */
	bool told;      /* the server named the time */
};

struct weir__otlp_verdict weir__otlp_retry(const struct weir__otlp_attempt *attempt);
/* Seconds, or a date of HTTP; -1: neither. At most a day. */
int64_t weir__otlp_retry_after(const char *text, int64_t wall_s);

#endif

/* L1: the W3C tracestate as a list in a fixed space, and OpenTelemetry's member of it (`ot=th:..;rv:..`). Pure; safe in a
 * signal handler; one thread at a time for one list. All zeros is the empty list.
 * A list is always valid, joined with "," without white space, and never over 32 members or 512 bytes. */
#ifndef WEIR_TRACESTATE_H
#define WEIR_TRACESTATE_H

#include <weir/base.h>

enum {
	WEIR__TRACESTATE_BYTES = 512,
	WEIR__TRACESTATE_MEMBERS = 32,
	WEIR__TRACESTATE_KEY = 256,
	WEIR__TRACESTATE_VALUE = 256,
	WEIR__TRACESTATE_LARGE = 128, /* members over it go first when there is no room */
	WEIR__OT_MAX = 256,
};
enum { /* flags */
	WEIR__TRACESTATE_BAD = 1,  /* a header was not valid: nothing of the request's is kept */
	WEIR__TRACESTATE_CUT = 2,  /* members were dropped for want of room */
	WEIR__TRACESTATE_FULL = 4, /* the end was cut off: what headers add from here on is dropped too */
};

struct __attribute__((may_alias)) weir__tracestate { /* it lies in a caller's context: context.h */
	uint16_t len;
	uint8_t members; /* in text */
	uint8_t seen;    /* in the headers, dropped ones too */
	uint8_t flags;
	uint8_t reserved_;
	char text[WEIR__TRACESTATE_BYTES]; /* no NUL */
};

/* Appends one header's value; several headers are added in their order. When one is not valid, or a key stands twice, or there
 * are more than 32 members, the list becomes empty and stays so for all further headers; traceparent is not concerned. Past 512
 * bytes whole members go: those over 128 bytes first, then from the end. */
void weir__tracestate_add(struct weir__tracestate *t, struct weir_str value);

/* A view into the list, until it is changed; ptr NULL: there is none. */
struct weir_str weir__tracestate_get(const struct weir__tracestate *t, struct weir_str key);
/* Puts the member first, and takes a former one of that key away; the others keep their order, and the last of them go when
 * there are 32, and for want of room as above. key and value may be views into the list. WEIR_EINVAL: not a key, not a value;
 * WEIR_ELIMIT: over 512 bytes alone; the list is then as before. */
int weir__tracestate_set(struct weir__tracestate *t, struct weir_str key, struct weir_str value);
/* WEIR_ENOTFOUND when there is none. */
int weir__tracestate_remove(struct weir__tracestate *t, struct weir_str key);
static inline struct weir_str weir__tracestate_text(const struct weir__tracestate *t) /* the header to send; empty: none */
{
	return weir_str_n(t->text, t->len);
}

/* OpenTelemetry's probability sampling: a span is kept where its randomness (rv, else the trace id's last 56 bits) is not below
 * the threshold. */
struct weir__ot {
	uint64_t threshold; /* th: of 2^56, rejected below it */
	uint64_t random;    /* rv: 56 bits */
	bool has_threshold, has_random;
};
/* value: of the member "ot". False when a part of it is not valid; out then has the other parts. */
bool weir__ot_read(struct weir_str value, struct weir__ot *out);
/* The member's new value: th and rv as ot has them, in the place they had, else in front; every other valid part of the former
 * value stays where it is, or, past 256 bytes, is dropped from the end. The length; 0: the member is to be removed.
 * out must not be the former value's memory. */
size_t weir__ot_write(char out[WEIR__OT_MAX], struct weir_str former, const struct weir__ot *ot);
/* The randomness of a trace id. */
uint64_t weir__ot_random_of(const uint8_t trace_id[16]);

#endif

/* L1: the W3C traceparent, and ids as hexadecimal text. Pure: no data of its own, nothing allocated, safe in a signal handler.
 * What is read or written is lower case, always. */
#ifndef WEIR_W3C_H
#define WEIR_W3C_H

#include <weir/snapshot.h>

enum {
	WEIR__TRACEPARENT_LEN = 55,
	WEIR__FLAG_SAMPLED = 1,
	WEIR__FLAG_RANDOM = 2, /* the trace id's last 7 bytes are random */
};

/* One traceparent (W3C Trace Context level 2); white space around it is passed over. False: not valid, and *out is not
 * touched. Of the flags, sampled and random are kept. Two headers of this name are the caller's to refuse. */
bool weir__traceparent_parse(struct weir_ids *out, struct weir_str value);
/* Version 00, with the two flags; ends in NUL; returns the length, 55. */
size_t weir__traceparent_write(char out[WEIR__TRACEPARENT_LEN + 1], const struct weir_ids *ids);

/* 2 n characters, no NUL. */
void weir__hex_write(char *out, const uint8_t *bytes, size_t n);
/* n bytes of 2 n characters; false, and out unspecified, when one is none of 0-9 a-f. */
bool weir__hex_read(uint8_t *out, const char *text, size_t n);
bool weir__is_zero(const uint8_t *bytes, size_t n);

/* White space as HTTP's lists and headers have it: spaces and tabs. */
struct weir_str weir__trim(struct weir_str text);
/* The next element of a list, trimmed, or empty; *rest goes past its separator, and has ptr NULL after the last. */
struct weir_str weir__list_next(struct weir_str *rest, char separator);

#endif

/* L1: percent coding (RFC 3986), as baggage and the OTEL_ variables have it. Pure: no data of its own, safe in a signal
 * handler. What is encoded here is plain baggage octets, and decodes to the same bytes. */
#ifndef WEIR_PERCENT_H
#define WEIR_PERCENT_H

#include <weir/base.h>

/* The octet at text[*at], decoded, and *at past it. -1: a '%' without two hexadecimal digits, and *at past the '%'. */
int weir__percent_next(struct weir_str text, size_t *at);
/* Decoded into out, which ends in NUL; the length, or size where it does not fit or is not well-formed. */
size_t weir__percent_decode(char *out, size_t size, struct weir_str text);
/* What no baggage value may hold, and '%', becomes %XX. Nothing past size is written, no NUL; the length it has or would have. */
size_t weir__percent_encode(char *out, size_t size, struct weir_str text);
/* A baggage octet: printable, but not space, '"', ',', ';' and '\'. */
bool weir__percent_is_octet(char c);

#endif

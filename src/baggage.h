/* L1: W3C baggage, as the header has it, in the caller's buffer: values stay percent-encoded, properties stay with their
 * members. Pure; safe in a signal handler; one thread at a time for one list.
 * The text is always a valid header of at most 64 members and 8192 bytes; what was not taken is counted, never lost silently. */
#ifndef WEIR_BAGGAGE_H
#define WEIR_BAGGAGE_H

#include <weir/base.h>

enum {
	WEIR__BAGGAGE_MEMBERS = 64,
	WEIR__BAGGAGE_BYTES = 8192,
};

struct __attribute__((may_alias)) weir__baggage { /* it may lie in a caller's context: context.h */
	char *buf; /* the caller's; NULL with size 0 holds nothing; no NUL at the end */
	uint32_t size, len;
	uint16_t members;
	uint16_t dropped; /* members of headers: malformed, past a limit, or without room; stays at 65535 */
};
struct weir__baggage_member { /* views into the text */
	struct weir_str key, value, properties; /* value encoded; properties without the first ';' */
};

static inline struct weir__baggage weir__baggage_in(char *buf, size_t size) /* an empty list */
{
	struct weir__baggage b = {buf, size < WEIR__BAGGAGE_BYTES ? (uint32_t)size : WEIR__BAGGAGE_BYTES, 0, 0, 0};

	return b;
}

/* Appends one header's value; several headers are added in their order. A malformed member is dropped and counted, and so is
 * one that has no room, or is past the 64th: the others stay. White space around delimiters is not kept. A key may stand
 * twice, and both are sent on. */
void weir__baggage_add(struct weir__baggage *b, struct weir_str value);
/* The value decoded into out as snprintf does, cut at a character; bytes that are no UTF-8 become U+FFFD. Of members with the
 * same key the last. The length it has or would have, or WEIR_ENOTFOUND. out may be NULL with size 0. */
int weir__baggage_get(const struct weir__baggage *b, struct weir_str key, char *out, size_t size);
/* Appends the member, its value percent-encoded, and takes former ones of that key away, properties too. WEIR_EINVAL: the key
 * is no token; WEIR_ELIMIT: over 64 members or 8192 bytes; WEIR_ENOMEM: no room in the buffer; the list is then as before.
 * key and value must not lie in the list. */
int weir__baggage_set(struct weir__baggage *b, struct weir_str key, struct weir_str value);
/* All of that key; WEIR_ENOTFOUND when there is none. */
int weir__baggage_remove(struct weir__baggage *b, struct weir_str key);
/* Goes through the members: *at is 0 at first; false after the last. The list must not change meanwhile. */
bool weir__baggage_next(const struct weir__baggage *b, size_t *at, struct weir__baggage_member *out);
static inline struct weir_str weir__baggage_text(const struct weir__baggage *b) /* the header to send; empty: none */
{
	return weir_str_n(b->buf, b->len);
}

#endif

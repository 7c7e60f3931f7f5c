/* L1: attributes, events and links in the bytes of a span: how they are put there, and read again. Pure. Entries stand one
 * after the other, each a head, a key and a value, unaligned. Invariant: what does not fit is left out whole; what is read is
 * checked against its end, since a span that two threads wrote at once may hold anything. */
#ifndef WEIR_ATTR_H
#define WEIR_ATTR_H

#include <weir/span.h>

enum weir__entry_tag { WEIR__ENTRY_ATTR = 1, WEIR__ENTRY_EVENT, WEIR__ENTRY_LINK, WEIR__ENTRY_FAILURE };
struct weir__entry {
	uint8_t tag, type; /* type: enum weir_attr_type */
	uint16_t key_len;
	uint32_t value_len;
};
struct weir__attr_limits { /* relaxed: each word on its own */
	uint32_t attrs, events, links, event_attrs, link_attrs, value_len;
};
extern struct weir__attr_limits weir__attr_limits; /* writer: init */

/* memcpy for what is mostly short: without a call. */
static inline void weir__copy(char *to, const char *from, size_t len)
{
	if (__builtin_expect(len > 32, 0)) {
		__builtin_memcpy(to, from, len);
	} else if (len >= 16) {
		struct {
			uint64_t a, b;
		} first, last;

		__builtin_memcpy(&first, from, 16);
		__builtin_memcpy(&last, from + len - 16, 16);
		__builtin_memcpy(to, &first, 16);
		__builtin_memcpy(to + len - 16, &last, 16);
	} else if (len >= 8) {
		uint64_t first, last;

		__builtin_memcpy(&first, from, 8);
		__builtin_memcpy(&last, from + len - 8, 8);
		__builtin_memcpy(to, &first, 8);
		__builtin_memcpy(to + len - 8, &last, 8);
	} else if (len >= 4) {
		uint32_t first, last;

		__builtin_memcpy(&first, from, 4);
		__builtin_memcpy(&last, from + len - 4, 4);
		__builtin_memcpy(to, &first, 4);
		__builtin_memcpy(to + len - 4, &last, 4);
	} else if (len != 0) {
		char first = from[0], middle = from[len / 2], last = from[len - 1];

		to[0] = first;
		to[len / 2] = middle;
		to[len - 1] = last;
	}
}

/* Where entries go. */
struct weir__bytes {
	char *at;
	uint32_t used, size;
};
/* The common case, without a call: text that is within its limit and has room at used; its bytes, or 0: weir__attr_put says.
 * By value, so that the caller's words stay in registers. */
static inline uint32_t weir__attr_put_short(char *bytes, uint32_t used, uint32_t size, const struct weir_attr *a, uint32_t most)
{
	size_t key_len = a->key.len, len = a->as.str.len;
	struct weir__entry entry;
	char *at = bytes + used;

	if (__builtin_expect(a->type != WEIR_ATTR_STR || key_len == 0 || key_len > 255 || len > most || len > 4096 ||
	                     a->key.ptr == NULL || a->as.str.ptr == NULL || sizeof entry + key_len + len + used > size, 0))
		return 0;
	entry.tag = WEIR__ENTRY_ATTR;
	entry.type = WEIR_ATTR_STR;
	entry.key_len = (uint16_t)key_len;
	entry.value_len = (uint32_t)len;
	__builtin_memcpy(at, &entry, sizeof entry);
	at += sizeof entry;
	weir__copy(at, a->key.ptr, key_len);
	weir__copy(at + key_len, a->as.str.ptr, len);
	return (uint32_t)(sizeof entry + key_len + len);
}
/* Puts it in place of those of its key, which stand from "from" on: *taken is how many there are. False: there is none, or no
 * room even so, and nothing was changed. */
bool weir__attr_replace(struct weir__bytes *to, uint32_t from, const struct weir_attr *attr, uint32_t *taken);
/* Takes away what a later one of the same key replaces; how many. */
uint32_t weir__attrs_squeeze(struct weir__bytes *to, uint32_t from);
/* False: no room (or a key of over 65535 bytes, NULL or empty), and nothing was written. */
bool weir__attr_put(struct weir__bytes *to, const struct weir_attr *attr);
bool weir__attr_put_text(struct weir__bytes *to, const char *key, uint32_t key_len, const char *text, uint32_t len);
bool weir__attr_put_int(struct weir__bytes *to, const char *key, uint32_t key_len, int64_t value);
bool weir__event_put(struct weir__bytes *to, struct weir_str name, uint64_t time_ns, struct weir_attrs attrs);
bool weir__link_put(struct weir__bytes *to, const struct weir_ids *ids, struct weir_attrs attrs);
bool weir__failure_put(struct weir__bytes *to, struct weir_str why);

/* The next entry of a run of bytes; false at the end, and where the rest is no entry (*whole is then false). */
bool weir__entry_next(const char *bytes, size_t len, size_t *at, struct weir__entry *entry, struct weir_str *key,
                      struct weir_str *value, bool *whole);
/* An attribute out of its entry; arrays are laid out in room, which is of *left bytes; false: no room, or malformed. */
bool weir__attr_read(struct weir_attr *out, const struct weir__entry *entry, struct weir_str key, struct weir_str value,
                     char **room, size_t *left);
struct weir__event_head {
	uint64_t time_ns;
	uint32_t dropped, attrs;
};
struct weir__link_head {
	struct weir_ids ids;
	uint32_t dropped, attrs;
};

#endif

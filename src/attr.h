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
	uint32_t short_attrs; /* as attrs; 0 where a value's limit is below WEIR__SHORT */
};
extern struct weir__attr_limits weir__attr_limits; /* writer: init */

/* memcpy for what is mostly short: without a call, and by the lengths that names, keys and values mostly have. False: it is
 * longer, and nothing was copied. */
enum { WEIR__SHORT = 32 };
static inline __attribute__((always_inline)) bool weir__copy_short(char *to, const char *from, size_t len)
{
	/* two pieces of one length, the first and the last, which may overlap */
	if (__builtin_expect(len - 8 <= 8, 1)) {
		__builtin_memcpy(to, from, 8);
		__builtin_memcpy(to + len - 8, from + len - 8, 8);
	} else if (len > WEIR__SHORT) {
		return false;
	} else if (len > 16) {
		__builtin_memcpy(to, from, 16);
		__builtin_memcpy(to + len - 16, from + len - 16, 16);
	} else if (len >= 4) {
		__builtin_memcpy(to, from, 4);
		__builtin_memcpy(to + len - 4, from + len - 4, 4);
	} else if (len != 0) {
		to[0] = from[0];
		to[len / 2] = from[len / 2];
		to[len - 1] = from[len - 1];
	}
	return true;
}
static inline void weir__copy(char *to, const char *from, size_t len)
{
	if (__builtin_expect(!weir__copy_short(to, from, len), 0))
		__builtin_memcpy(to, from, len);
}

/* Where entries go. */
struct weir__bytes {
	char *at;
	uint32_t used, size;
};
/* The common case, a short text under a short key, where WEIR__SHORT_ENTRY bytes are free: its end, or NULL: weir__attr_put says.
 * Without a call, so that the caller's words stay in registers. For who limits no value below WEIR__SHORT. */
enum { WEIR__SHORT_ENTRY = sizeof(struct weir__entry) + 2 * WEIR__SHORT };
static inline __attribute__((always_inline)) char *weir__attr_put_short(char *at, const struct weir_attr *a)
{
	struct entry { /* stored one by one: as one word it would be put together first */
		uint8_t tag, type;
		uint16_t key_len;
		uint32_t value_len;
	} __attribute__((packed, may_alias)) *entry = (struct entry *)(void *)at;
	size_t key_len = a->key.len, len;
	const char *from = a->key.ptr;

	_Static_assert(sizeof *entry == sizeof(struct weir__entry) && offsetof(struct weir__entry, type) == 1 &&
	               offsetof(struct weir__entry, key_len) == 2 && offsetof(struct weir__entry, value_len) == 4, "the same");
	if (__builtin_expect(a->type != WEIR_ATTR_STR || from == NULL, 0))
		return NULL;
	if (__builtin_expect(!weir__copy_short(at + sizeof *entry, from, key_len) || key_len == 0, 0))
		return NULL;
	from = a->as.str.ptr;
	len = a->as.str.len;
	if (__builtin_expect(from == NULL || !weir__copy_short(at + sizeof *entry + key_len, from, len), 0))
		return NULL;
	entry->tag = WEIR__ENTRY_ATTR;
	entry->type = WEIR_ATTR_STR;
	entry->key_len = (uint16_t)key_len;
	entry->value_len = (uint32_t)len;
	return at + sizeof *entry + key_len + len;
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

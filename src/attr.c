/* L1: attributes, events and links as bytes. See attr.h. */
#include "attr.h"

#include "atomic.h"
#include "utf8.h"

#include <string.h>

struct weir__attr_limits weir__attr_limits = {128, 128, 128, 128, 128, UINT32_MAX, 128};

static struct weir_str cut(struct weir_str text, bool is_text)
{
	uint32_t most = weir__load_relaxed(&weir__attr_limits.value_len);

	if (text.ptr == NULL)
		text.len = 0;
	if (text.len > most)
		text.len = is_text ? weir__utf8_cut(text.ptr, text.len, most) : most;
	return text;
}

/* Bytes of a value; UINT64_MAX: it cannot be. */
static uint64_t value_bytes(const struct weir_attr *a)
{
	uint64_t bytes = 0;

	switch (a->type) {
	case WEIR_ATTR_STR:
	case WEIR_ATTR_BYTES:
		return cut(a->as.str, a->type == WEIR_ATTR_STR).len;
	case WEIR_ATTR_BOOL:
		return 1;
	case WEIR_ATTR_INT:
	case WEIR_ATTR_DOUBLE:
		return 8;
	case WEIR_ATTR_STRS:
		if (a->as.list.ptr == NULL || a->as.list.count > UINT32_MAX / 8)
			return a->as.list.count == 0 ? 0 : UINT64_MAX;
		for (size_t i = 0; i < a->as.list.count && bytes < UINT32_MAX; i++)
			bytes += 4 + cut(((const struct weir_str *)a->as.list.ptr)[i], true).len;
		return bytes;
	case WEIR_ATTR_BOOLS:
		return a->as.list.ptr != NULL || a->as.list.count == 0 ? a->as.list.count : UINT64_MAX;
	case WEIR_ATTR_INTS:
	case WEIR_ATTR_DOUBLES:
		if (a->as.list.count > UINT32_MAX / 8 || (a->as.list.ptr == NULL && a->as.list.count != 0))
			return UINT64_MAX;
		return 8 * a->as.list.count;
	default:
		return UINT64_MAX;
	}
}

static inline char *begin(struct weir__bytes *to, enum weir__entry_tag tag, unsigned type, const char *key, size_t key_len,
                          uint64_t value_len)
{
	struct weir__entry entry;
	char *at;

	if (__builtin_expect(to->used > to->size || key_len > UINT16_MAX || value_len > UINT32_MAX ||
	                     sizeof entry + key_len + value_len > to->size - to->used, 0))
		return NULL;
	entry.tag = (uint8_t)tag;
	entry.type = (uint8_t)type;
	entry.key_len = (uint16_t)key_len;
	entry.value_len = (uint32_t)value_len;
	at = to->at + to->used;
	memcpy(at, &entry, sizeof entry);
	at += sizeof entry;
	weir__copy(at, key, key_len);
	to->used += (uint32_t)(sizeof entry + key_len + value_len);
	return at + key_len;
}

bool weir__attr_put_text(struct weir__bytes *to, const char *key, uint32_t key_len, const char *text, uint32_t len)
{
	char *at = begin(to, WEIR__ENTRY_ATTR, WEIR_ATTR_STR, key, key_len, len);

	if (at != NULL && len != 0)
		memcpy(at, text, len);
	return at != NULL;
}

bool weir__attr_put_int(struct weir__bytes *to, const char *key, uint32_t key_len, int64_t value)
{
	char *at = begin(to, WEIR__ENTRY_ATTR, WEIR_ATTR_INT, key, key_len, 8);

	if (at != NULL)
		memcpy(at, &value, 8);
	return at != NULL;
}

bool weir__attr_put(struct weir__bytes *to, const struct weir_attr *a)
{
	uint64_t len;
	char *at;

	if (__builtin_expect(a->key.ptr == NULL || a->key.len == 0, 0))
		return false;
	if (__builtin_expect(a->type == WEIR_ATTR_STR, 1)) {
		struct weir_str text = cut(a->as.str, true);

		at = begin(to, WEIR__ENTRY_ATTR, WEIR_ATTR_STR, a->key.ptr, a->key.len, text.len);
		if (at != NULL)
			weir__copy(at, text.ptr, text.len);
		return at != NULL;
	}
	len = value_bytes(a);
	at = begin(to, WEIR__ENTRY_ATTR, a->type, a->key.ptr, a->key.len, len);
	if (at == NULL)
		return false;
	switch (a->type) {
	case WEIR_ATTR_BOOL:
		*at = a->as.boolean;
		break;
	case WEIR_ATTR_INT:
	case WEIR_ATTR_DOUBLE:
		memcpy(at, &a->as.integer, 8);
		break;
	case WEIR_ATTR_BYTES:
		if (len != 0)
			memcpy(at, a->as.str.ptr, (size_t)len);
		break;
	case WEIR_ATTR_STRS:
		for (size_t i = 0; i < a->as.list.count; i++) {
			struct weir_str text = cut(((const struct weir_str *)a->as.list.ptr)[i], true);
			uint32_t text_len = (uint32_t)text.len;

			memcpy(at, &text_len, 4);
			if (text_len != 0)
				memcpy(at + 4, text.ptr, text_len);
			at += 4 + text_len;
		}
		break;
	default:
		if (len != 0)
			memcpy(at, a->as.list.ptr, (size_t)len);
	}
	return true;
}

/* Bytes of an entry; UINT64_MAX: it cannot be. */
static uint64_t entry_bytes(const struct weir_attr *a)
{
	uint64_t value;

	if (a->key.ptr == NULL || a->key.len == 0 || a->key.len > UINT16_MAX)
		return UINT64_MAX;
	value = value_bytes(a);
	return value <= UINT32_MAX ? sizeof(struct weir__entry) + a->key.len + value : UINT64_MAX;
}

/* The entry that ends at the one end and begins at the other goes. */
static void take_out(struct weir__bytes *b, size_t begin, size_t end)
{
	memmove(b->at + begin, b->at + end, b->used - end);
	b->used -= (uint32_t)(end - begin);
}

/* The next attribute of that key, from *begin on to *end. */
static bool find_key(const struct weir__bytes *b, struct weir_str key, size_t *begin, size_t *end)
{
	struct weir__entry entry;
	struct weir_str found, value;
	bool whole = true;

	for (*end = *begin; weir__entry_next(b->at, b->used, end, &entry, &found, &value, &whole); *begin = *end)
		if (entry.tag == WEIR__ENTRY_ATTR && found.len == key.len && memcmp(found.ptr, key.ptr, key.len) == 0)
			return true;
	return false;
}

bool weir__attr_replace(struct weir__bytes *to, uint32_t from, const struct weir_attr *a, uint32_t *taken)
{
	uint64_t need = entry_bytes(a), room;
	size_t begin = from, end;
	uint32_t found = 0;

	if (need == UINT64_MAX || to->used > to->size || from > to->used)
		return false;
	for (room = to->size - to->used; find_key(to, a->key, &begin, &end); begin = end, found++)
		room += end - begin;
	if (found == 0 || need > room)
		return false;
	for (begin = from; find_key(to, a->key, &begin, &end);)
		take_out(to, begin, end);
	*taken -= found < *taken ? found : *taken;
	return weir__attr_put(to, a);
}

uint32_t weir__attrs_squeeze(struct weir__bytes *to, uint32_t from)
{
	struct weir__entry entry;
	struct weir_str key, value;
	uint32_t gone = 0;
	bool whole = true;

	if (to->used > to->size || from > to->used)
		return 0;
	for (size_t at = from, begin = from; weir__entry_next(to->at, to->used, &at, &entry, &key, &value, &whole); begin = at) {
		size_t later = at, end;

		if (entry.tag == WEIR__ENTRY_ATTR && find_key(to, key, &later, &end)) {
			take_out(to, begin, at);
			at = begin;
			gone++;
		}
	}
	return gone;
}

static bool put_nested(struct weir__bytes *to, struct weir_attrs attrs, uint32_t most, uint32_t *taken, uint32_t *dropped)
{
	if (attrs.ptr == NULL)
		*dropped = attrs.count < UINT32_MAX ? (uint32_t)attrs.count : UINT32_MAX;
	for (size_t i = 0; attrs.ptr != NULL && i < attrs.count; i++) {
		if (*taken == most || entry_bytes(&attrs.ptr[i]) == UINT64_MAX) {
			++*dropped;
			continue;
		}
		if (!weir__attr_put(to, &attrs.ptr[i]))
			return false;
		++*taken;
	}
	return true;
}

/* The head's value is as long as the head and what is nested in it. */
static bool put_group(struct weir__bytes *to, enum weir__entry_tag tag, struct weir_str key, void *head, size_t head_bytes,
                      uint32_t *dropped_and_taken, struct weir_attrs attrs, uint32_t most)
{
	uint32_t before = to->used, value_len;
	char *at = begin(to, tag, 0, key.ptr, key.ptr != NULL ? key.len : 0, head_bytes);

	if (at == NULL)
		return false;
	if (!put_nested(to, attrs, most, &dropped_and_taken[1], &dropped_and_taken[0])) {
		to->used = before;
		return false;
	}
	memcpy(at, head, head_bytes);
	value_len = (uint32_t)(to->at + to->used - at);
	memcpy(to->at + before + offsetof(struct weir__entry, value_len), &value_len, 4);
	return true;
}

bool weir__event_put(struct weir__bytes *to, struct weir_str name, uint64_t time_ns, struct weir_attrs attrs)
{
	struct weir__event_head head = {time_ns, 0, 0};

	_Static_assert(offsetof(struct weir__event_head, attrs) == offsetof(struct weir__event_head, dropped) + 4, "a pair");
	return put_group(to, WEIR__ENTRY_EVENT, name, &head, sizeof head, &head.dropped, attrs,
	                 weir__load_relaxed(&weir__attr_limits.event_attrs));
}

bool weir__link_put(struct weir__bytes *to, const struct weir_ids *ids, struct weir_attrs attrs)
{
	struct weir__link_head head = {*ids, 0, 0};

	return put_group(to, WEIR__ENTRY_LINK, weir_str_n(NULL, 0), &head, sizeof head, &head.dropped, attrs,
	                 weir__load_relaxed(&weir__attr_limits.link_attrs));
}

bool weir__failure_put(struct weir__bytes *to, struct weir_str why)
{
	char *at;

	why = cut(why, true);
	at = begin(to, WEIR__ENTRY_FAILURE, 0, NULL, 0, why.len);
	if (at != NULL && why.len != 0)
		memcpy(at, why.ptr, why.len);
	return at != NULL;
}

bool weir__entry_next(const char *bytes, size_t len, size_t *at, struct weir__entry *entry, struct weir_str *key,
                      struct weir_str *value, bool *whole)
{
	if (*at == len)
		return false;
	if (len - *at >= sizeof *entry) {
		size_t body;

		memcpy(entry, bytes + *at, sizeof *entry);
		body = (size_t)entry->key_len + entry->value_len;
		if (entry->tag >= WEIR__ENTRY_ATTR && entry->tag <= WEIR__ENTRY_FAILURE && body <= len - *at - sizeof *entry) {
			*key = weir_str_n(bytes + *at + sizeof *entry, entry->key_len);
			*value = weir_str_n(key->ptr + key->len, entry->value_len);
			*at += sizeof *entry + body;
			return true;
		}
	}
	*whole = false;
	return false;
}

static void *room_for(char **room, size_t *left, size_t bytes)
{
	size_t pad = (8 - ((uintptr_t)*room & 7)) & 7;
	void *at = *room + pad;

	if (*left < pad || bytes > *left - pad)
		return NULL;
	*room += pad + bytes;
	*left -= pad + bytes;
	return at;
}

static bool read_texts(struct weir_attr *out, struct weir_str value, char **room, size_t *left)
{
	size_t count = 0, at = 0;
	struct weir_str *list;

	for (uint32_t len; at < value.len; at += 4 + len, count++) {
		if (value.len - at < 4)
			return false;
		memcpy(&len, value.ptr + at, 4);
		if (len > value.len - at - 4)
			return false;
	}
	list = room_for(room, left, count * sizeof *list);
	if (list == NULL)
		return false;
	at = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t len;

		memcpy(&len, value.ptr + at, 4);
		list[i] = weir_str_n(value.ptr + at + 4, len);
		at += 4 + len;
	}
	out->as.list = (struct weir_list){list, count};
	return true;
}

bool weir__attr_read(struct weir_attr *out, const struct weir__entry *entry, struct weir_str key, struct weir_str value,
                     char **room, size_t *left)
{
	void *list;

	memset(out, 0, sizeof *out);
	out->key = key;
	out->type = (enum weir_attr_type)entry->type;
	switch (entry->type) {
	case WEIR_ATTR_STR:
	case WEIR_ATTR_BYTES:
		out->as.str = value;
		return true;
	case WEIR_ATTR_BOOL:
		out->as.boolean = value.len == 1 && *value.ptr != 0;
		return value.len == 1;
	case WEIR_ATTR_INT:
	case WEIR_ATTR_DOUBLE:
		if (value.len == 8)
			memcpy(&out->as.integer, value.ptr, 8);
		return value.len == 8;
	case WEIR_ATTR_STRS:
		return read_texts(out, value, room, left);
	case WEIR_ATTR_BOOLS:
	case WEIR_ATTR_INTS:
	case WEIR_ATTR_DOUBLES:
		if (entry->type != WEIR_ATTR_BOOLS && value.len % 8 != 0)
			return false;
		list = room_for(room, left, value.len);
		if (list == NULL)
			return false;
		if (entry->type == WEIR_ATTR_BOOLS) /* byte by byte: any other than 0 and 1 is no bool */
			for (size_t i = 0; i < value.len; i++)
				((bool *)list)[i] = value.ptr[i] != 0;
		else if (value.len != 0)
			memcpy(list, value.ptr, value.len);
		out->as.list = (struct weir_list){list, entry->type == WEIR_ATTR_BOOLS ? value.len : value.len / 8};
		return true;
	default:
		return false;
	}
}

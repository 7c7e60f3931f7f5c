/* L1: baggage. See baggage.h. Pure: no data of its own.
 * The text is walked by its delimiters each time: a value holds none of them, whatever it says, since it is encoded. */
#include "baggage.h"

#include "percent.h"
#include "utf8.h"
#include "w3c.h"

#include <string.h>

/* RFC 9110: a token. */
static bool is_token(struct weir_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c > ' ' && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c) != NULL)))
			return false;
	}
	return text.len != 0;
}

static bool is_value(struct weir_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!weir__percent_is_octet(text.ptr[i]))
			return false;
	return true;
}

/* key = value, or, of a property, key alone; both trimmed. *has_value says which. */
static bool pair(struct weir_str text, struct weir_str *key, struct weir_str *value, bool *has_value)
{
	*value = text;
	*key = weir__list_next(value, '=');
	*has_value = value->ptr != NULL;
	*value = weir__trim(*value);
	return is_token(*key) && is_value(*value);
}

static bool is_member(struct weir_str member)
{
	struct weir_str rest = member, key, value;
	bool has_value;

	if (!pair(weir__list_next(&rest, ';'), &key, &value, &has_value) || !has_value)
		return false;
	while (rest.ptr != NULL)
		if (!pair(weir__list_next(&rest, ';'), &key, &value, &has_value))
			return false;
	return true;
}

/* What a valid member takes without its white space: it has none but around delimiters. */
static size_t squeeze(char *out, struct weir_str member)
{
	size_t len = 0;

	for (size_t i = 0; i < member.len; i++)
		if (member.ptr[i] != ' ' && member.ptr[i] != '\t') {
			if (out != NULL)
				out[len] = member.ptr[i];
			len++;
		}
	return len;
}

static void drop(struct weir__baggage *b)
{
	b->dropped = (uint16_t)(b->dropped + (b->dropped != UINT16_MAX));
}

void weir__baggage_add(struct weir__baggage *b, struct weir_str value)
{
	while (value.ptr != NULL) {
		struct weir_str member = weir__list_next(&value, ',');
		size_t comma = b->len != 0;

		if (member.len == 0)
			continue;
		if (!is_member(member) || b->members >= WEIR__BAGGAGE_MEMBERS || squeeze(NULL, member) + comma > b->size - b->len) {
			drop(b);
			continue;
		}
		if (comma)
			b->buf[b->len++] = ',';
		b->len += (uint32_t)squeeze(b->buf + b->len, member);
		b->members++;
	}
}

bool weir__baggage_next(const struct weir__baggage *b, size_t *at, struct weir__baggage_member *out)
{
	struct weir_str rest, member;

	if (*at >= b->len)
		return false;
	rest = weir_str_n(b->buf + *at, b->len - *at);
	member = weir__list_next(&rest, ',');
	*at += member.len + 1;
	out->properties = member;
	out->value = weir__list_next(&out->properties, ';');
	out->key = weir__list_next(&out->value, '=');
	return true;
}

static bool is_same(struct weir_str a, struct weir_str b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Up to four octets ahead make a character; what makes none counts for one octet. */
static size_t decode(char *out, size_t size, struct weir_str text)
{
	size_t at = 0, to = 0;
	bool room = size != 0;
	size_t end = 0;

	while (at < text.len) {
		uint8_t octets[4];
		size_t after[4], got = 0, len, put;
		const void *from = octets;

		for (size_t i = at; got < 4 && i < text.len; got++) {
			int octet = weir__percent_next(text, &i);

			octets[got] = (uint8_t)(octet < 0 ? '%' : octet); /* a '%' that encodes nothing is one */
			after[got] = i;
		}
		put = len = weir__utf8_character(octets, got);
		if (len == 0) {
			len = 1;
			put = 3;
			from = WEIR__REPLACEMENT;
		}
		at = after[len - 1];
		room = room && put < size - to;
		if (room) {
			memcpy(out + to, from, put);
			end = to + put;
		}
		to += put;
	}
	if (size != 0)
		out[end] = '\0';
	return to;
}

int weir__baggage_get(const struct weir__baggage *b, struct weir_str key, char *out, size_t size)
{
	struct weir__baggage_member member;
	struct weir_str found = {NULL, 0};
	size_t at = 0;

	while (key.len != 0 && weir__baggage_next(b, &at, &member))
		if (is_same(member.key, key))
			found = member.value;
	return found.ptr != NULL ? (int)decode(out, size, found) : WEIR_ENOTFOUND;
}

/* The bytes and members that those of a key take, with a comma each; takes them away too. */
static uint32_t former(struct weir__baggage *b, struct weir_str key, bool away, uint16_t *count)
{
	struct weir__baggage_member member;
	size_t at = 0, from = 0;
	uint32_t bytes = 0;

	for (*count = 0; weir__baggage_next(b, &at, &member); from = at) {
		size_t to = at < b->len ? at : b->len;

		if (!is_same(member.key, key))
			continue;
		++*count;
		bytes += (uint32_t)(at - from);
		if (away) {
			memmove(b->buf + from, b->buf + to, b->len - to);
			b->len -= (uint32_t)(to - from);
			b->members--;
			at = from;
		}
	}
	if (away && b->len != 0 && b->buf[b->len - 1] == ',') /* the last one is gone */
		b->len--;
	return bytes;
}

int weir__baggage_set(struct weir__baggage *b, struct weir_str key, struct weir_str value)
{
	size_t encoded = weir__percent_encode(NULL, 0, value), needed = key.len + 1 + encoded, used;
	uint16_t count;

	if (!is_token(key))
		return WEIR_EINVAL;
	/* With a comma behind each member, the last too; so the whole is one longer than the text. */
	used = b->len + (size_t)(b->len != 0) - former(b, key, false, &count);
	if (b->members - count >= WEIR__BAGGAGE_MEMBERS || used + needed > WEIR__BAGGAGE_BYTES)
		return WEIR_ELIMIT;
	if (used + needed > b->size)
		return WEIR_ENOMEM;
	former(b, key, true, &count);
	if (b->len != 0)
		b->buf[b->len++] = ',';
	memcpy(b->buf + b->len, key.ptr, key.len);
	b->buf[b->len + key.len] = '=';
	weir__percent_encode(b->buf + b->len + key.len + 1, encoded, value);
	b->len += (uint32_t)needed;
	b->members++;
	return WEIR_OK;
}

int weir__baggage_remove(struct weir__baggage *b, struct weir_str key)
{
	uint16_t count;

	former(b, key, true, &count);
	return count != 0 ? WEIR_OK : WEIR_ENOTFOUND;
}

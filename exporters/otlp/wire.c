/* weir-otlp: protobuf's wire format. See wire.h. Layer: exporter, pure: no data of its own. */
#include "wire.h"

#include <stdlib.h>

enum { ROOM_FIRST = 1024 };

bool weir__otlp_grow(struct weir__otlp_bytes *b, size_t need)
{
	size_t used = weir__otlp_used(b), size = (size_t)(b->end - b->start);
	uint8_t *start;

	if (b->failed || need > SIZE_MAX / 4 || used > SIZE_MAX / 4) {
		b->failed = true;
		return false;
	}
	if (size < ROOM_FIRST)
		size = ROOM_FIRST;
	while (size - used < need)
		size *= 2;
	start = realloc(b->start, size);
	if (start == NULL) {
		b->failed = true;
		return false;
	}
	b->start = start;
	b->at = start + used;
	b->end = start + size;
	return true;
}

void weir__otlp_bytes_free(struct weir__otlp_bytes *b)
{
	free(b->start);
	*b = (struct weir__otlp_bytes){0};
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* The bytes of the character that begins at s: 1 to 4; 0 where none does. Overlong forms, surrogates and what lies above
 * U+10FFFF are no characters. */
static size_t character(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len > left)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* By words; the last one overlaps what was seen. */
static bool is_ascii(const uint8_t *s, size_t len)
{
	uint64_t all = 0, word;

	if (len >= sizeof word) {
		for (size_t at = 0; at < len - sizeof word; at += sizeof word) {
			memcpy(&word, s + at, sizeof word);
			all |= word;
		}
		memcpy(&word, s + len - sizeof word, sizeof word);
		all |= word;
	} else {
		for (; len != 0; s++, len--)
			all |= *s;
	}
	return (all & UINT64_C(0x8080808080808080)) == 0;
}

size_t weir__text_size(struct weir_str text)
{
	const uint8_t *s = (const uint8_t *)text.ptr;
	size_t size = 0;

	if (s == NULL)
		return 0;
	if (is_ascii(s, text.len))
		return text.len;
	for (size_t at = 0; at < text.len;) {
		size_t len = character(s + at, text.len - at);

		size += len != 0 ? len : 3;
		at += len != 0 ? len : 1;
	}
	return size;
}

uint8_t *weir__text_mended(uint8_t *to, struct weir_str text)
{
	const uint8_t *s = (const uint8_t *)text.ptr;

	for (size_t at = 0; at < text.len;) {
		size_t len = character(s + at, text.len - at);

		if (len != 0)
			memcpy(to, s + at, len);
		else
			memcpy(to, "\xef\xbf\xbd", 3);
		to += len != 0 ? len : 3;
		at += len != 0 ? len : 1;
	}
	return to;
}

/* ---- fields -------------------------------------------------------------------------------------------------------- */

void weir__otlp_put_text(struct weir__otlp_bytes *b, uint32_t field, struct weir_str text)
{
	size_t size = weir__text_size(text);

	if (size == 0 || !weir__otlp_room(b, size + 2 * WEIR__VARINT_MOST))
		return;
	b->at = weir__varint(weir__varint(b->at, WEIR__TAG(field, WEIR__LENGTH)), size);
	b->at = weir__text(b->at, text, size);
}

void weir__otlp_put_bytes(struct weir__otlp_bytes *b, uint32_t field, const void *bytes, size_t len)
{
	if (len == 0 || !weir__otlp_room(b, len + 2 * WEIR__VARINT_MOST))
		return;
	b->at = weir__varint(weir__varint(b->at, WEIR__TAG(field, WEIR__LENGTH)), len);
	memcpy(b->at, bytes, len);
	b->at += len;
}

void weir__otlp_put_varint(struct weir__otlp_bytes *b, uint32_t field, uint64_t v)
{
	if (v != 0 && weir__otlp_room(b, 2 * WEIR__VARINT_MOST))
		b->at = weir__varint(weir__varint(b->at, WEIR__TAG(field, WEIR__VARINT)), v);
}

void weir__otlp_put_given64(struct weir__otlp_bytes *b, uint32_t field, uint64_t v)
{
	if (weir__otlp_room(b, WEIR__VARINT_MOST + 8))
		b->at = weir__fixed64(weir__varint(b->at, WEIR__TAG(field, WEIR__FIXED64)), v);
}

void weir__otlp_put_fixed64(struct weir__otlp_bytes *b, uint32_t field, uint64_t v)
{
	if (v != 0)
		weir__otlp_put_given64(b, field, v);
}

void weir__otlp_put_fixed32(struct weir__otlp_bytes *b, uint32_t field, uint32_t v)
{
	if (v != 0 && weir__otlp_room(b, WEIR__VARINT_MOST + 4))
		b->at = weir__fixed32(weir__varint(b->at, WEIR__TAG(field, WEIR__FIXED32)), v);
}

size_t weir__otlp_open(struct weir__otlp_bytes *b, uint32_t field, size_t guess)
{
	if (!weir__otlp_room(b, WEIR__VARINT_MOST + guess))
		return 0;
	b->at = weir__varint(b->at, WEIR__TAG(field, WEIR__LENGTH)) + guess;
	return weir__otlp_used(b);
}

void weir__otlp_close(struct weir__otlp_bytes *b, size_t opened, size_t guess)
{
	size_t len, width;
	uint8_t *message;

	if (!weir__otlp_room(b, WEIR__VARINT_MOST)) /* also where open failed: opened means nothing then */
		return;
	message = b->start + opened;
	len = (size_t)(b->at - message);
	width = weir__varint_size(len);
	if (width != guess) {
		memmove(message - guess + width, message, len);
		b->at = b->at - guess + width;
	}
	weir__varint(message - guess, len);
}

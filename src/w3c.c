/* L1: traceparent and hexadecimal text. See w3c.h. Pure: no data of its own.
 * Sixteen characters go through one vector, each in its byte: no table, no branch in the middle. The compiler's own vectors
 * are on every machine, in hardware or as words. */
#include "w3c.h"

#include <string.h>

typedef uint8_t weir__text __attribute__((vector_size(16))); /* characters */
typedef uint16_t weir__pair __attribute__((vector_size(16)));
typedef uint8_t weir__half __attribute__((vector_size(8))); /* the bytes they say */
enum { TEXT = sizeof(weir__text), HALF = sizeof(weir__half) };

static inline weir__text load(const char *from)
{
	weir__text text;

	memcpy(&text, from, TEXT);
	return text;
}

/* Eight bytes of sixteen characters; *sound keeps all bits only where they are 0-9 a-f. */
static inline uint64_t join(weir__text text, weir__text *sound)
{
	weir__text digit = text - '0', letter = text - 'a';
	weir__text is_digit = (weir__text)(digit < 10), is_letter = (weir__text)(letter < 6);
	weir__pair n = (weir__pair)((digit & is_digit) | ((letter + 10) & is_letter));
	weir__half half;
	uint64_t bytes;

	*sound &= is_digit | is_letter;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	n = n << 4 | n >> 8;
#else
	n = n >> 4 | n;
#endif
	half = __builtin_convertvector(n & 255, weir__half);
	memcpy(&bytes, &half, HALF);
	return bytes;
}

static inline bool is_all(weir__text sound)
{
	uint64_t word[2];

	memcpy(word, &sound, TEXT);
	return (word[0] & word[1]) == UINT64_MAX;
}

static inline void split(char *out, const uint8_t *bytes)
{
	weir__half half;
	weir__pair pair;
	weir__text n;

	memcpy(&half, bytes, HALF);
	pair = __builtin_convertvector(half, weir__pair);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	n = (weir__text)(pair >> 4 | (pair & 15) << 8);
#else
	n = (weir__text)(pair >> 4 << 8 | (pair & 15));
#endif
	n += '0' + ((weir__text)(n > 9) & ('a' - '0' - 10));
	memcpy(out, &n, TEXT);
}

static inline int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline char digit(unsigned n)
{
	return (char)(n < 10 ? '0' + n : 'a' + n - 10);
}

void weir__hex_write(char *out, const uint8_t *bytes, size_t n)
{
	for (; n >= HALF; n -= HALF, bytes += HALF, out += TEXT)
		split(out, bytes);
	for (; n != 0; n--, bytes++) {
		*out++ = digit(*bytes >> 4u);
		*out++ = digit(*bytes & 15u);
	}
}

bool weir__hex_read(uint8_t *out, const char *text, size_t n)
{
	weir__text sound = ~(weir__text){0};

	for (; n >= HALF; n -= HALF, text += TEXT, out += HALF) {
		uint64_t bytes = join(load(text), &sound);

		memcpy(out, &bytes, HALF);
	}
	for (; n != 0; n--, text += 2) {
		int high = digit_of(text[0]), low = digit_of(text[1]);

		if (high < 0 || low < 0)
			return false;
		*out++ = (uint8_t)(high << 4 | low);
	}
	return is_all(sound);
}

bool weir__is_zero(const uint8_t *bytes, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= bytes[i];
	return any == 0;
}

static inline bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

struct weir_str weir__trim(struct weir_str text)
{
	while (text.len != 0 && is_space(text.ptr[0]))
		text.ptr++, text.len--;
	while (text.len != 0 && is_space(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

struct weir_str weir__list_next(struct weir_str *rest, char separator)
{
	const char *end = rest->len != 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
	struct weir_str element = *rest;

	if (end != NULL) {
		element.len = (size_t)(end - rest->ptr);
		rest->ptr = end + 1;
		rest->len -= element.len + 1;
	} else {
		*rest = weir_str_n(NULL, 0);
	}
	return weir__trim(element);
}

/* Two characters; -1: not hexadecimal. */
static inline int octet(const char *text)
{
	int high = digit_of(text[0]), low = digit_of(text[1]);

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool weir__traceparent_parse(struct weir_ids *out, struct weir_str value)
{
	weir__text sound = ~(weir__text){0};
	uint64_t trace[2], span;
	const char *p;
	int version, flags;

	if (value.ptr == NULL)
		return false;
	if (value.len != WEIR__TRACEPARENT_LEN || is_space(value.ptr[0]) || is_space(value.ptr[value.len - 1]))
		value = weir__trim(value);
	p = value.ptr;
	if (value.len < WEIR__TRACEPARENT_LEN || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	version = octet(p);
	flags = octet(p + 53);
	if (version < 0 || flags < 0 || version == 255)
		return false;
	if (value.len > WEIR__TRACEPARENT_LEN && (version == 0 || p[WEIR__TRACEPARENT_LEN] != '-'))
		return false;
	trace[0] = join(load(p + 3), &sound);
	trace[1] = join(load(p + 19), &sound);
	span = join(load(p + 36), &sound);
	if (!is_all(sound) || (trace[0] | trace[1]) == 0 || span == 0)
		return false;
	memcpy(out->trace_id, trace, 16);
	memcpy(out->span_id, &span, 8);
	out->flags = (uint8_t)(flags & (WEIR__FLAG_SAMPLED | WEIR__FLAG_RANDOM));
	memset(out->reserved_, 0, sizeof out->reserved_);
	return true;
}

size_t weir__traceparent_write(char out[WEIR__TRACEPARENT_LEN + 1], const struct weir_ids *ids)
{
	memcpy(out, "00-", 3);
	split(out + 3, ids->trace_id);
	split(out + 19, ids->trace_id + HALF);
	out[35] = out[52] = '-';
	split(out + 36, ids->span_id);
	out[53] = '0';
	out[54] = (char)('0' + (ids->flags & (WEIR__FLAG_SAMPLED | WEIR__FLAG_RANDOM)));
	out[55] = '\0';
	return WEIR__TRACEPARENT_LEN;
}

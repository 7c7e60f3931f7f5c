/* weir-otlp: protobuf's wire format, written into a byte buffer that grows: tags, varints, text, messages.
 *
 * Layer: exporter, pure. Invariant: after weir__otlp_room(b, n) said true, n bytes may be written at b->at. Once it said
 * false it says so for ever (b->failed), so that a writer need only look at the end. A field that has proto3's default is
 * left out by the callers, as protobuf's own packers do. Writer: the one thread that encodes. */
#ifndef WEIR_OTLP_WIRE_H
#define WEIR_OTLP_WIRE_H

#include <weir/base.h>

#include <string.h>

struct weir__otlp_bytes { /* {0} is an empty one */
	uint8_t *start, *at, *end;
	bool failed; /* no memory */
};

enum weir__otlp_wire { WEIR__VARINT = 0, WEIR__FIXED64 = 1, WEIR__LENGTH = 2, WEIR__FIXED32 = 5 };
enum { WEIR__VARINT_MOST = 10 };
#define WEIR__TAG(field, wire) ((uint32_t)(field) << 3 | (uint32_t)(wire))

bool weir__otlp_grow(struct weir__otlp_bytes *b, size_t need);
void weir__otlp_bytes_free(struct weir__otlp_bytes *b);

static inline size_t weir__otlp_used(const struct weir__otlp_bytes *b)
{
	return (size_t)(b->at - b->start);
}

/* Back to what it held before: used is at most what it holds. The room stays, and so does a failure. */
static inline void weir__otlp_cut(struct weir__otlp_bytes *b, size_t used)
{
	if (b->start != NULL)
		b->at = b->start + used;
}

static inline bool weir__otlp_room(struct weir__otlp_bytes *b, size_t need)
{
	if (__builtin_expect((size_t)(b->end - b->at) >= need && !b->failed, 1))
		return true;
	return weir__otlp_grow(b, need);
}

/* ---- sizes, and pieces written where there is room ---------------------------------------------------------------- */

static inline size_t weir__varint_size(uint64_t v)
{
	return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

static inline uint8_t *weir__varint(uint8_t *at, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*at++ = (uint8_t)(v | 0x80);
	*at++ = (uint8_t)v;
	return at;
}

/* Little-endian: one store where the processor is too; gcc would make a loop of the bytes. */
static inline uint8_t *weir__fixed64(uint8_t *at, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static inline uint8_t *weir__fixed32(uint8_t *at, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static inline uint64_t weir__double_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static inline uint64_t weir__zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

/* Text on the wire is UTF-8, or a receiver refuses the whole request. Each byte that belongs to no character becomes
 * U+FFFD, so that text that is not as long as it was has been mended, and text that is as long has not. */
size_t weir__text_size(struct weir_str text);
uint8_t *weir__text_mended(uint8_t *at, struct weir_str text);

/* size: weir__text_size's */
static inline uint8_t *weir__text(uint8_t *at, struct weir_str text, size_t size)
{
	if (__builtin_expect(text.ptr == NULL, 0))
		return at;
	if (__builtin_expect(size != text.len, 0))
		return weir__text_mended(at, text);
	memcpy(at, text.ptr, size);
	return at + size;
}

/* ---- whole fields, which make their own room; a field with its default value is not written ------------------------ */

void weir__otlp_put_text(struct weir__otlp_bytes *b, uint32_t field, struct weir_str text);
void weir__otlp_put_bytes(struct weir__otlp_bytes *b, uint32_t field, const void *bytes, size_t len);
void weir__otlp_put_varint(struct weir__otlp_bytes *b, uint32_t field, uint64_t v);
void weir__otlp_put_fixed64(struct weir__otlp_bytes *b, uint32_t field, uint64_t v);
void weir__otlp_put_fixed32(struct weir__otlp_bytes *b, uint32_t field, uint32_t v);
/* As it stands in a oneof: a 0 is written too. */
void weir__otlp_put_given64(struct weir__otlp_bytes *b, uint32_t field, uint64_t v);

/* A message of a length not known yet: open leaves guess bytes (1 to 5) for the length, close writes it, and moves the
 * message where the guess was wrong. What open gives is for close. */
size_t weir__otlp_open(struct weir__otlp_bytes *b, uint32_t field, size_t guess);
void weir__otlp_close(struct weir__otlp_bytes *b, size_t opened, size_t guess);

#endif

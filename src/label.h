/* L1: names of instruments and labels, and the values of labels: what is allowed, how values are mended, and the key that a
 * list of values is looked up by. Pure.
 *
 * The key. Each value stands in whole words of 8 bytes, its last word ending in at least one zero byte (a value of 8 n bytes
 * is followed by a zero word). Values hold no NUL, so that the sequence of words tells lists apart as tuples: ("ab", "c")
 * and ("a", "bc") differ in words, and also where their hashes are equal. */
#ifndef WEIR_LABEL_H
#define WEIR_LABEL_H

#include <weir/base.h>

enum {
	WEIR__LABELS_MAX = 16,
	WEIR__VALUE_MAX = 1024, /* bytes */
	WEIR__KEY_WORDS = 64,   /* built on the stack; longer lists go the slow way */
	WEIR__KEY_WORDS_MAX = WEIR__LABELS_MAX * (WEIR__VALUE_MAX / 8 + 1),
};

bool weir__name_is_valid(const char *name) __attribute__((cold));
bool weir__label_is_valid(const char *label) __attribute__((cold));
/* As Prometheus will call it, without unit and _total: two names that become equal conflict. out: 256 bytes. */
void weir__name_canonical(char out[256], const char *name, unsigned unit) __attribute__((cold));

struct weir__mended {
	bool cleaned, cut;
};
/* out: WEIR__VALUE_MAX + 1 bytes; returns the length. What is no UTF-8, and control characters but newline, become U+FFFD;
 * past 1024 bytes it is cut at a character. */
size_t weir__value_mend(char *out, struct weir_str in, struct weir__mended *how);
/* What is wrong with an instrument's constant labels (name, value, ...), and with its labels beside them, as a static text;
 * NULL: nothing. None may stand twice, also not where a dot becomes an underscore. */
const char *weir__constant_fault(const char *const *constant, size_t count, bool histogram) __attribute__((cold));
const char *weir__labels_fault(const char *const *labels, size_t count, const char *const *constant, size_t constant_count,
                               bool histogram) __attribute__((cold));
/* True when the words hold nothing but printable ASCII and newline: such a key needs no mending. */
bool weir__key_is_plain(const uint64_t *words, uint32_t count);

/* The multiplication does not wait for the hash so far: words go through side by side. */
static inline uint64_t weir__hash_step(uint64_t hash, uint64_t word)
{
	return (hash << 23 | hash >> 41) ^ word * UINT64_C(0xd6e8feb86659fd93);
}

/* Lets all bits of the hash weigh on the lower ones, which choose the slot. */
#if defined(__SIZEOF_INT128__)
__extension__ typedef unsigned __int128 weir__u128;
#endif
static inline uint64_t weir__hash_end(uint64_t hash)
{
#if defined(__SIZEOF_INT128__)
	weir__u128 product = (weir__u128)(hash ^ UINT64_C(0xa0761d6478bd642f)) * UINT64_C(0xe7037ed1a0b428db);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	uint64_t product = (hash ^ hash >> 32) * UINT64_C(0xe7037ed1a0b428db);

	return product ^ product >> 32;
#endif
}

/* 0x80 in each zero byte of x up to the first, which is what is asked for. */
static inline uint64_t weir__zero_bytes(uint64_t x)
{
	return (x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080);
}

/* Appends the words of a text to words[at..]; the new count, or 0 when they do not fit (most), or when the text holds a NUL
 * (values with a length only). Also steps the hash. */
uint32_t weir__key_append(uint64_t *words, uint32_t at, uint32_t most, uint64_t *hash, struct weir_str value);

/* The same for a C string, without measuring it first: eight bytes are read at once, but where that might cross into a page
 * that the string does not touch; a word is read only where the one before had no NUL. A value of one word, as most are, is
 * straight code. Sanitizers see whole words, so they get the other. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEIR__BYTEWISE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define WEIR__BYTEWISE
#endif
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#define WEIR__BYTEWISE
#endif

/* Within eight bytes of a page's end: byte by byte. */
static __attribute__((noinline, cold, unused)) uint64_t weir__word_at_page_end(const char *text)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8 && text[i] != '\0'; i++)
		word |= (uint64_t)(unsigned char)text[i] << i * 8;
	return word;
}

static inline __attribute__((always_inline)) uint64_t weir__word_of(const char *text)
{
	uint64_t word;

	if (__builtin_expect(((uintptr_t)text & 4095u) > 4088u, 0))
		return weir__word_at_page_end(text);
	__builtin_memcpy(&word, text, 8);
	return word;
}

static inline __attribute__((always_inline)) uint32_t weir__key_append_text(uint64_t *words, uint32_t at, uint32_t most,
                                                                           uint64_t *hash, const char *text)
{
#ifdef WEIR__BYTEWISE
	return weir__key_append(words, at, most, hash, weir_str_of(text));
#else
	static const uint64_t none;
	uint64_t word, zeros;

	__asm__("" : "+r"(text)); /* no compiler is to know whose bytes are read */
	if (text == NULL)
		text = (const char *)&none;
	word = weir__word_of(text);
	while (__builtin_expect((zeros = weir__zero_bytes(word)) == 0, 0)) {
		if (at >= most)
			return 0;
		words[at++] = word;
		*hash = weir__hash_step(*hash, word);
		text += 8;
		word = weir__word_of(text);
	}
	if (__builtin_expect(at >= most, 0))
		return 0;
	word &= (zeros ^ (zeros - 1)) >> 8; /* the bytes below the first NUL */
	words[at] = word;
	*hash = weir__hash_step(*hash, word);
	return at + 1;
#endif
}

#endif

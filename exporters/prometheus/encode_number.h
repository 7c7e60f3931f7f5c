/* weir-prometheus: numbers as text, for the values that most lines end in; the rest goes to libweir's
 * (abi/private.h), with which these agree byte for byte.
 *
 * Layer: exporter, pure. Invariant: at most 64 bytes are written. */
#ifndef WEIR_PROM_ENCODE_NUMBER_H
#define WEIR_PROM_ENCODE_NUMBER_H

#include <weir/abi/private.h>

#include <string.h>

enum { WEIR__NUMBER_MOST = 64 };

/* exported = integer / divisor, which is 10^digits; or, where no_digits says so, some other number */
struct weir__scale {
	double divisor;
	unsigned digits;
	bool no_digits;
};
struct weir__scale weir__scale_of(double divisor);

extern const char weir__two_digits[200];

static inline unsigned weir__digits_of(uint64_t v)
{
	static const uint64_t powers[] = {
		0,
		10,
		100,
		1000,
		10000,
		100000,
		1000000,
		10000000,
		100000000,
		1000000000,
		UINT64_C(10000000000),
		UINT64_C(100000000000),
		UINT64_C(1000000000000),
		UINT64_C(10000000000000),
		UINT64_C(100000000000000),
		UINT64_C(1000000000000000),
		UINT64_C(10000000000000000),
		UINT64_C(100000000000000000),
		UINT64_C(1000000000000000000),
		UINT64_C(10000000000000000000),
	};
	unsigned guess = (64u - (unsigned)__builtin_clzll(v | 1)) * 1233u >> 12; /* log10(2) = 1233/4096, nearly */

	return guess + (v >= powers[guess]);
}

/* Exactly count digits, with leading zeros. */
static inline void weir__put_digits(char *at, uint64_t v, unsigned count)
{
	for (; count > 1; v /= 100) {
		count -= 2;
		memcpy(at + count, weir__two_digits + 2 * (v % 100), 2);
	}
	if (count != 0)
		at[0] = (char)('0' + v % 10);
}

static inline char *weir__put_u64(char *at, uint64_t v)
{
	unsigned count = weir__digits_of(v);

	weir__put_digits(at, v, count);
	return at + count;
}

/* v / 10^digits */
static inline char *weir__put_scaled(char *at, uint64_t v, unsigned digits)
{
	uint64_t whole, rest;
	unsigned count = digits;

	switch (digits) {
	case 0:
		return weir__put_u64(at, v);
	case 6:
		whole = v / 1000000;
		rest = v % 1000000;
		break;
	case 9:
		whole = v / 1000000000;
		rest = v % 1000000000;
		break;
	default:
		return at + weir_private_decimal(at, 0, v, digits);
	}
	at = weir__put_u64(at, whole);
	if (rest == 0)
		return at;
	*at++ = '.';
	for (; rest % 100 == 0; rest /= 100)
		count -= 2;
	if (rest % 10 == 0) {
		rest /= 10;
		count--;
	}
	weir__put_digits(at, rest, count);
	return at + count;
}

static inline char *weir__put_exported(char *at, uint64_t v, struct weir__scale scale)
{
	if (scale.no_digits)
		return at + weir_private_double(at, (double)v / scale.divisor);
	return weir__put_scaled(at, v, scale.digits);
}

#endif

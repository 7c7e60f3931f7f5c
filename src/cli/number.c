/* weir, the command: numbers as text. See number.h. No data of its own. */
#include "number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* value = 0.d1d2d3... * 10^point; no zeros at either end; count 0: zero */
struct digits {
	char d[32];
	int count, point;
};

static struct digits digits_of(uint64_t v, unsigned digits)
{
	struct digits n;

	n.count = snprintf(n.d, sizeof n.d, "%llu", (unsigned long long)v);
	n.point = n.count - (int)digits;
	while (n.count > 0 && n.d[n.count - 1] == '0')
		n.count--;
	return n;
}

static size_t put_plain(char *out, const struct digits *n)
{
	char *to = out;

	if (n->count == 0 || n->point <= 0)
		*to++ = '0';
	for (int i = 0; n->count != 0 && i < n->point; i++)
		*to++ = i < n->count ? n->d[i] : '0';
	if (n->count != 0 && n->count > n->point) {
		*to++ = '.';
		for (int i = n->point; i < n->count; i++)
			*to++ = i < 0 ? '0' : n->d[i];
	}
	*to = '\0';
	return (size_t)(to - out);
}

static void put_exponent(char *out, const struct digits *n)
{
	int at = sprintf(out, "%c", n->d[0]);

	if (n->count > 1)
		at += sprintf(out + at, ".%.*s", n->count - 1, n->d + 1);
	sprintf(out + at, "e%+03d", n->point - 1);
}

void number_decimal(char *out, uint64_t v, unsigned digits)
{
	struct digits n = digits_of(v, digits);

	put_plain(out, &n);
}

void number_canonical(char *out, uint64_t v, unsigned digits)
{
	struct digits n = digits_of(v, digits);
	size_t len;

	if (n.count != 0 && (n.point < -3 || n.point > 6)) {
		put_exponent(out, &n);
		return;
	}
	len = put_plain(out, &n);
	if (n.count <= n.point || n.count == 0)
		memcpy(out + len, ".0", 3);
}

static bool reads_back(const char *text, double v)
{
	double back = strtod(text, NULL);

	return !(back < v) && !(back > v);
}

/* 1.2345e+06, its last digit one more; false: it is a 9. */
static bool count_up(char *text)
{
	char *last = strchr(text, 'e') - 1;

	if (*last == '9')
		return false;
	++*last;
	return true;
}

void number_double(char *out, double v)
{
	struct digits n = {.count = 0};
	char text[48];

	if (isnan(v) || isinf(v)) {
		strcpy(out, isnan(v) ? "NaN" : v < 0 ? "-Inf" : "+Inf");
		return;
	}
	for (int precision = 0; precision <= 16; precision++) {
		snprintf(text, sizeof text, "%.*e", precision, fabs(v));
		/* Beside a power of two the nearest of so many digits may miss, where the next does not: doubles are denser below. */
		if (reads_back(text, fabs(v)) || (precision < 16 && count_up(text) && reads_back(text, fabs(v))))
			break;
	}
	for (const char *at = text; *at != 'e'; at++)
		if (*at != '.')
			n.d[n.count++] = *at;
	n.point = atoi(strchr(text, 'e') + 1) + 1;
	while (n.count > 0 && n.d[n.count - 1] == '0')
		n.count--;
	if (n.count == 0)
		n.point = 0;
	if (signbit(v))
		*out++ = '-';
	if (n.point < -3 || n.point > 21)
		put_exponent(out, &n);
	else
		put_plain(out, &n);
}

/* weir, the command: times. See duration.h. */
#define _GNU_SOURCE
#include "duration.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };
#define LONGEST (INT64_C(36525) * DAY)

bool duration_parse(const char *text, int64_t *seconds)
{
	bool minus = *text == '-';
	int64_t n = 0, unit = 1;
	size_t digits;

	text += minus;
	digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 10)
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	switch (text[digits]) {
	case '\0':
	case 's': break;
	case 'm': unit = MINUTE; break;
	case 'h': unit = HOUR; break;
	case 'd': unit = DAY; break;
	default: return false;
	}
	if ((text[digits] != '\0' && text[digits + 1] != '\0') || n * unit > LONGEST)
		return false;
	*seconds = minus ? -(n * unit) : n * unit;
	return true;
}

static void span(char *out, size_t size, int64_t s)
{
	if (s >= DAY)
		snprintf(out, size, "%lld d %lld h", (long long)(s / DAY), (long long)(s % DAY / HOUR));
	else if (s >= HOUR)
		snprintf(out, size, "%lld h %lld m", (long long)(s / HOUR), (long long)(s % HOUR / MINUTE));
	else if (s >= MINUTE)
		snprintf(out, size, "%lld m %lld s", (long long)(s / MINUTE), (long long)(s % MINUTE));
	else
		snprintf(out, size, "%lld s", (long long)s);
}

void duration_date(char *out, size_t size, int64_t at, int64_t now)
{
	time_t t = (time_t)at;
	struct tm utc;
	char date[48], apart[40];

	if (at < -(INT64_C(1) << 40) || at > (INT64_C(1) << 40) || gmtime_r(&t, &utc) == NULL) {
		snprintf(out, size, "no date");
		return;
	}
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
	span(apart, sizeof apart, at > now ? at - now : now - at);
	snprintf(out, size, "%s, %s%s%s", date, at > now ? "in " : "", apart, at > now ? "" : " ago");
}

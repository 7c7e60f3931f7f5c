/* weir-otlp: verdicts. See retry.h. Layer: exporter, pure. */
#define _GNU_SOURCE
#include "retry.h"

#include <weir/base.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400, FIRST_MS = 1000, MOST_MS = 30000 };

static int month_of(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int month = 0; month < 12; month++)
		if (memcmp(names + 3 * month, name, 3) == 0)
			return month;
	return -1;
}

/* RFC 9110, 5.6.7: the form that is written today, and the two that are only read. -1: none of them. */
static int64_t date_of(const char *text)
{
	int day, year, hour, minute, second, end = 0;
	char month[4] = "";
	struct tm parts;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month, &year, &hour, &minute, &second, &end) == 6 &&
	    end != 0 && year >= 1000) {
	} else if (end = 0, sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &day, month, &year, &hour, &minute,
	                           &second, &end) == 6 && end != 0) {
		year += year < 70 ? 2000 : 1900;
	} else if (end = 0, sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month, &day, &hour, &minute, &second, &year,
	                           &end) == 6 && end != 0 && year >= 1000) {
	} else {
		return -1;
	}
	memset(&parts, 0, sizeof parts);
	parts.tm_mon = strlen(month) == 3 ? month_of(month) : -1;
	if (text[end] != '\0' || parts.tm_mon < 0 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
	    second < 0 || second > 60 || year > 9999)
		return -1;
	parts.tm_year = year - 1900;
	parts.tm_mday = day;
	parts.tm_hour = hour;
	parts.tm_min = minute;
	parts.tm_sec = second;
	return (int64_t)timegm(&parts);
}

int64_t weir__otlp_retry_after(const char *text, int64_t wall_s)
{
	int64_t seconds = 0, date;
	const char *at;

	while (*text == ' ' || *text == '\t')
		text++;
	for (at = text; *at >= '0' && *at <= '9'; at++)
		if (seconds <= DAY_S)
			seconds = 10 * seconds + (*at - '0');
	if (at != text && *at == '\0')
		return seconds < DAY_S ? seconds : DAY_S;
	date = date_of(text);
	if (date < 0)
		return -1;
	return date <= wall_s ? 0 : date - wall_s < DAY_S ? date - wall_s : DAY_S;
}

/* 1 s, then half as much again each time, 30 s at most; of that between a half and all, so that what failed together does
 * not come back together. */
static uint64_t backoff_ns(unsigned number, uint32_t random)
{
	uint64_t ms = FIRST_MS, ns;

	for (unsigned i = 1; i < number && ms < MOST_MS; i++)
		ms += ms / 2;
	if (ms > MOST_MS)
		ms = MOST_MS;
	ns = WEIR_MS(ms);
	return ns / 2 + (ns / 2 * (random >> 8) >> 24);
}

static bool may_come_again(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

struct weir__otlp_verdict weir__otlp_retry(const struct weir__otlp_attempt *a)
{
	struct weir__otlp_verdict verdict = {WEIR__OTLP_DROP, 0, false};
	int64_t seconds = -1;

	if (a->ended == WEIR__OTLP_ENDED_NO_HTTP)
		return verdict;
	if (a->ended != WEIR__OTLP_ENDED_SILENT && a->status >= 200 && a->status <= 299) {
		if (a->ended == WEIR__OTLP_ENDED_ANSWERED)
			verdict.what = WEIR__OTLP_DONE;
		return verdict;
	}
	if (a->ended == WEIR__OTLP_ENDED_TOO_LARGE || (a->ended != WEIR__OTLP_ENDED_SILENT && !may_come_again(a->status)))
		return verdict;
	verdict.what = WEIR__OTLP_RETRY;
	if (a->retry_after != NULL && a->ended != WEIR__OTLP_ENDED_SILENT)
		seconds = weir__otlp_retry_after(a->retry_after, a->wall_s);
	verdict.told = seconds >= 0;
	verdict.at_ns = a->now_ns + (verdict.told ? WEIR_S((uint64_t)seconds) : backoff_ns(a->number, a->random));
	return verdict;
}

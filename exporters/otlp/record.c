/* weir-otlp: files of the spool. See record.h. Layer: exporter, pure. */
#define _GNU_SOURCE
#include "record.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { VERSION = 1, GZIP = 1 };
static const char magic[8] = {'w', 'e', 'i', 'r', 'o', 't', 'l', 'p'};
static const char *const kinds[WEIR__OTLP_SIGNALS] = {"traces", "metrics"};

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

static uint32_t sum(const uint8_t *bytes, size_t len)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), bytes, (uInt)len);
}

void weir__otlp_record_head(uint8_t head[WEIR__OTLP_RECORD_HEAD], const struct weir__otlp_record *r)
{
	memcpy(head, magic, 8);
	put(head + 8, VERSION, 4);
	put(head + 12, r->signal, 4);
	put(head + 16, r->gzip ? GZIP : 0, 4);
	put(head + 20, sum(r->body, r->len), 4);
	put(head + 24, r->len, 8);
	put(head + 32, r->items, 8);
	put(head + 40, r->made_wall_ns, 8);
	put(head + 48, sum(head, 48), 4);
}

uint64_t weir__otlp_record_items(const uint8_t head[WEIR__OTLP_RECORD_HEAD])
{
	return memcmp(head, magic, 8) == 0 && get(head + 48, 4) == sum(head, 48) ? get(head + 32, 8) : 0;
}

bool weir__otlp_record_read(struct weir__otlp_record *r, const uint8_t *bytes, size_t len)
{
	if (len < WEIR__OTLP_RECORD_HEAD || memcmp(bytes, magic, 8) != 0 || get(bytes + 48, 4) != sum(bytes, 48))
		return false;
	if (get(bytes + 8, 4) != VERSION || get(bytes + 12, 4) >= WEIR__OTLP_SIGNALS || get(bytes + 16, 4) > GZIP)
		return false;
	r->len = len - WEIR__OTLP_RECORD_HEAD;
	r->body = bytes + WEIR__OTLP_RECORD_HEAD;
	if (r->len == 0 || r->len > WEIR__OTLP_RECORD_MOST || get(bytes + 24, 8) != r->len || get(bytes + 20, 4) != sum(r->body, r->len))
		return false;
	r->signal = (enum weir__otlp_signal)get(bytes + 12, 4);
	r->gzip = get(bytes + 16, 4) == GZIP;
	r->items = get(bytes + 32, 8);
	r->made_wall_ns = get(bytes + 40, 8);
	return true;
}

void weir__otlp_record_name(char name[WEIR__OTLP_RECORD_NAME], uint64_t made_wall_ns, uint32_t number, enum weir__otlp_signal signal)
{
	snprintf(name, WEIR__OTLP_RECORD_NAME, "%016llx-%08x.%s", (unsigned long long)made_wall_ns, number, kinds[signal]);
}

static bool hex(const char *text, unsigned digits, uint64_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < digits; i++) {
		char c = text[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		*value = *value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return true;
}

bool weir__otlp_record_parse_name(const char *name, uint64_t *made_wall_ns, uint32_t *number, enum weir__otlp_signal *signal)
{
	uint64_t low;

	if (strnlen(name, 26) < 26 || !hex(name, 16, made_wall_ns) || name[16] != '-' || !hex(name + 17, 8, &low) || name[25] != '.')
		return false;
	*number = (uint32_t)low;
	for (int s = 0; s < WEIR__OTLP_SIGNALS; s++)
		if (strcmp(name + 26, kinds[s]) == 0) {
			*signal = (enum weir__otlp_signal)s;
			return true;
		}
	return false;
}

/* L4: an ended span as lines. See console_text.h. */
#define _GNU_SOURCE
#include "console_text.h"

#include "utf8.h"

#include <weir/abi/private.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_SHOWN = 64 };

static bool has_room(struct weir__text *t, size_t more)
{
	size_t size = t->size != 0 ? t->size : 512;
	char *ptr;

	if (t->failed || t->len + more <= t->size)
		return !t->failed;
	while (size < t->len + more)
		size *= 2;
	ptr = realloc(t->ptr, size);
	t->failed = ptr == NULL;
	if (ptr == NULL)
		return false;
	t->ptr = ptr;
	t->size = size;
	return true;
}

void weir__text_put(struct weir__text *t, const void *bytes, size_t len)
{
	if (len == 0 || !has_room(t, len))
		return;
	memcpy(t->ptr + t->len, bytes, len);
	t->len += len;
}

void weir__text_format(struct weir__text *t, const char *format, ...)
{
	char text[160];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len > 0)
		weir__text_put(t, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

static void put(struct weir__text *t, const char *text)
{
	weir__text_put(t, text, strlen(text));
}

/* What a terminal would act on: control characters, and those that turn the direction of what follows. */
static bool is_harmful(const uint8_t *s, size_t len)
{
	uint32_t c = s[0];

	if (len == 1)
		return c < 0x20 || c == 0x7f;
	if (len == 2)
		return c == 0xc2 && s[1] < 0xa0;
	if (len == 3) {
		c = (c & 0x0f) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
		return c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
	}
	return false;
}

static void put_clean(struct weir__text *t, struct weir_str text, bool quoted)
{
	const uint8_t *s = (const uint8_t *)text.ptr;
	size_t plain = 0, at = 0;

	while (at < text.len) {
		size_t len = weir__utf8_character(s + at, text.len - at), bytes = len != 0 ? len : 1;
		bool escaped = s[at] == '\\' || (quoted && s[at] == '"');

		if (len != 0 && !escaped && !is_harmful(s + at, len)) {
			at += len;
			continue;
		}
		weir__text_put(t, text.ptr + plain, at - plain);
		if (escaped)
			weir__text_format(t, "\\%c", s[at]);
		else if (s[at] == '\n')
			put(t, "\\n");
		else if (s[at] == '\t')
			put(t, "\\t");
		else
			for (size_t i = 0; i < bytes; i++)
				weir__text_format(t, "\\x%02x", s[at + i]);
		at += bytes;
		plain = at;
	}
	weir__text_put(t, text.ptr + plain, at - plain);
}

static void put_quoted(struct weir__text *t, struct weir_str text)
{
	put(t, "\"");
	put_clean(t, text, true);
	put(t, "\"");
}

static void put_hex(struct weir__text *t, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		weir__text_format(t, "%02x", bytes[i]);
}

static void put_double(struct weir__text *t, double v)
{
	char text[32];

	weir__text_put(t, text, weir_private_double(text, v));
}

static void put_list(struct weir__text *t, enum weir_attr_type type, struct weir_list list)
{
	put(t, "[");
	for (size_t i = 0; i < list.count; i++) {
		put(t, i != 0 ? ", " : "");
		if (type == WEIR_ATTR_STRS)
			put_quoted(t, ((const struct weir_str *)list.ptr)[i]);
		else if (type == WEIR_ATTR_BOOLS)
			put(t, ((const bool *)list.ptr)[i] ? "true" : "false");
		else if (type == WEIR_ATTR_INTS)
			weir__text_format(t, "%lld", (long long)((const int64_t *)list.ptr)[i]);
		else
			put_double(t, ((const double *)list.ptr)[i]);
	}
	put(t, "]");
}

static void put_attr(struct weir__text *t, const struct weir_attr *a)
{
	put_clean(t, a->key, false);
	put(t, "=");
	switch (a->type) {
	case WEIR_ATTR_STR:
		put_quoted(t, a->as.str);
		break;
	case WEIR_ATTR_BOOL:
		put(t, a->as.boolean ? "true" : "false");
		break;
	case WEIR_ATTR_INT:
		weir__text_format(t, "%lld", (long long)a->as.integer);
		break;
	case WEIR_ATTR_DOUBLE:
		put_double(t, a->as.real);
		break;
	case WEIR_ATTR_BYTES:
		put(t, "0x");
		put_hex(t, (const uint8_t *)a->as.str.ptr, a->as.str.len < BYTES_SHOWN ? a->as.str.len : BYTES_SHOWN);
		if (a->as.str.len > BYTES_SHOWN)
			weir__text_format(t, "... (%zu bytes)", a->as.str.len);
		break;
	case WEIR_ATTR_STRS:
	case WEIR_ATTR_BOOLS:
	case WEIR_ATTR_INTS:
	case WEIR_ATTR_DOUBLES:
		put_list(t, a->type, a->as.list);
		break;
	}
}

static void put_attrs(struct weir__text *t, struct weir_attrs attrs, uint64_t dropped)
{
	for (size_t i = 0; i < attrs.count; i++) {
		put(t, " ");
		put_attr(t, &attrs.ptr[i]);
	}
	if (dropped != 0)
		weir__text_format(t, " (%llu attributes dropped)", (unsigned long long)dropped);
	put(t, "\n");
}

/* 1.5 ms: in the largest unit in which it is one at least. */
static void put_time(struct weir__text *t, uint64_t ns)
{
	unsigned digits = ns >= WEIR_S(1) ? 9 : ns >= WEIR_MS(1) ? 6 : ns >= 1000 ? 3 : 0;
	char text[64];

	weir__text_put(t, text, weir_private_decimal(text, 0, ns, digits));
	put(t, digits == 9 ? " s" : digits == 6 ? " ms" : digits == 3 ? " us" : " ns");
}

static void put_dropped(struct weir__text *t, const struct weir_ended *e)
{
	if ((e->dropped_attrs | e->dropped_events | e->dropped_links) != 0)
		weir__text_format(t, "| dropped: %llu attributes, %llu events, %llu links\n", (unsigned long long)e->dropped_attrs,
		                  (unsigned long long)e->dropped_events, (unsigned long long)e->dropped_links);
}

void weir__text_span(struct weir__text *t, const struct weir_ended *e)
{
	static const char kinds[][9] = {"?", "internal", "server", "client", "producer", "consumer"};

	put_clean(t, e->name, false);
	weir__text_format(t, " [%s] ", kinds[e->kind <= WEIR_CONSUMER ? e->kind : 0]);
	put_time(t, e->end_ns >= e->start_ns ? e->end_ns - e->start_ns : 0);
	if (e->status == WEIR_STATUS_ERROR) {
		put(t, " error");
		if (e->failure.len != 0) {
			put(t, " ");
			put_quoted(t, e->failure);
		}
	} else if (e->status == WEIR_STATUS_OK) {
		put(t, " ok");
	}
	put(t, " span=");
	put_hex(t, e->ids.span_id, sizeof e->ids.span_id);
	put(t, "\n");
	for (size_t i = 0; i < e->attrs.count; i++) {
		put(t, "| ");
		put_attr(t, &e->attrs.ptr[i]);
		put(t, "\n");
	}
	for (size_t i = 0; i < e->events_count; i++) {
		const struct weir_event *event = &e->events[i];

		put(t, event->time_ns < e->start_ns ? "| event -" : "| event +");
		put_time(t, event->time_ns < e->start_ns ? e->start_ns - event->time_ns : event->time_ns - e->start_ns);
		put(t, " ");
		put_clean(t, event->name, false);
		put_attrs(t, event->attrs, event->dropped_attrs);
	}
	for (size_t i = 0; i < e->links_count; i++) {
		put(t, "| link trace=");
		put_hex(t, e->links[i].ids.trace_id, sizeof e->links[i].ids.trace_id);
		put(t, " span=");
		put_hex(t, e->links[i].ids.span_id, sizeof e->links[i].ids.span_id);
		put_attrs(t, e->links[i].attrs, e->links_dropped_attrs != NULL ? e->links_dropped_attrs[i] : 0);
	}
	if (e->tracestate.len != 0) {
		put(t, "| tracestate ");
		put_clean(t, e->tracestate, false);
		put(t, "\n");
	}
	put_dropped(t, e);
}

/* weir-otlp: headers. See header.h. Layer: exporter, pure. */
#define _GNU_SOURCE
#include "header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST = 64, LONGEST = 16384 };

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* What the request's own form depends on. */
static bool is_ours(const char *name, size_t len)
{
	static const char *const ours[] = {"content-type", "content-encoding", "content-length", "transfer-encoding",
	                                   "connection",   "expect",           "accept-encoding"};

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strlen(ours[i]) == len && strncasecmp(ours[i], name, len) == 0)
			return true;
	return false;
}

static bool has_name(const char *line, const char *name, size_t len)
{
	return strncasecmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ';');
}

enum weir__otlp_header_fate weir__otlp_header_add(struct weir__otlp_headers *h, const char *name, size_t name_len,
                                                  const char *value, size_t value_len)
{
	size_t at = 0, size = name_len + value_len + 3;
	char *line;

	if (name_len == 0 || name_len > LONGEST || value_len > LONGEST)
		return WEIR__OTLP_HEADER_BAD;
	for (size_t i = 0; i < name_len; i++)
		if (!is_token(name[i]))
			return WEIR__OTLP_HEADER_BAD;
	for (size_t i = 0; i < value_len; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return WEIR__OTLP_HEADER_BAD;
	if (is_ours(name, name_len))
		return WEIR__OTLP_HEADER_OURS;
	while (at < h->count && !has_name(h->lines[at], name, name_len))
		at++;
	if (at == MOST)
		return WEIR__OTLP_HEADER_BAD;
	if (h->lines == NULL && (h->lines = calloc(MOST, sizeof *h->lines)) == NULL)
		return WEIR__OTLP_HEADER_NO_MEMORY;
	line = malloc(size);
	if (line == NULL)
		return WEIR__OTLP_HEADER_NO_MEMORY;
	if (value_len == 0) /* libcurl would take "name:" for a header to leave out */
		snprintf(line, size, "%.*s;", (int)name_len, name);
	else
		snprintf(line, size, "%.*s: %.*s", (int)name_len, name, (int)value_len, value);
	if (at == h->count)
		h->count++;
	else
		free(h->lines[at]);
	h->lines[at] = line;
	return WEIR__OTLP_HEADER_TAKEN;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; false: a % without its two digits. */
static bool decode(char *text, size_t *len)
{
	size_t to = 0;

	for (size_t at = 0; at < *len; at++) {
		if (text[at] != '%') {
			text[to++] = text[at];
			continue;
		}
		if (*len - at < 3 || digit(text[at + 1]) < 0 || digit(text[at + 2]) < 0)
			return false;
		text[to++] = (char)(digit(text[at + 1]) << 4 | digit(text[at + 2]));
		at += 2;
	}
	*len = to;
	return true;
}

static char *trim(char *text, size_t *len)
{
	while (*len != 0 && (*text == ' ' || *text == '\t')) {
		text++;
		--*len;
	}
	while (*len != 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t'))
		--*len;
	return text;
}

static enum weir__otlp_header_fate add_pair(struct weir__otlp_headers *h, char *pair, size_t len)
{
	char *equals = memchr(pair, '=', len), *name = pair, *value;
	size_t name_len, value_len;

	if (equals == NULL)
		return WEIR__OTLP_HEADER_BAD;
	value = equals + 1;
	name_len = (size_t)(equals - pair);
	value_len = len - name_len - 1;
	name = trim(name, &name_len);
	value = trim(value, &value_len);
	if (!decode(name, &name_len) || !decode(value, &value_len))
		return WEIR__OTLP_HEADER_BAD;
	return weir__otlp_header_add(h, name, name_len, value, value_len);
}

bool weir__otlp_headers_parse(struct weir__otlp_headers *h, const char *text, size_t *bad)
{
	char *copy = strdup(text), *at = copy;
	bool memory = copy != NULL;

	*bad = 0;
	while (memory && at != NULL) {
		char *comma = strchr(at, ',');
		size_t len = comma != NULL ? (size_t)(comma - at) : strlen(at);
		char *pair = trim(at, &len);

		if (len != 0) { /* an empty member is none */
			enum weir__otlp_header_fate fate = add_pair(h, pair, len);

			memory = fate != WEIR__OTLP_HEADER_NO_MEMORY;
			*bad += fate == WEIR__OTLP_HEADER_BAD || fate == WEIR__OTLP_HEADER_OURS;
		}
		at = comma != NULL ? comma + 1 : NULL;
	}
	free(copy);
	return memory;
}

void weir__otlp_headers_free(struct weir__otlp_headers *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->lines[i]);
	free(h->lines);
	h->lines = NULL;
	h->count = 0;
}

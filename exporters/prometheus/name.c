/* weir-prometheus: names and text. See name.h. Layer: exporter, pure: no data of its own. */
#define _GNU_SOURCE
#include "name.h"

#include <stdio.h>

const char *weir__prom_unit(enum weir_unit unit)
{
	switch (unit) {
	case WEIR_SECONDS:
		return "seconds";
	case WEIR_BYTES:
		return "bytes";
	case WEIR_RATIO:
		return "ratio";
	case WEIR_ONE:
		break;
	}
	return "";
}

/* Takes word and the separator before it off the end: requests_total, requests.total; never the whole name. */
static size_t without(const char *name, size_t len, const char *word)
{
	size_t cut = strlen(word);

	if (cut == 0 || len < cut + 2 || memcmp(name + len - cut, word, cut) != 0 ||
	    strchr("_.:/-", name[len - cut - 1]) == NULL)
		return len;
	return len - cut - 1;
}

size_t weir__prom_full_name(char out[WEIR__NAME_ROOM], const char *name, enum weir_kind kind, enum weir_unit unit)
{
	const char *last = kind == WEIR_COUNTER_KIND || kind == WEIR_OBSERVED_COUNTER_KIND ? "total"
	                   : kind == WEIR_INFO_KIND                                        ? "info"
	                                                                                   : "";
	const char *middle = kind == WEIR_INFO_KIND ? "" : weir__prom_unit(unit);
	size_t len = strnlen(name, 255);

	len = without(name, len, last);
	len = without(name, len, middle);
	memcpy(out, name, len);
	for (unsigned i = 0; i < 2; i++) {
		const char *word = i == 0 ? middle : last;
		size_t more = strlen(word);

		if (more == 0)
			continue;
		out[len++] = '_';
		memcpy(out + len, word, more);
		len += more;
	}
	out[len] = '\0';
	return len;
}

static bool is_legacy_char(uint32_t c, bool first, bool label)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && !label) ||
	       (c >= '0' && c <= '9' && !first);
}

bool weir__prom_is_legacy(const char *name, size_t len, bool label)
{
	for (size_t i = 0; i < len; i++)
		if (!is_legacy_char((unsigned char)name[i], i == 0, label))
			return false;
	return len != 0;
}

size_t weir__prom_character(const char *s, size_t left, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *u = (const uint8_t *)s;
	size_t len;

	if (left == 0)
		return 0;
	if (u[0] < 0x80) {
		*c = u[0];
		return 1;
	}
	len = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4 || len > left)
		return 0;
	*c = u[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (u[i] & 0x3fu);
	}
	return *c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff) ? 0 : len;
}

/* One character's worth of a name; at most 8 bytes for the 1 to 4 that came in. */
static void put_escaped(struct weir__out *out, uint32_t c, bool first, bool label, enum weir__prom_escaping escaping)
{
	if (c == '_' && escaping != WEIR__ESCAPE_UNDERSCORES) {
		*out->at++ = '_';
		*out->at++ = '_';
	} else if (is_legacy_char(c, first, label)) {
		*out->at++ = (char)c;
	} else if (c == '.' && escaping == WEIR__ESCAPE_DOTS) {
		memcpy(out->at, "_dot_", 5);
		out->at += 5;
	} else if (escaping == WEIR__ESCAPE_VALUES) {
		out->at += snprintf(out->at, 10, c == 0xfffd ? "_FFFD_" : "_%x_", (unsigned)c);
	} else {
		*out->at++ = '_';
	}
}

bool weir__prom_put_name(struct weir__out *out, const char *name, size_t len, enum weir__prom_escaping escaping,
                         bool label)
{
	size_t began;

	if (len == 0) /* a resource's key may be */
		return weir__out_text(out, "_");
	if (escaping == WEIR__ESCAPE_UTF8) {
		if (label && len >= 2 && name[0] == '_' && name[1] == '_' && !weir__out_text(out, "key"))
			return false;
		return weir__prom_put_text(out, name, len, WEIR__TEXT_QUOTED);
	}
	if (len > SIZE_MAX / 16 || !weir__out_room(out, 8 * len + 16))
		return false;
	began = weir__out_used(out);
	if (escaping == WEIR__ESCAPE_VALUES && weir__prom_is_legacy(name, len, label)) {
		memcpy(out->at, name, len);
		out->at += len;
	} else {
		if (escaping == WEIR__ESCAPE_VALUES) {
			memcpy(out->at, "U__", 3);
			out->at += 3;
		}
		for (size_t i = 0; i < len;) {
			uint32_t c;
			size_t step = weir__prom_character(name + i, len - i, &c);

			put_escaped(out, step != 0 ? c : 0xfffd, i == 0, label, escaping);
			i += step != 0 ? step : 1;
		}
	}
	if (label && weir__out_used(out) - began >= 2 && out->start[began] == '_' && out->start[began + 1] == '_') {
		memmove(out->start + began + 3, out->start + began, weir__out_used(out) - began);
		memcpy(out->start + began, "key", 3);
		out->at += 3;
	}
	return true;
}

bool weir__prom_put_name_quoted(struct weir__out *out, const char *name, size_t len, enum weir__prom_escaping escaping,
                                bool label)
{
	if (escaping != WEIR__ESCAPE_UTF8 || weir__prom_is_legacy(name, len, label))
		return weir__prom_put_name(out, name, len, escaping, label);
	return weir__out_text(out, "\"") && weir__prom_put_name(out, name, len, escaping, label) &&
	       weir__out_text(out, "\"");
}

bool weir__prom_put_text(struct weir__out *out, const char *text, size_t len, enum weir__prom_text how)
{
	char *at;

	if (len > SIZE_MAX / 8 || !weir__out_room(out, 3 * len))
		return false;
	at = out->at;
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t step = weir__prom_character(text + i, len - i, &c);

		if (step == 0) {
			memcpy(at, "\xef\xbf\xbd", 3);
			at += 3;
			i++;
			continue;
		}
		if (how != WEIR__TEXT_RAW && (c == '\n' || c == '\\' || (c == '"' && how == WEIR__TEXT_QUOTED)))
			*at++ = '\\';
		if (c == '\n' && how != WEIR__TEXT_RAW)
			*at++ = 'n';
		else
			for (size_t k = 0; k < step; k++)
				*at++ = text[i + k];
		i += step;
	}
	out->at = at;
	return true;
}

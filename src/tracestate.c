/* L1: tracestate. See tracestate.h. Pure: no data of its own.
 * The text is walked by its commas each time: 32 members of 512 bytes are not worth an index. */
#include "tracestate.h"

#include "w3c.h"

#include <string.h>

static bool is_same(struct weir_str a, struct weir_str b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static bool is_key(struct weir_str key)
{
	if (key.len == 0 || key.len > WEIR__TRACESTATE_KEY)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (i == 0 || !(c == '_' || c == '-' || c == '*' || c == '/' || c == '@'))
			return false;
	}
	return true;
}

static bool is_value(struct weir_str value)
{
	if (value.len == 0 || value.len > WEIR__TRACESTATE_VALUE || value.ptr[value.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e || value.ptr[i] == ',' || value.ptr[i] == '=')
			return false;
	return true;
}

static struct weir_str key_of(struct weir_str member)
{
	const char *equals = member.len != 0 ? memchr(member.ptr, '=', member.len) : NULL;

	return weir_str_n(member.ptr, equals != NULL ? (size_t)(equals - member.ptr) : 0);
}

static bool is_member(struct weir_str member)
{
	struct weir_str key = key_of(member);

	return is_key(key) && is_value(weir_str_n(key.ptr + key.len + 1, member.len - key.len - 1));
}

static struct weir_str find(struct weir_str list, struct weir_str key)
{
	while (list.ptr != NULL) {
		struct weir_str member = weir__list_next(&list, ',');

		if (member.len != 0 && is_same(key_of(member), key))
			return member;
	}
	return weir_str_n(NULL, 0);
}

/* Takes a member out, with the comma that parts it from the others. */
static void take(struct weir__tracestate *t, struct weir_str member)
{
	size_t from = (size_t)(member.ptr - t->text), to = from + member.len;

	if (to != t->len)
		to++;
	else if (from != 0)
		from--;
	memmove(t->text + from, t->text + to, t->len - to);
	t->len = (uint16_t)(t->len - (to - from));
	t->members--;
}

/* The last member of more than over bytes; ptr NULL: there is none. */
static struct weir_str last(const struct weir__tracestate *t, size_t over)
{
	struct weir_str rest = weir_str_n(t->text, t->len), found = {NULL, 0};

	while (rest.ptr != NULL) {
		struct weir_str member = weir__list_next(&rest, ',');

		if (member.len > over)
			found = member;
	}
	return found;
}

/* Room for len bytes and a comma beside the members; of those, large ones go. False: there is none, though no large one is
 * left. */
static bool make_room(struct weir__tracestate *t, size_t len)
{
	while ((size_t)t->len + (t->len != 0u) + len > sizeof t->text) {
		struct weir_str large = last(t, WEIR__TRACESTATE_LARGE);

		if (large.ptr == NULL)
			return false;
		take(t, large);
		t->flags |= WEIR__TRACESTATE_CUT;
	}
	return true;
}

static void append(struct weir__tracestate *t, struct weir_str member)
{
	size_t needed = t->len + (size_t)(t->len != 0) + member.len;

	if ((t->flags & WEIR__TRACESTATE_FULL) != 0)
		return;
	if (needed > sizeof t->text && member.len > WEIR__TRACESTATE_LARGE) {
		t->flags |= WEIR__TRACESTATE_CUT; /* it is itself the last of the large ones */
		return;
	}
	if (!make_room(t, member.len)) {
		t->flags |= WEIR__TRACESTATE_CUT | WEIR__TRACESTATE_FULL;
		return;
	}
	if (t->len != 0)
		t->text[t->len++] = ',';
	memcpy(t->text + t->len, member.ptr, member.len);
	t->len = (uint16_t)(t->len + member.len);
	t->members++;
}

/* Of a header's value alone and beside the list: the grammar, keys that stand twice, the count. */
static bool is_list(struct weir__tracestate *t, struct weir_str value)
{
	struct weir_str rest = value;

	while (rest.ptr != NULL) {
		struct weir_str member = weir__list_next(&rest, ',');

		if (member.len == 0)
			continue;
		if (++t->seen > WEIR__TRACESTATE_MEMBERS || !is_member(member) ||
		    find(value, key_of(member)).ptr != member.ptr ||
		    find(weir_str_n(t->text, t->len), key_of(member)).ptr != NULL)
			return false;
	}
	return true;
}

void weir__tracestate_add(struct weir__tracestate *t, struct weir_str value)
{
	if ((t->flags & WEIR__TRACESTATE_BAD) != 0)
		return;
	if (!is_list(t, value)) {
		t->len = t->members = 0;
		t->flags = WEIR__TRACESTATE_BAD;
		return;
	}
	while (value.ptr != NULL) {
		struct weir_str member = weir__list_next(&value, ',');

		if (member.len != 0)
			append(t, member);
	}
}

struct weir_str weir__tracestate_get(const struct weir__tracestate *t, struct weir_str key)
{
	struct weir_str member = find(weir_str_n(t->text, t->len), key);

	if (key.len == 0 || member.ptr == NULL)
		return weir_str_n(NULL, 0);
	return weir_str_n(member.ptr + key.len + 1, member.len - key.len - 1);
}

int weir__tracestate_remove(struct weir__tracestate *t, struct weir_str key)
{
	struct weir_str member = find(weir_str_n(t->text, t->len), key);

	if (key.len == 0 || member.ptr == NULL)
		return WEIR_ENOTFOUND;
	take(t, member);
	return WEIR_OK;
}

int weir__tracestate_set(struct weir__tracestate *t, struct weir_str key, struct weir_str value)
{
	char own[WEIR__TRACESTATE_BYTES]; /* key and value may lie in the list */
	size_t len = key.len + 1 + value.len;

	if (!is_key(key) || !is_value(value))
		return WEIR_EINVAL;
	if (len > sizeof own)
		return WEIR_ELIMIT;
	memcpy(own, key.ptr, key.len);
	own[key.len] = '=';
	memcpy(own + key.len + 1, value.ptr, value.len);
	weir__tracestate_remove(t, weir_str_n(own, key.len));
	while (t->members >= WEIR__TRACESTATE_MEMBERS || !make_room(t, len)) {
		take(t, last(t, 0));
		t->flags |= WEIR__TRACESTATE_CUT;
	}
	if (t->len != 0) {
		memmove(t->text + len + 1, t->text, t->len);
		t->text[len] = ',';
		t->len++;
	}
	memcpy(t->text, own, len);
	t->len = (uint16_t)(t->len + len);
	t->members++;
	return WEIR_OK;
}

/* ---- the member of OpenTelemetry: key:value;key:value ---- */

enum { DIGITS = 14 };

/* A valid part's key and value; false: not valid. */
static bool part(struct weir_str text, struct weir_str *key, struct weir_str *value)
{
	const char *colon = text.len != 0 ? memchr(text.ptr, ':', text.len) : NULL;

	if (colon == NULL || text.ptr[0] < 'a' || text.ptr[0] > 'z')
		return false;
	*key = weir_str_n(text.ptr, (size_t)(colon - text.ptr));
	*value = weir_str_n(colon + 1, text.len - key->len - 1);
	for (size_t i = 0; i < key->len; i++)
		if (!((key->ptr[i] >= 'a' && key->ptr[i] <= 'z') || (key->ptr[i] >= '0' && key->ptr[i] <= '9')))
			return false;
	for (size_t i = 0; i < value->len; i++) {
		char c = value->ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

static bool digits(struct weir_str text, size_t least, uint64_t *out)
{
	uint64_t n = 0;

	if (text.len < least || text.len > DIGITS)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		char c = i < text.len ? text.ptr[i] : '0'; /* trailing zeros may be left out */

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = n;
	return true;
}

bool weir__ot_read(struct weir_str value, struct weir__ot *out)
{
	bool valid = true;

	*out = (struct weir__ot){.has_threshold = false};
	while (value.ptr != NULL) {
		struct weir_str text = weir__list_next(&value, ';'), key, given;

		if (text.len == 0 && value.ptr == NULL)
			break;
		if (!part(text, &key, &given))
			valid = false;
		else if (is_same(key, weir_str_of("th")))
			valid &= !out->has_threshold && (out->has_threshold = digits(given, 1, &out->threshold));
		else if (is_same(key, weir_str_of("rv")))
			valid &= !out->has_random && (out->has_random = digits(given, DIGITS, &out->random));
	}
	return valid;
}

/* th:c8 or rv:00000000000000; its length. */
static size_t own_part(char out[3 + DIGITS], const char *name, uint64_t n, bool cut)
{
	uint8_t bytes[7];
	size_t len = 3 + DIGITS;

	for (int i = 0; i < 7; i++)
		bytes[i] = (uint8_t)(n >> (48 - 8 * i));
	memcpy(out, name, 3);
	weir__hex_write(out + 3, bytes, sizeof bytes);
	while (cut && len > 4 && out[len - 1] == '0')
		len--;
	return len;
}

static void put(char *out, size_t *len, struct weir_str text)
{
	if (text.len == 0)
		return;
	if (*len != 0)
		out[(*len)++] = ';';
	memcpy(out + *len, text.ptr, text.len);
	*len += text.len;
}

size_t weir__ot_write(char out[WEIR__OT_MAX], struct weir_str former, const struct weir__ot *ot)
{
	char th_text[3 + DIGITS], rv_text[3 + DIGITS];
	struct weir_str th = {th_text, 0}, rv = {rv_text, 0}, rest, text, key, value;
	bool has_th = false, has_rv = false, full = false;
	size_t len = 0;

	if (ot->has_threshold)
		th.len = own_part(th_text, "th:", ot->threshold & (UINT64_MAX >> 8), true);
	if (ot->has_random)
		rv.len = own_part(rv_text, "rv:", ot->random & (UINT64_MAX >> 8), false);
	for (rest = former; rest.ptr != NULL;)
		if (part(weir__list_next(&rest, ';'), &key, &value)) {
			has_th |= is_same(key, weir_str_of("th"));
			has_rv |= is_same(key, weir_str_of("rv"));
		}
	if (!has_th)
		put(out, &len, th), th.len = 0;
	if (!has_rv)
		put(out, &len, rv), rv.len = 0;
	for (rest = former; rest.ptr != NULL;) {
		text = weir__list_next(&rest, ';');
		if (!part(text, &key, &value))
			continue;
		if (is_same(key, weir_str_of("th"))) {
			put(out, &len, th);
			th.len = 0; /* one that stands twice becomes one */
		} else if (is_same(key, weir_str_of("rv"))) {
			put(out, &len, rv);
			rv.len = 0;
		} else if (!full) { /* ours are still to come, each with a semicolon */
			full = len + 1 + text.len + th.len + rv.len + 2 > WEIR__OT_MAX;
			put(out, &len, full ? weir_str_n(NULL, 0) : text);
		}
	}
	return len;
}

uint64_t weir__ot_random_of(const uint8_t trace_id[16])
{
	uint64_t n = 0;

	for (int i = 9; i < 16; i++)
		n = n << 8 | trace_id[i];
	return n;
}

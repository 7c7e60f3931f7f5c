/* Fuzz: baggage, from any bytes; the first says the buffer's size, each newline begins another header. The list stays valid
 * and within its limits, what is set is got back, and what is decoded fits. */
#include "baggage.h"
#include "percent.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_sound(const char *text, size_t len)
{
	for (size_t at = 0, step; at < len; at += step)
		if ((step = weir__utf8_character((const uint8_t *)text + at, len - at)) == 0)
			return false;
	return true;
}

/* The text alone gives the same list. */
static void check(const struct weir__baggage *b)
{
	static char room[WEIR__BAGGAGE_BYTES], out[64];
	struct weir__baggage again = weir__baggage_in(room, sizeof room);
	struct weir__baggage_member m;
	size_t at = 0, count = 0;

	must(b->len <= b->size && b->len <= WEIR__BAGGAGE_BYTES && b->members <= WEIR__BAGGAGE_MEMBERS);
	weir__baggage_add(&again, weir__baggage_text(b));
	must(again.dropped == 0 && again.members == b->members && again.len == b->len);
	must(b->len == 0 || memcmp(room, b->buf, b->len) == 0);
	for (; weir__baggage_next(b, &at, &m); count++) {
		int len = weir__baggage_get(b, m.key, out, sizeof out);

		must(len >= 0 && strlen(out) < sizeof out);
		if ((size_t)len < sizeof out)
			must(out[len] == '\0' && is_sound(out, (size_t)len));
	}
	must(count == b->members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[3 * WEIR__BAGGAGE_BYTES + 1];
	size_t room = size != 0 ? data[0] < 250 ? data[0] : 8192 : 0;
	char *buf = malloc(room + !room);
	struct weir__baggage b = weir__baggage_in(buf, room), before;
	const uint8_t *end = data + size;
	struct weir_str value = weir_str_n(data, size), key = weir_str_of("key");
	int result;

	must(buf != NULL);
	for (const uint8_t *at = data + (size != 0); at != end;) {
		const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop != NULL ? stop : end;
		weir__baggage_add(&b, weir_str_n(at, (size_t)(stop - at)));
		check(&b);
		at = stop != end ? stop + 1 : end;
	}
	before = b;
	result = weir__baggage_set(&b, key, value);
	check(&b);
	if (result == WEIR_OK) {
		int len = weir__baggage_get(&b, key, out, sizeof out);

		must(len >= 0 && (size_t)len < sizeof out && is_sound(out, (size_t)len));
		if (is_sound((const char *)data, size))
			must((size_t)len == size && memcmp(out, data, size) == 0);
		must(weir__baggage_remove(&b, key) == WEIR_OK && weir__baggage_get(&b, key, NULL, 0) == WEIR_ENOTFOUND);
		check(&b);
	} else {
		must((result == WEIR_ENOMEM || result == WEIR_ELIMIT) && b.len == before.len && b.members == before.members);
	}
	if (size <= sizeof out / 3) { /* what is encoded decodes to itself */
		size_t len = weir__percent_encode(out, sizeof out - 1, value);
		char *back = malloc(size + 1);

		must(back != NULL && weir__percent_decode(back, size + 1, weir_str_n(out, len)) == size);
		must(size == 0 || memcmp(back, data, size) == 0);
		free(back);
	}
	free(buf);
	return 0;
}

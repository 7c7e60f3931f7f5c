/* Fuzz: B3 in one header and, parted at newlines, in four. What is valid is written in both forms and reads the same. */
#include "b3.h"
#include "w3c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_same(const struct weir__b3 *a, const struct weir__b3 *b)
{
	return memcmp(&a->ids, &b->ids, sizeof a->ids) == 0 && a->sampling == b->sampling && a->has_ids == b->has_ids;
}

static struct weir_str header(const char *text)
{
	return text[0] != '\0' ? weir_str_of(text) : weir_str_n(NULL, 0);
}

static void check(const struct weir__b3 *b3)
{
	struct weir__b3_multi in;
	struct weir__b3_text text;
	struct weir__b3 again;
	char single[WEIR__B3_SINGLE_MAX];
	size_t len = weir__b3_write(single, b3);

	must(len < sizeof single && strlen(single) == len);
	must(!b3->has_ids || !weir__is_zero(b3->ids.trace_id, 16));
	must(!b3->has_ids || !weir__is_zero(b3->ids.span_id, 8));
	must(weir__b3_parse(&again, weir_str_of(single)) && is_same(b3, &again));
	weir__b3_write_multi(&text, b3);
	in = (struct weir__b3_multi){header(text.trace_id), header(text.span_id), header(text.sampled), header(text.flags)};
	must(weir__b3_parse_multi(&again, &in) && is_same(b3, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_str rest = weir_str_n(data, size);
	struct weir__b3_multi in;
	struct weir__b3 b3;

	if (weir__b3_parse(&b3, weir_str_n(data, size)))
		check(&b3);
	else
		must(!b3.has_ids && b3.sampling == WEIR__B3_DEFERRED && weir__is_zero(b3.ids.trace_id, 16));
	in.trace_id = weir__list_next(&rest, '\n');
	in.span_id = weir__list_next(&rest, '\n');
	in.sampled = weir__list_next(&rest, '\n');
	in.flags = weir__list_next(&rest, '\n');
	if (weir__b3_parse_multi(&b3, &in))
		check(&b3);
	return 0;
}

/* Unit: src/b3.c: B3 in one header and in several. */
#include "b3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TRACE "80f198ee56343ba864fe8b2a57d3eff7"
#define SHORT "64fe8b2a57d3eff7"
#define SPAN "e457b5a2e4d86bd1"
#define PARENT "05e3ac9a4f6e3b90"
#define ZEROS "0000000000000000"

enum { INVALID = -1 };

static const struct {
	const char *name, *text;
	int sampling;
	const char *written; /* NULL: as it was */
} singles[] = {
	{"deny alone", "0", WEIR__B3_NO, NULL},
	{"accept alone", "1", WEIR__B3_YES, NULL},
	{"debug alone", "d", WEIR__B3_DEBUG, NULL},
	{"ids, deferred", TRACE "-" SPAN, WEIR__B3_DEFERRED, NULL},
	{"ids, no", TRACE "-" SPAN "-0", WEIR__B3_NO, NULL},
	{"ids, yes", TRACE "-" SPAN "-1", WEIR__B3_YES, NULL},
	{"ids, debug", TRACE "-" SPAN "-d", WEIR__B3_DEBUG, NULL},
	{"a parent", TRACE "-" SPAN "-1-" PARENT, WEIR__B3_YES, TRACE "-" SPAN "-1"},
	{"64 bits", SHORT "-" SPAN "-1", WEIR__B3_YES, ZEROS SHORT "-" SPAN "-1"},
	{"64 bits, deferred", SHORT "-" SPAN, WEIR__B3_DEFERRED, ZEROS SHORT "-" SPAN},
	{"spaces around", " " TRACE "-" SPAN "-1\t", WEIR__B3_YES, TRACE "-" SPAN "-1"},
	{"empty", "", INVALID, NULL},
	{"another letter alone", "2", INVALID, NULL},
	{"true alone", "true", INVALID, NULL},
	{"trace id alone", TRACE, INVALID, NULL},
	{"short trace id alone", SHORT, INVALID, NULL},
	{"trace id and dash", TRACE "-", INVALID, NULL},
	{"trace id of 24", "80f198ee56343ba864fe8b2a-" SPAN "-1", INVALID, NULL},
	{"trace id of 34", "80" TRACE "-" SPAN "-1", INVALID, NULL},
	{"trace id zero", ZEROS ZEROS "-" SPAN "-1", INVALID, NULL},
	{"span id zero", TRACE "-" ZEROS "-1", INVALID, NULL},
	{"span id short", TRACE "-e457b5a2e4d86bd-1", INVALID, NULL},
	{"span id long", TRACE "-" SPAN "0-1", INVALID, NULL},
	{"upper case", "80F198EE56343BA864FE8B2A57D3EFF7-" SPAN "-1", INVALID, NULL},
	{"not hex", "80f198ee56343ba864fe8b2a57d3effg-" SPAN "-1", INVALID, NULL},
	{"sampling missing", TRACE "-" SPAN "-", INVALID, NULL},
	{"sampling unknown", TRACE "-" SPAN "-2", INVALID, NULL},
	{"sampling long", TRACE "-" SPAN "-11", INVALID, NULL},
	{"parent missing", TRACE "-" SPAN "-1-", INVALID, NULL},
	{"parent short", TRACE "-" SPAN "-1-05e3ac9a4f6e3b9", INVALID, NULL},
	{"parent not hex", TRACE "-" SPAN "-1-05e3ac9a4f6e3b9x", INVALID, NULL},
	{"more behind", TRACE "-" SPAN "-1-" PARENT "-1", INVALID, NULL},
};

static void test_single(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(singles); i++) {
		size_t len = strlen(singles[i].text);
		char *copy = malloc(len + !len), text[WEIR__B3_SINGLE_MAX];
		const char *expected = singles[i].written != NULL ? singles[i].written : singles[i].text;
		struct weir__b3 b3;
		bool valid;

		assert_non_null(copy);
		memcpy(copy, singles[i].text, len);
		valid = weir__b3_parse(&b3, weir_str_n(copy, len));
		free(copy);
		if (valid != (singles[i].sampling != INVALID) || (valid && (int)b3.sampling != singles[i].sampling) ||
		    (valid && b3.ids.flags != (b3.has_ids && b3.sampling >= WEIR__B3_YES)) ||
		    (!valid && (b3.has_ids || b3.sampling != WEIR__B3_DEFERRED)))
			fail_msg("%s: valid %d", singles[i].name, valid);
		if (valid && (weir__b3_write(text, &b3) != strlen(expected) || strcmp(text, expected) != 0))
			fail_msg("%s: written %s", singles[i].name, text);
	}
}

static const struct {
	const char *name, *trace, *span, *sampled, *flags;
	int sampling, has_ids;
} multis[] = {
	{"ids, yes", TRACE, SPAN, "1", NULL, WEIR__B3_YES, 1},
	{"ids, no", TRACE, SPAN, "0", NULL, WEIR__B3_NO, 1},
	{"ids, true", TRACE, SPAN, "true", NULL, WEIR__B3_YES, 1},
	{"ids, false", TRACE, SPAN, "false", NULL, WEIR__B3_NO, 1},
	{"ids, deferred", TRACE, SPAN, NULL, NULL, WEIR__B3_DEFERRED, 1},
	{"ids, debug", TRACE, SPAN, NULL, "1", WEIR__B3_DEBUG, 1},
	{"debug beats sampled", TRACE, SPAN, "0", "1", WEIR__B3_DEBUG, 1},
	{"flags 0 are none", TRACE, SPAN, "1", "0", WEIR__B3_YES, 1},
	{"64 bits", SHORT, SPAN, "1", NULL, WEIR__B3_YES, 1},
	{"spaces", " " TRACE " ", SPAN "\t", " 1", NULL, WEIR__B3_YES, 1},
	{"no alone", NULL, NULL, "0", NULL, WEIR__B3_NO, 0},
	{"debug alone", NULL, NULL, NULL, "1", WEIR__B3_DEBUG, 0},
	{"nothing", NULL, NULL, NULL, NULL, INVALID, 0},
	{"no span", TRACE, NULL, "1", NULL, INVALID, 0},
	{"no trace", NULL, SPAN, "1", NULL, INVALID, 0},
	{"trace zero", ZEROS, SPAN, "1", NULL, INVALID, 0},
	{"span zero", TRACE, ZEROS, "1", NULL, INVALID, 0},
	{"sampled d", TRACE, SPAN, "d", NULL, INVALID, 0},
	{"sampled empty", TRACE, SPAN, "", NULL, INVALID, 0},
	{"trace upper case", "80F198EE56343BA864FE8B2A57D3EFF7", SPAN, "1", NULL, INVALID, 0},
};

/* An empty text is a header that is not sent. */
static struct weir_str header(const char *text)
{
	return text[0] != '\0' ? weir_str_of(text) : weir_str_n(NULL, 0);
}

static void test_multi(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(multis); i++) {
		struct weir__b3_multi in = {weir_str_of(multis[i].trace), weir_str_of(multis[i].span), weir_str_of(multis[i].sampled),
		                            weir_str_of(multis[i].flags)};
		struct weir__b3_text text;
		struct weir__b3 b3, back;
		bool valid = weir__b3_parse_multi(&b3, &in);

		if (valid != (multis[i].sampling != INVALID) || (valid && (int)b3.sampling != multis[i].sampling) ||
		    b3.has_ids != multis[i].has_ids)
			fail_msg("%s: valid %d", multis[i].name, valid);
		if (!valid)
			continue;
		weir__b3_write_multi(&text, &b3);
		in = (struct weir__b3_multi){header(text.trace_id), header(text.span_id), header(text.sampled), header(text.flags)};
		if (!weir__b3_parse_multi(&back, &in) || memcmp(&back.ids, &b3.ids, sizeof b3.ids) != 0 || back.sampling != b3.sampling)
			fail_msg("%s: does not come back", multis[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_single), cmocka_unit_test(test_multi)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

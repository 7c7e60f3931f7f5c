/* Frames: labels in order, names that become equal under a scheme, values of every length with what must be escaped
 * at every place, and nothing read past a value's end. */
#define _GNU_SOURCE
#include "encode_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char text[1 << 16];

static const char *put(const struct weir__frame *frame, const struct weir_str *values)
{
	assert_true(weir__frame_most(frame, values) + WEIR__OUT_SLACK < sizeof text);
	memset(text, 'X', sizeof text);
	*weir__frame_put(frame, text, values) = '\0';
	assert_true(strlen(text) <= weir__frame_most(frame, values));
	return text;
}

static void add(struct weir__labels *labels, const char *name, const char *value, int label)
{
	assert_true(weir__labels_add(labels, name, strlen(name), weir_str_of(value), label));
}

static void labels_in_order(void **state)
{
	struct weir_str values[] = {weir_str_of("GET"), weir_str_of("/api/v1/orders/{id}"), weir_str_of("")};
	struct weir__labels labels = {NULL, 0, 0};
	struct weir__frame frame = {.pieces = NULL};

	(void)state;
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UNDERSCORES));
	assert_string_equal(put(&frame, NULL), "");
	add(&labels, "zone", "a\"b", -1);
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UNDERSCORES));
	assert_string_equal(put(&frame, NULL), "zone=\"a\\\"b\"");
	add(&labels, "method", NULL, 0);
	add(&labels, "http.route", NULL, 1);
	add(&labels, "code", NULL, 2);
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UNDERSCORES));
	assert_string_equal(put(&frame, values),
	                    "zone=\"a\\\"b\",method=\"GET\",http_route=\"/api/v1/orders/{id}\",code=\"\"");
	assert_string_equal(put(&frame, NULL), "zone=\"a\\\"b\",method=\"\",http_route=\"\",code=\"\"");
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UTF8));
	assert_string_equal(put(&frame, values),
	                    "zone=\"a\\\"b\",method=\"GET\",\"http.route\"=\"/api/v1/orders/{id}\",code=\"\"");
	weir__frame_free(&frame);
	free(labels.list);
}

/* a_b, a.b and x become two labels, not three: a label that stands twice would cost the scrape. */
static void names_that_become_equal(void **state)
{
	struct weir_str values[] = {weir_str_of("1"), weir_str_of("2"), weir_str_of("3\n")};
	struct weir__labels labels = {NULL, 0, 0};
	struct weir__frame frame = {.pieces = NULL};

	(void)state;
	add(&labels, "a_b", NULL, 0);
	add(&labels, "x", NULL, 1);
	add(&labels, "a.b", NULL, 2);
	add(&labels, "a/b", "constant", -1);
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UNDERSCORES));
	assert_string_equal(put(&frame, values), "a_b=\"3\\n;constant;1\",x=\"2\""); /* by the names: . / _ */
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_DOTS));
	assert_string_equal(put(&frame, values), "a__b=\"1\",x=\"2\",a_dot_b=\"3\\n\",a_b=\"constant\"");
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UTF8));
	assert_string_equal(put(&frame, values), "a_b=\"1\",x=\"2\",\"a.b\"=\"3\\n\",\"a/b\"=\"constant\"");
	weir__frame_free(&frame);
	free(labels.list);
}

static void many_labels(void **state)
{
	struct weir__labels labels = {NULL, 0, 0};
	struct weir__frame frame = {.pieces = NULL};
	struct weir_str values[100];
	char names[100][8];
	size_t commas = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof names[i], "n%02d", i);
		values[i] = weir_str_of(names[i]);
		add(&labels, names[i], NULL, i);
	}
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_VALUES));
	put(&frame, values);
	for (const char *c = text; *c != '\0'; c++)
		commas += *c == ',';
	assert_int_equal(commas, 99);
	assert_int_equal(strncmp(text, "n00=\"n00\",n01=\"n01\",", 20), 0);
	assert_string_equal(text + strlen(text) - 9, "n99=\"n99\"");
	weir__frame_free(&frame);
	free(labels.list);
}

/* The plain way, to compare with. */
static size_t escape(char *to, const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"' || s[i] == '\\' || s[i] == '\n')
			to[n++] = '\\';
		to[n++] = s[i] == '\n' ? 'n' : s[i];
	}
	to[n] = '\0';
	return n;
}

static void values_of_every_length(void **state)
{
	static const char specials[] = {0,   '"',  '\\',   '\n',   '!',    '#',    '[',
	                                ']', '\t', '\x8a', '\xa2', '\xdc', '\x7f', '\xff'};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), wanted[512];
	struct weir__labels labels = {NULL, 0, 0};
	struct weir__frame frame = {.pieces = NULL};
	struct weir_str values[2];

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0); /* the values end where memory ends */
	add(&labels, "v", NULL, 0);
	add(&labels, "w", NULL, 1);
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UNDERSCORES));
	for (size_t len = 0; len <= 70; len++)
		for (size_t at = 0; at < (len != 0 ? len : 1); at++)
			for (size_t k = 0; k < sizeof specials; k++) {
				char *value = pages + page - len;
				size_t n;

				memset(value, 'v', len);
				if (len != 0 && specials[k] != 0)
					value[at] = specials[k];
				values[0] = weir_str_n(value, len);
				values[1] = k % 2 == 0 ? weir_str_n(NULL, 0) : weir_str_of("after");
				memcpy(wanted, "v=\"", 3);
				n = 3 + escape(wanted + 3, value, len);
				sprintf(wanted + n, "\",w=\"%s\"", k % 2 == 0 ? "" : "after");
				assert_string_equal(put(&frame, values), wanted);
			}
	munmap(pages, 2 * page);
	weir__frame_free(&frame);
	free(labels.list);
}

/* Nothing but quotes: twice as long, as was reckoned with. */
static void nothing_but_quotes(void **state)
{
	static char quotes[20000];
	struct weir__labels labels = {NULL, 0, 0};
	struct weir__frame frame = {.pieces = NULL};
	struct weir_str value = {quotes, sizeof quotes};

	(void)state;
	memset(quotes, '"', sizeof quotes);
	add(&labels, "v", NULL, 0);
	assert_true(weir__frame_make(&frame, &labels, WEIR__ESCAPE_UNDERSCORES));
	put(&frame, &value);
	assert_int_equal(strlen(text), 2 * sizeof quotes + 4);
	weir__frame_free(&frame);
	free(labels.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(labels_in_order),    cmocka_unit_test(names_that_become_equal),
	    cmocka_unit_test(many_labels),        cmocka_unit_test(values_of_every_length),
	    cmocka_unit_test(nothing_but_quotes),
	};

	return cmocka_run_group_tests_name("prom_encode_frame", tests, NULL, NULL);
}

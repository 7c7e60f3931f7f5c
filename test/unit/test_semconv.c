/* The names of attributes: of the specification's form, each once, and each constant named after its text. */
#include <weir/weir.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct name {
	char constant[80], text[80];
} names[128];
static size_t count;

/* From the header itself, so that none is forgotten here. */
static int read_header(void **state)
{
	char path[4096], line[512];
	const char *root = getenv("WEIR_ROOT");
	FILE *file;

	(void)state;
	snprintf(path, sizeof path, "%s/include/weir/semconv.h", root != NULL ? root : ".");
	file = fopen(path, "r");
	if (file == NULL)
		return -1;
	while (count < sizeof names / sizeof *names && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "#define %79s \"%79[^\"]\"", names[count].constant, names[count].text) == 2)
			count++;
	fclose(file);
	return count > 40 ? 0 : -1;
}

static void have_the_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(strspn(names[i].text, "abcdefghijklmnopqrstuvwxyz0123456789._"), strlen(names[i].text));
		assert_non_null(strchr(names[i].text, '.'));
		assert_null(strstr(names[i].text, ".."));
	}
}

static void stand_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i].text, names[j].text);
}

static void are_named_after_their_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *from = names[i].constant + strlen("WEIR_"), *text = names[i].text;

		for (; *text != '\0' && !(text[0] == '.' && text[1] == '\0'); text++, from++)
			assert_int_equal(*from, *text == '.' ? '_' : *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
		assert_string_equal(from, *text == '.' ? "_PREFIX" : "");
	}
}

static void come_with_weir_h(void **state)
{
	(void)state;
	assert_string_equal(WEIR_HTTP_REQUEST_METHOD, "http.request.method");
	assert_string_equal(WEIR_DB_SYSTEM_NAME, "db.system.name");
	assert_string_equal(WEIR_SERVICE_INSTANCE_ID, "service.instance.id");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(have_the_form),
	    cmocka_unit_test(stand_once),
	    cmocka_unit_test(are_named_after_their_text),
	    cmocka_unit_test(come_with_weir_h),
	};

	return cmocka_run_group_tests(tests, read_header, NULL);
}

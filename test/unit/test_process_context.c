/* Unit: src/process_context.c: what a stranger finds who looks for OTEL_CTX among the process' mappings: the header of OTEP 4719,
 * and the resource and the keys as protobuf, read here field by field. */
#define _GNU_SOURCE
#include "process_context.h"

#include <weir/abi/private.h>
#include <weir/weir.h>

#include "alone.h"

struct header {
	char signature[8];
	uint32_t version, payload_bytes;
	uint64_t published_ns;
	const uint8_t *payload;
};

static const struct header *find(void)
{
	const struct header *found = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps) != NULL)
		if (strstr(line, " /memfd:OTEL_CTX") != NULL || strstr(line, " [anon_shmem:OTEL_CTX") != NULL || strstr(line, " [anon:OTEL_CTX") != NULL) {
			assert_null(found); /* it is the only one */
			found = (const struct header *)(uintptr_t)strtoull(line, NULL, 16);
		}
	fclose(maps);
	return found;
}

/* ---- protobuf, forwards: a text of all that is said: "r KEY=VALUE\n" for the resource's, "a KEY=VALUE\n" for the others ---- */

static uint64_t varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;
	int shift = 0;

	do {
		assert_true(*at < end && shift < 64);
		value |= (uint64_t)(**at & 0x7f) << shift;
		shift += 7;
	} while ((*(*at)++ & 0x80) != 0);
	return value;
}

struct field {
	unsigned number, wire;
	uint64_t value;
	const uint8_t *bytes, *end;
};

static bool next(const uint8_t **at, const uint8_t *end, struct field *f)
{
	uint64_t tag;

	if (*at == end)
		return false;
	tag = varint(at, end);
	*f = (struct field){.number = (unsigned)(tag >> 3), .wire = (unsigned)(tag & 7)};
	if (f->wire == 0) {
		f->value = varint(at, end);
		return true;
	}
	f->value = f->wire == 1 ? 8 : varint(at, end);
	assert_true((f->wire == 1 || f->wire == 2) && f->value <= (uint64_t)(end - *at));
	f->bytes = *at;
	*at += f->value;
	f->end = *at;
	return true;
}

static void put_value(FILE *out, const uint8_t *at, const uint8_t *end)
{
	struct field f, inner;
	double real;

	assert_true(next(&at, end, &f) && at == end);
	if (f.number == 1)
		fprintf(out, "\"%.*s\"", (int)f.value, (const char *)f.bytes);
	else if (f.number == 2)
		fputs(f.value ? "true" : "false", out);
	else if (f.number == 3)
		fprintf(out, "%lld", (long long)f.value);
	else if (f.number == 4) {
		memcpy(&real, f.bytes, 8);
		fprintf(out, "%g", real);
	} else {
		assert_int_equal(f.number, 5);
		fputc('[', out);
		for (at = f.bytes; next(&at, f.end, &inner);) {
			assert_int_equal(inner.number, 1);
			put_value(out, inner.bytes, inner.end);
		}
		fputc(']', out);
	}
}

static void put_pair(FILE *out, const char *what, const struct field *pair)
{
	const uint8_t *at = pair->bytes;
	struct field key, value;

	assert_true(next(&at, pair->end, &key) && key.number == 1 && next(&at, pair->end, &value) && value.number == 2 && at == pair->end);
	fprintf(out, "%s %.*s=", what, (int)key.value, (const char *)key.bytes);
	put_value(out, value.bytes, value.end);
	fputc('\n', out);
}

static char text[1 << 17];

static const char *read_all(const struct header *h)
{
	const uint8_t *at = h->payload, *end = h->payload + h->payload_bytes;
	FILE *out = fmemopen(text, sizeof text, "w");
	unsigned resources = 0;
	struct field f, inner;

	assert_memory_equal(h->signature, "OTEL_CTX", 8);
	assert_int_equal(h->version, 2);
	assert_int_not_equal(h->published_ns, 0);
	while (next(&at, end, &f)) {
		if (f.number == 2) {
			put_pair(out, "a", &f);
			continue;
		}
		assert_int_equal(f.number, 1);
		resources++;
		for (const uint8_t *in = f.bytes; next(&in, f.end, &inner);) {
			assert_int_equal(inner.number, 1);
			put_pair(out, "r", &inner);
		}
	}
	assert_int_equal(resources, 1);
	fputc('\0', out);
	fclose(out);
	return text;
}

static bool says(const char *line)
{
	return strstr(read_all(find()), line) != NULL;
}

static struct weir_options options_of(const struct weir_attr *attrs, size_t count)
{
	struct weir_options o = {.size = sizeof o, .service_name = "orders", .tick_ns = WEIR_MS(2), .resource = {attrs, count}};

	return o;
}

ALONE(it_is_there_from_init_to_shutdown)
{
	const struct weir_attr attrs[] = {weir_attr_bool("a.bool", true), weir_attr_int("an.int", -5), weir_attr_double("a.double", 0.5),
	                                  weir_attr_str("a.text", "\xc3\xa9")};
	struct weir_options o = options_of(attrs, COUNT(attrs));
	char line[64];
	struct timespec now;

	assert_null(find());
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_non_null(find());
	assert_true(says("r service.name=\"orders\"\n"));
	assert_true(says("r a.bool=true\n"));
	assert_true(says("r an.int=-5\n"));
	assert_true(says("r a.double=0.5\n"));
	assert_true(says("r a.text=\"\xc3\xa9\"\n"));
	snprintf(line, sizeof line, "r process.pid=%d\n", (int)getpid());
	assert_true(says(line));
	assert_true(says("a threadlocal.schema_version=\"tlsdesc_v1_dev\"\n"));
	assert_true(says("a threadlocal.attribute_key_map=[\"http.route\"]\n"));
	clock_gettime(CLOCK_BOOTTIME, &now);
	assert_in_range(find()->published_ns, 1, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
	assert_null(find());
	assert_int_equal(weir_init(&o), WEIR_OK); /* and again */
	assert_true(says("r service.name=\"orders\"\n"));
}

ALONE(a_new_key_is_told_of)
{
	struct weir_options o = options_of(NULL, 0);
	struct weir_private_tag tenant = {"tenant", NULL, "app.tenant", NULL}, secret = {"sub", NULL, NULL, NULL};
	uint64_t before;

	assert_int_equal(weir_private_tag_define(&tenant), 1);
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_true(says("=[\"http.route\"\"app.tenant\"]\n"));
	before = find()->published_ns;
	assert_int_equal(weir_private_tag_define(&secret), 2);
	WITHIN_MS(10000, __atomic_load_n(&find()->published_ns, __ATOMIC_ACQUIRE) > before);
	sleep_ms(20);
	assert_true(says("=[\"http.route\"\"app.tenant\"\"\"]\n")); /* its number is taken, and its name is not told */
}

static void in_the_child(void)
{
	char line[64];

	assert_null(find());
	assert_int_equal(weir_after_fork(), WEIR_OK);
	snprintf(line, sizeof line, "r process.pid=%d\n", (int)getpid());
	assert_true(says(line));
	assert_true(says("r service.name=\"orders\"\n"));
	assert_int_equal(weir_shutdown(WEIR_S(5)), WEIR_OK);
	assert_null(find());
}

ALONE(a_forked_child_has_its_own)
{
	struct weir_options o = options_of(NULL, 0);
	char line[64];

	assert_int_equal(weir_init(&o), WEIR_OK);
	if (TSAN)
		alone_skip("a child of threads begins threads");
	in_child(in_the_child);
	snprintf(line, sizeof line, "r process.pid=%d\n", (int)getpid());
	assert_true(says(line));
}

ALONE(who_is_disabled_says_nothing)
{
	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(weir_init(NULL), WEIR_OK);
	assert_null(find());
}

ALONE(a_resource_that_is_full)
{
	enum { MOST = 120 };
	static char key[MOST][16], value[200];
	struct weir_attr attrs[MOST];
	struct weir_options o;

	memset(value, 'x', sizeof value - 1);
	for (int n = 0; n < MOST; n++) {
		snprintf(key[n], sizeof key[n], "k%d", n);
		attrs[n] = weir_attr_str(key[n], value);
	}
	o = options_of(attrs, MOST);
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_true(says("r service.name=\"orders\"\n")); /* of the 16 KiB that a resource may have, all that fits is told */
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_is_there_from_init_to_shutdown),
	cmocka_unit_test(a_new_key_is_told_of),
	cmocka_unit_test(a_forked_child_has_its_own),
	cmocka_unit_test(who_is_disabled_says_nothing),
	cmocka_unit_test(a_resource_that_is_full),
};
ALONE_MAIN(tests)

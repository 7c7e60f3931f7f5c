/* Unit: src/environment.c: what OTEL_ variables and options make of the resource, the level and the interval; what is
 * wrong in them is told and passed over. */
#define _GNU_SOURCE
#include "environment.h"
#include "options.h"
#include "log.h"

#include <weir/snapshot.h>

#include <sys/utsname.h>

#include "alone.h"

/* ---- the resource ---- */

static struct weir_snapshot *snapshot;
static const struct weir_attr *attribute(const char *key)
{
	const struct weir_attr *found = NULL;
	struct weir_attrs all;

	if (snapshot == NULL)
		assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	all = weir_snapshot_resource(snapshot);
	for (size_t i = 0; i < all.count; i++)
		if (all.ptr[i].key.len == strlen(key) && memcmp(all.ptr[i].key.ptr, key, strlen(key)) == 0) {
			assert_null(found); /* a key stands once */
			found = &all.ptr[i];
		}
	return found;
}

static const char *text(const char *key)
{
	const struct weir_attr *a = attribute(key);

	if (a == NULL)
		return NULL;
	assert_int_equal(a->type, WEIR_ATTR_STR);
	assert_int_equal(a->as.str.ptr[a->as.str.len], 0);
	return a->as.str.ptr;
}

static void begin(const struct weir_options *given)
{
	struct weir_options o = given != NULL ? *given : (struct weir_options){.size = sizeof o};

	if (o.log == NULL)
		o.log = say_to_test;
	o.no_thread = o.no_process = true;
	assert_int_equal(weir_init(&o), WEIR_OK);
}

ALONE(a_process_says_who_it_is)
{
	struct utsname host;
	const char *id;

	begin(NULL);
	assert_string_equal(text("service.name"), "unknown_service:test_environment");
	assert_string_equal(text("telemetry.sdk.language"), "c");
	assert_string_equal(text("telemetry.sdk.name"), "weir");
	assert_string_equal(text("telemetry.sdk.version"), weir_version());
	assert_string_equal(text("process.executable.name"), "test_environment");
	assert_int_equal(attribute("process.pid")->type, WEIR_ATTR_INT);
	assert_int_equal(attribute("process.pid")->as.integer, getpid());
	assert_int_equal(uname(&host), 0);
	assert_string_equal(text("host.name"), host.nodename);
	assert_string_equal(text("os.type"), "linux");
#if defined(__x86_64__)
	assert_string_equal(text("host.arch"), "amd64");
#elif defined(__aarch64__)
	assert_string_equal(text("host.arch"), "arm64");
#endif
	assert_null(attribute("service.version"));
	assert_null(attribute("process.command_line")); /* it may hold secrets */
	assert_null(attribute("process.command_args"));
	id = text("service.instance.id");
	assert_int_equal(strlen(id), 36);
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23)
			assert_int_equal(id[i], '-');
		else
			assert_non_null(strchr("0123456789abcdef", id[i]));
	assert_int_equal(id[14], '4'); /* RFC 9562: version 4, variant 10 */
	assert_non_null(strchr("89ab", id[19]));
	assert_int_equal(said_count(), 0);
}

static char parents_id[40];
static void child_is_another_instance(void)
{
	snapshot = NULL;
	assert_int_equal(weir_after_fork(), WEIR_OK);
	assert_int_equal(strcmp(text("service.instance.id"), parents_id) != 0, true);
	assert_int_equal(attribute("process.pid")->as.integer, getpid());
	assert_string_equal(text("service.name"), "shop");
	assert_string_equal(text("color"), "blue");
	assert_string_equal(text("k"), "v");
}

ALONE(a_child_is_an_instance_of_its_own)
{
	struct weir_attr extra[] = {weir_attr_str("k", "v")};
	struct weir_options o = {.size = sizeof o, .service_name = "shop", .resource = {extra, 1}};

	setenv("OTEL_RESOURCE_ATTRIBUTES", "color=blue", 1);
	begin(&o);
	snprintf(parents_id, sizeof parents_id, "%s", text("service.instance.id"));
	in_child(child_is_another_instance);
	assert_int_equal(attribute("process.pid")->as.integer, getpid());
	assert_string_equal(text("service.instance.id"), parents_id);
}

ALONE(attributes_of_the_variable_are_taken)
{
	setenv("OTEL_RESOURCE_ATTRIBUTES", "a=1, b = x y ,c=,os.type=other,service.name=by attributes,a=2,d=p=q", 1);
	begin(NULL);
	assert_string_equal(text("a"), "2"); /* the later one */
	assert_non_null(attribute("b"));
	assert_string_equal(text("c"), "");
	assert_string_equal(text("os.type"), "other");
	assert_string_equal(text("service.name"), "by attributes");
	assert_string_equal(text("d"), "p=q");
	assert_int_equal(said_count(), 0);
}

ALONE(attributes_are_percent_decoded)
{
	setenv("OTEL_RESOURCE_ATTRIBUTES", "a=x%20y%2Cz%3d1,b=%e2%82%AC,c%2Cd=1,e=%25,f=%41%42", 1);
	begin(NULL);
	assert_string_equal(text("a"), "x y,z=1");
	assert_string_equal(text("b"), "\xe2\x82\xac");
	assert_string_equal(text("c,d"), "1"); /* keys too */
	assert_string_equal(text("e"), "%");
	assert_string_equal(text("f"), "AB");
	assert_int_equal(said_count(), 0);
}

/* One case each, since the environment is read once. */
static void is_discarded(const char *variable)
{
	setenv("OTEL_RESOURCE_ATTRIBUTES", variable, 1);
	begin(NULL);
	if (attribute("good") != NULL || attribute("late") != NULL)
		fail_msg("of \"%s\" something was taken", variable);
	if (said_times("OTEL_RESOURCE_ATTRIBUTES") != 1)
		fail_msg("\"%s\" is not told", variable);
	assert_int_equal(said.level[0], WEIR_LOG_WARN);
	assert_string_equal(text("service.name"), "unknown_service:test_environment");
}

static const char *bad_variable;
static void discards(void)
{
	is_discarded(bad_variable);
}

ALONE(one_bad_pair_discards_the_whole)
{
	static const char *const bad[] = {
	    "good=1,bad,late=2",
	    "good=1,=x,late=2",
	    "good=1,,late=2",
	    "good=1,bad=%zz",
	    "good=1,bad=%4",
	    "good=1,bad=%",
	    "bad%4=1,good=1",
	    "good=1, =x",
	    ",good=1",
	    "nothing",
	    "=",
	};
	static char huge[4096];

	for (size_t i = 0; i < COUNT(bad); i++) {
		bad_variable = bad[i];
		in_child(discards);
	}
	memset(huge, 'x', sizeof huge - 1);
	memcpy(huge, "good=1,bad=", 11);
	bad_variable = huge;
	in_child(discards);
}

ALONE(an_empty_variable_is_none)
{
	setenv("OTEL_RESOURCE_ATTRIBUTES", "", 1);
	setenv("OTEL_SERVICE_NAME", "", 1);
	setenv("OTEL_LOG_LEVEL", "", 1);
	setenv("OTEL_METRIC_EXPORT_INTERVAL", "", 1);
	begin(NULL);
	assert_string_equal(text("service.name"), "unknown_service:test_environment");
	assert_int_equal(weir__environment_ns("OTEL_METRIC_EXPORT_INTERVAL", 60000), WEIR_S(60));
	assert_int_equal(weir__environment_log_level(), WEIR_LOG_WARN);
	assert_int_equal(said_count(), 0);
}

ALONE(it_is_read_once)
{
	setenv("OTEL_SERVICE_NAME", "at init", 1);
	setenv("OTEL_RESOURCE_ATTRIBUTES", "color=blue", 1);
	begin(NULL);
	setenv("OTEL_SERVICE_NAME", "later", 1);
	setenv("OTEL_RESOURCE_ATTRIBUTES", "color=red,size=large", 1);
	setenv("OTEL_SDK_DISABLED", "true", 1);
	setenv("OTEL_LOG_LEVEL", "none", 1);
	assert_string_equal(text("service.name"), "at init");
	assert_string_equal(text("color"), "blue");
	assert_null(attribute("size"));
	assert_false(weir_private_disabled());
	weir_private_log(WEIR_LOG_WARN, "a warning");
	assert_int_equal(said_count(), 1);
	assert_int_equal(weir_init(NULL), WEIR_OK); /* again, while it runs: changes nothing */
	weir_snapshot_destroy(snapshot);
	snapshot = NULL;
	assert_string_equal(text("service.name"), "at init");
}

ALONE(the_services_name_beats_the_attributes)
{
	setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=by attributes,service.version=7,color=blue", 1);
	setenv("OTEL_SERVICE_NAME", "by name", 1);
	begin(NULL);
	assert_string_equal(text("service.name"), "by name");
	assert_string_equal(text("service.version"), "7");
	assert_string_equal(text("color"), "blue");
}

ALONE(options_beat_variables_key_by_key)
{
	char key[] = "color", value[] = "red";
	struct weir_attr extra[] = {weir_attr_str(key, value),           weir_attr_int("count", -5),
	                            weir_attr_bool("on", true),          weir_attr_double("share", 0.5),
	                            weir_attr_str_n("nul", STR("a\0b")), weir_attr_str("none", NULL)};
	struct weir_options o = {.size = sizeof o, .service_name = "by options", .service_version = "1.2",
	                         .resource = {extra, COUNT(extra)}};

	setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=by attributes,service.version=7,color=blue,size=large", 1);
	setenv("OTEL_SERVICE_NAME", "by name", 1);
	begin(&o);
	key[0] = value[0] = '?'; /* copied */
	assert_string_equal(text("service.name"), "by options");
	assert_string_equal(text("service.version"), "1.2");
	assert_string_equal(text("color"), "red");
	assert_string_equal(text("size"), "large");
	assert_int_equal(attribute("count")->as.integer, -5);
	assert_int_equal(attribute("on")->type, WEIR_ATTR_BOOL);
	assert_true(attribute("on")->as.boolean);
	assert_true(attribute("share")->type == WEIR_ATTR_DOUBLE && attribute("share")->as.real == 0.5);
	assert_int_equal(attribute("nul")->as.str.len, 3);
	assert_memory_equal(attribute("nul")->as.str.ptr, "a\0b", 4);
	assert_int_equal(attribute("none")->as.str.len, 0);
}

ALONE(the_attribute_service_name_among_options_beats_the_variable)
{
	struct weir_attr extra[] = {weir_attr_str("service.name", "by attribute")};
	struct weir_options o = {.size = sizeof o, .resource = {extra, 1}};

	setenv("OTEL_SERVICE_NAME", "by name", 1);
	begin(&o);
	assert_string_equal(text("service.name"), "by attribute");
}

ALONE(more_attributes_than_there_is_room_for_are_left_out)
{
	static struct weir_attr many[300];
	static char key[300][64], value[300][100];
	struct weir_options o = {.size = sizeof o, .resource = {many, COUNT(many)}};
	struct weir_attrs all;

	for (size_t i = 0; i < COUNT(many); i++) {
		snprintf(key[i], sizeof key[i], "key.%zu", i);
		memset(value[i], 'v', sizeof value[i] - 1);
		many[i] = weir_attr_str(key[i], value[i]);
	}
	begin(&o);
	assert_string_equal(text("key.0"), value[0]);
	assert_non_null(attribute("service.name"));
	all = weir_snapshot_resource(snapshot);
	assert_in_range(all.count, 64, COUNT(many));
	for (size_t i = 0; i < all.count; i++)
		if (strncmp(all.ptr[i].key.ptr, "key.", 4) == 0)
			assert_string_equal(all.ptr[i].as.str.ptr, value[0]); /* whole, or not at all */
}

ALONE(a_snapshot_keeps_the_resource_it_was_made_with)
{
	struct weir_options o = {.size = sizeof o, .service_name = "first"};

	begin(&o);
	assert_string_equal(text("service.name"), "first");
	assert_int_equal(weir_shutdown(WEIR_S(10)), WEIR_OK);
	o.service_name = "second";
	begin(&o);
	assert_string_equal(text("service.name"), "first");
	weir_snapshot_destroy(snapshot);
	snapshot = NULL;
	assert_string_equal(text("service.name"), "second");
}

/* ---- level and interval ---- */

ALONE(the_level_is_the_variables)
{
	static const struct {
		const char *value;
		enum weir_log_level level;
		bool told;
	} cases[] = {
		{"none", WEIR_LOG_NONE, false}, {"error", WEIR_LOG_ERROR, false}, {"warn", WEIR_LOG_WARN, false},
		{"info", WEIR_LOG_INFO, false}, {"debug", WEIR_LOG_DEBUG, false}, {"DEBUG", WEIR_LOG_DEBUG, false},
		{"verbose", WEIR_LOG_WARN, true}, {"warning", WEIR_LOG_WARN, true}, {"2", WEIR_LOG_WARN, true},
		{"info ", WEIR_LOG_WARN, true},
	};

	weir__log_set(say_to_test, NULL, WEIR_LOG_DEBUG);
	unsetenv("OTEL_LOG_LEVEL");
	assert_int_equal(weir__environment_log_level(), WEIR_LOG_WARN);
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned before = said_count();

		setenv("OTEL_LOG_LEVEL", cases[i].value, 1);
		assert_int_equal(weir__environment_log_level(), cases[i].level);
		assert_int_equal(said_count(), before + cases[i].told);
	}
	assert_int_equal(said_times("OTEL_LOG_LEVEL=verbose"), 1);
}

static void says_with(const char *variable, enum weir_log_level option, unsigned wanted)
{
	struct weir_options o = {
	    .size = sizeof o, .log = say_to_test, .log_level = option, .no_thread = true, .no_process = true};

	setenv("OTEL_LOG_LEVEL", variable, 1);
	assert_int_equal(weir_init(&o), WEIR_OK);
	weir_private_log(WEIR_LOG_ERROR, "an error");
	weir_private_log(WEIR_LOG_INFO, "an info");
	assert_int_equal(said_count(), wanted);
}

ALONE(the_variable_says_what_is_logged)
{
	says_with("debug", WEIR_LOG_ENV, 2);
}

ALONE(the_variable_silences)
{
	says_with("none", WEIR_LOG_ENV, 0);
}

ALONE(the_option_beats_the_variable)
{
	says_with("debug", WEIR_LOG_ERROR, 1);
}

ALONE(a_level_that_is_not_known_is_told_through_the_callback)
{
	says_with("loud", WEIR_LOG_ENV, 2); /* the complaint and the error */
	assert_int_equal(said_times("OTEL_LOG_LEVEL=loud"), 1);
}

ALONE(the_interval_is_the_variables_milliseconds)
{
	static const struct {
		const char *value;
		uint64_t ns;
	} good[] = {{"1", 1000000}, {"60000", WEIR_S(60)}, {"00250", 250000000}, {"86400000", WEIR_S(86400)}};
	static const char *const bad[] = {"0", "-1", "1.5", "10s", "ten", "1e3", "86400001", "18446744073709551616",
	                                  "99999999999999999999", "-18446744073709551615", "0x10", "5 "};

	weir__log_set(say_to_test, NULL, WEIR_LOG_DEBUG);
	unsetenv("OTEL_METRIC_EXPORT_INTERVAL");
	assert_int_equal(weir__environment_ns("OTEL_METRIC_EXPORT_INTERVAL", 60000), WEIR_S(60));
	for (size_t i = 0; i < COUNT(good); i++) {
		setenv("OTEL_METRIC_EXPORT_INTERVAL", good[i].value, 1);
		assert_int_equal(weir__environment_ns("OTEL_METRIC_EXPORT_INTERVAL", 60000), good[i].ns);
	}
	assert_int_equal(said_count(), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		setenv("OTEL_METRIC_EXPORT_INTERVAL", bad[i], 1);
		assert_int_equal(weir__environment_ns("OTEL_METRIC_EXPORT_INTERVAL", 60000), WEIR_S(60));
		assert_int_equal(said_count(), i + 1);
		assert_int_equal(said.level[i], WEIR_LOG_WARN);
	}
}

/* ---- options of other sizes ---- */

static void options_are_taken_by_their_size(void **state)
{
	struct known {
		size_t size;
		uint64_t a, b;
	} taken, given = {sizeof given, 1, 2};
	struct {
		struct known known;
		char tail[8];
	} newer = {{sizeof newer, 3, 4}, {0, 0, 0, 0, 0, 0, 0, 0}};

	(void)state;
	assert_true(weir__take_options(&taken, sizeof taken, NULL, 0));
	assert_int_equal(taken.a | taken.b, 0);
	assert_true(weir__take_options(&taken, sizeof taken, &given, sizeof given));
	assert_true(taken.a == 1 && taken.b == 2);
	assert_true(weir__take_options(&taken, sizeof taken, &given, offsetof(struct known, b))); /* an older one */
	assert_true(taken.a == 1 && taken.b == 0);
	assert_true(weir__take_options(&taken, sizeof taken, &newer, sizeof newer));
	assert_true(taken.a == 3 && taken.b == 4);
	for (size_t i = 0; i < sizeof newer.tail; i++) {
		newer.tail[i] = 1;
		assert_false(weir__take_options(&taken, sizeof taken, &newer, sizeof newer));
		assert_int_equal(weir__take_options(&taken, sizeof taken, &newer, sizeof newer.known + i), true);
		newer.tail[i] = 0;
	}
	for (size_t size = 0; size < sizeof(size_t); size++)
		assert_false(weir__take_options(&taken, sizeof taken, &given, size));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_process_says_who_it_is),
	cmocka_unit_test(a_child_is_an_instance_of_its_own),
	cmocka_unit_test(attributes_of_the_variable_are_taken),
	cmocka_unit_test(attributes_are_percent_decoded),
	cmocka_unit_test(one_bad_pair_discards_the_whole),
	cmocka_unit_test(an_empty_variable_is_none),
	cmocka_unit_test(it_is_read_once),
	cmocka_unit_test(the_services_name_beats_the_attributes),
	cmocka_unit_test(options_beat_variables_key_by_key),
	cmocka_unit_test(the_attribute_service_name_among_options_beats_the_variable),
	cmocka_unit_test(more_attributes_than_there_is_room_for_are_left_out),
	cmocka_unit_test(a_snapshot_keeps_the_resource_it_was_made_with),
	cmocka_unit_test(the_level_is_the_variables),
	cmocka_unit_test(the_variable_says_what_is_logged),
	cmocka_unit_test(the_variable_silences),
	cmocka_unit_test(the_option_beats_the_variable),
	cmocka_unit_test(a_level_that_is_not_known_is_told_through_the_callback),
	cmocka_unit_test(the_interval_is_the_variables_milliseconds),
	cmocka_unit_test(options_are_taken_by_their_size),
};
ALONE_MAIN(tests)

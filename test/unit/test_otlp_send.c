/* The sender without a server, and with one of a few lines: bounds, groups, flush, stop, what is told of losses. What servers
 * do wrong is test/e2e/otlp_faults.py's. */
#define _GNU_SOURCE
#include "send.h"

#include <weir/abi/private.h>

#include <curl/curl.h>

#include "test_otlp_server.h"

static struct weir__otlp_config config;

static struct weir__otlp_sender *begin(const char *endpoint, uint64_t bytes)
{
	struct weir_otlp_options o = {.size = sizeof o, .endpoint = endpoint, .spool_bytes = bytes};
	struct weir__otlp_sender *s;

	clearenv();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	assert_int_equal(weir__otlp_config_read(&config, &o), WEIR_OK);
	assert_int_equal(weir__otlp_sender_new(&s, &config), WEIR_OK);
	return s;
}

static int offer(struct weir__otlp_sender *s, enum weir__otlp_signal signal, size_t len, uint64_t group)
{
	struct weir__otlp_bytes bytes = {0};

	assert_true(weir__otlp_room(&bytes, len + 1));
	bytes.at = memset(bytes.start, 0, len);
	bytes.at += len;
	return weir__otlp_sender_offer(s, signal, &bytes, 1, group);
}

static struct weir__otlp_counts counts(struct weir__otlp_sender *s)
{
	struct weir__otlp_counts c;

	weir__otlp_sender_counts(s, &c);
	return c;
}

ALONE(what_is_offered_arrives)
{
	struct weir__otlp_sender *s;

	begin_server(true);
	s = begin(url, 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(offer(s, WEIR__OTLP_TRACES, 100, 0), WEIR_OK);
		assert_int_equal(offer(s, WEIR__OTLP_METRICS, 100, 1), WEIR_OK);
	}
	assert_int_equal(offer(s, WEIR__OTLP_TRACES, 0, 0), WEIR_OK); /* no empty envelope */
	assert_int_equal(weir__otlp_sender_flush(s, WEIR_S(30)), WEIR_OK);
	assert_int_equal(counts(s).delivered[WEIR__OTLP_TRACES], 50);
	assert_int_equal(counts(s).delivered[WEIR__OTLP_METRICS], 50);
	assert_int_equal(counts(s).attempts, 100);
	assert_int_equal(counts(s).memory_bytes, 0);
	assert_true(weir__otlp_sender_stop(s, WEIR_S(30)));
	weir__otlp_config_free(&config);
}

ALONE(room_goes_round)
{
	struct weir__otlp_bytes bytes, more;
	struct weir__otlp_sender *s;
	uint8_t *start;

	begin_server(true);
	s = begin(url, 0);
	weir__otlp_sender_room(s, &bytes);
	assert_null(bytes.start); /* nothing was delivered yet */
	assert_true(weir__otlp_room(&bytes, 5000));
	start = bytes.start;
	bytes.at = memset(bytes.start, 0, 3000);
	bytes.at += 3000;
	assert_int_equal(weir__otlp_sender_offer(s, WEIR__OTLP_TRACES, &bytes, 1, 0), WEIR_OK);
	assert_null(bytes.start);
	assert_int_equal(weir__otlp_sender_flush(s, WEIR_S(30)), WEIR_OK);
	weir__otlp_sender_room(s, &bytes);
	assert_ptr_equal(bytes.start, start);
	assert_int_equal(weir__otlp_used(&bytes), 0);
	assert_true(bytes.end - bytes.start >= 5000);
	weir__otlp_sender_room(s, &more);
	assert_null(more.start); /* it was given once */
	bytes.at = memset(bytes.start, 0, 5000);
	bytes.at += 5000;
	assert_int_equal(weir__otlp_sender_offer(s, WEIR__OTLP_METRICS, &bytes, 1, 1), WEIR_OK);
	assert_int_equal(offer(s, WEIR__OTLP_TRACES, 2 << 20, 0), WEIR_OK); /* too much to be kept */
	assert_int_equal(weir__otlp_sender_flush(s, WEIR_S(30)), WEIR_OK);
	weir__otlp_sender_room(s, &bytes);
	assert_ptr_equal(bytes.start, start);
	weir__otlp_bytes_free(&bytes);
	assert_true(weir__otlp_sender_stop(s, WEIR_S(30)));
	weir__otlp_config_free(&config);
}

ALONE(bounds)
{
	struct weir__otlp_bytes huge = {0};
	struct weir__otlp_sender *s;

	begin_server(false); /* connects, and never answers */
	s = begin(url, 2000);
	assert_int_equal(offer(s, WEIR__OTLP_METRICS, 5000, 1), WEIR_OK); /* one is taken, however large */
	assert_false(weir__otlp_sender_has_room(s, WEIR__OTLP_METRICS));
	assert_true(weir__otlp_sender_has_room(s, WEIR__OTLP_TRACES)); /* the other's is its own */
	while (counts(s).attempts == 0)
		usleep(STEP_US);
	for (int i = 0; i < 3; i++) /* of one snapshot */
		assert_int_equal(offer(s, WEIR__OTLP_METRICS, 400, 2), WEIR_OK);
	assert_int_equal(counts(s).waiting[WEIR__OTLP_METRICS], 4);
	assert_int_equal(offer(s, WEIR__OTLP_METRICS, 400, 3), WEIR_OK); /* a newer one pushes them out, but not what is on its way */
	assert_int_equal(counts(s).waiting[WEIR__OTLP_METRICS], 2);
	assert_int_equal(counts(s).lost[WEIR__OTLP_LOST_LIMIT], 3);
	assert_true(weir__otlp_room(&huge, (64u << 20) + 1));
	huge.at += (64u << 20) + 1;
	assert_int_equal(weir__otlp_sender_offer(s, WEIR__OTLP_TRACES, &huge, 1, 0), WEIR_ELIMIT);
	assert_int_equal(counts(s).lost[WEIR__OTLP_LOST_SIZE], 1);
	assert_int_equal(weir__otlp_sender_flush(s, WEIR_MS(20)), WEIR_ETIMEOUT);
	assert_true(weir__otlp_sender_stop(s, WEIR_S(30)));
	weir__otlp_config_free(&config);
}

ALONE(what_is_off_is_not_taken)
{
	struct weir__otlp_sender *s;

	s = begin("http://127.0.0.1:1", 0);
	weir__otlp_sender_stop(s, WEIR_S(30));
	weir__otlp_config_free(&config);
	s = begin("http://127.0.0.1:1", 0);
	config.target[WEIR__OTLP_TRACES].on = false;
	assert_int_equal(offer(s, WEIR__OTLP_TRACES, 10, 0), WEIR_OK);
	assert_int_equal(counts(s).taken[WEIR__OTLP_TRACES], 0);
	assert_int_equal(weir__otlp_sender_flush(s, 0), WEIR_OK); /* nothing waits: no time is needed */
	assert_true(weir__otlp_sender_stop(s, WEIR_S(30)));
	weir__otlp_config_free(&config);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_offered_arrives),
	cmocka_unit_test(room_goes_round),
	cmocka_unit_test(bounds),
	cmocka_unit_test(what_is_off_is_not_taken),
};
ALONE_MAIN(tests)

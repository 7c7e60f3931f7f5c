/* Label values by traffic: who gets a place, keeps it, and gives it up. Time is given, so that minutes pass at once. */
#define _GNU_SOURCE
#include "top.h"

#include <weir/abi/private.h>

#include "alone.h"

static uint64_t now = WEIR_S(UINT64_C(1700000000));
static int tag;

static void begin(void)
{
	const struct weir_options o = {.size = sizeof o, .no_thread = true};
	const struct weir_private_tag t = {.name = "tenant", .label = "tenant", .absent = "anonymous"};

	assert_int_equal(weir_init(&o), WEIR_OK);
	tag = weir_private_tag_define(&t);
	assert_true(tag > 0);
}

static uint64_t ask(struct weir__jwt_top *top, const char *value, bool may_take)
{
	struct weir_str text = weir_str_of(value);
	uint16_t hint = 0;

	return weir__jwt_top_place(top, weir__jwt_top_mark(top, text), &hint, text, now, may_take);
}

static void pass(struct weir__jwt_top *top, uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds; i++) {
		now += WEIR_S(1);
		weir__jwt_top_tend(top, now);
	}
}

ALONE(first_come)
{
	struct weir__jwt_top *top;
	uint64_t place[3];
	char text[8];

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 3, WEIR_S(600)), WEIR_OK);
	for (int i = 0; i < 3; i++) {
		sprintf(text, "t%d", i);
		place[i] = ask(top, text, true);
		assert_int_not_equal(place[i], 0);
	}
	assert_int_equal(ask(top, "t3", true), 0); /* other */
	for (int i = 0; i < 3; i++) {
		sprintf(text, "t%d", i);
		assert_int_equal(ask(top, text, false), place[i]); /* the same each time */
	}
	assert_int_equal(weir__jwt_top_placed(top), 3);
	weir__jwt_top_free(top);
	for (int i = 0; i < 3; i++)
		assert_false(weir_private_place_is_current(place[i]));
}

/* What came from the cache takes none itself; the thread sees to it. */
ALONE(later)
{
	struct weir__jwt_top *top;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 3, WEIR_S(600)), WEIR_OK);
	assert_int_equal(ask(top, "a", false), 0);
	pass(top, 1);
	assert_int_not_equal(ask(top, "a", false), 0);
	weir__jwt_top_free(top);
}

ALONE(never_placed)
{
	struct weir__jwt_top *top;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 2, WEIR_S(600)), WEIR_OK);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ask(top, "other", true), 0);
		assert_int_equal(ask(top, "anonymous", true), 0);
	}
	assert_int_equal(ask(top, "a", false), 0);
	pass(top, 3);
	assert_int_not_equal(ask(top, "a", false), 0); /* they do not stand in the way */
	weir__jwt_top_free(top);
}

/* An idle one gives up its place; the busiest of those that wait has it. */
ALONE(idle)
{
	struct weir__jwt_top *top;
	uint64_t old;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 2, WEIR_S(10)), WEIR_OK);
	old = ask(top, "old", true);
	ask(top, "busy", true);
	for (int s = 0; s < 20; s++) {
		ask(top, "busy", false);
		for (int i = 0; i < 3; i++)
			ask(top, "more", false);
		ask(top, "less", false);
		pass(top, 1);
		assert_int_equal(weir_private_place_is_current(old), s < 10);
	}
	assert_int_not_equal(ask(top, "more", false), 0);
	assert_int_not_equal(ask(top, "busy", false), 0);
	assert_int_equal(ask(top, "less", false), 0);
	assert_int_equal(ask(top, "old", true), 0);
	pass(top, 12);
	assert_int_equal(weir__jwt_top_placed(top), 0); /* nobody asks any more */
	weir__jwt_top_free(top);
}

/* One that is busier by far takes the place of the least, but not of one that has it for less than a minute. */
ALONE(busier)
{
	struct weir__jwt_top *top;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 2, WEIR_S(600)), WEIR_OK);
	for (int s = 0; s < 70; s++) {
		ask(top, "slow", true);
		for (int i = 0; i < 100; i++) {
			ask(top, "fast", true);
			if (s > 5)
				ask(top, "new", true);
		}
		if (s == 50)
			assert_int_equal(ask(top, "new", false), 0);
		pass(top, 1);
	}
	assert_int_not_equal(ask(top, "new", false), 0);
	assert_int_not_equal(ask(top, "fast", false), 0);
	assert_int_equal(ask(top, "slow", true), 0);
	weir__jwt_top_free(top);
}

/* Many that come once do not push out those that come often, and memory does not grow. */
ALONE(flood)
{
	struct weir__jwt_top *top;
	char text[24];

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 4, WEIR_S(600)), WEIR_OK);
	for (int i = 0; i < 4; i++) {
		sprintf(text, "steady%d", i);
		ask(top, text, true);
	}
	for (int s = 0; s < 100; s++) {
		for (int i = 0; i < 1000; i++) {
			sprintf(text, "once%d-%d", s, i);
			assert_int_equal(ask(top, text, true), 0);
		}
		for (int i = 0; i < 4; i++)
			for (int n = 0; n < 20; n++) {
				sprintf(text, "steady%d", i);
				assert_int_not_equal(ask(top, text, n % 2 == 0), 0);
			}
		pass(top, 1);
	}
	assert_int_equal(weir__jwt_top_placed(top), 4);
	weir__jwt_top_free(top);
}

/* The clock is set back by an hour: what is said of later counts as said now, and all goes on. */
ALONE(clock_set_back)
{
	struct weir__jwt_top *top;
	uint64_t old;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 1, WEIR_S(100)), WEIR_OK);
	old = ask(top, "old", true);
	pass(top, 1);
	now -= WEIR_S(3600);
	for (int s = 0; s < 70; s++) {
		for (int i = 0; i < 100; i++)
			ask(top, "new", false);
		pass(top, 1);
		if (s < 50) /* for its minute */
			assert_true(weir_private_place_is_current(old));
	}
	assert_false(weir_private_place_is_current(old)); /* long before the hour is over */
	assert_int_not_equal(ask(top, "new", false), 0);
	pass(top, 110);
	assert_int_equal(weir__jwt_top_placed(top), 0); /* idle */
	weir__jwt_top_free(top);
}

/* A value may be idle for ever, and still be replaced by a busier one. */
ALONE(idle_for_ever)
{
	struct weir__jwt_top *top;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 1, UINT64_MAX), WEIR_OK);
	ask(top, "old", true);
	for (int s = 0; s < 70; s++) {
		for (int i = 0; i < 100; i++)
			ask(top, "new", false);
		pass(top, 1);
	}
	assert_int_not_equal(ask(top, "new", false), 0);
	weir__jwt_top_free(top);
}

struct asker {
	struct weir__jwt_top *top;
	unsigned number;
};

static void *ask_on(void *arg)
{
	const struct asker *a = arg;
	uint64_t mark[16];
	char text[16][8];

	for (unsigned i = 0; i < 16; i++) {
		sprintf(text[i], "v%u", i);
		mark[i] = weir__jwt_top_mark(a->top, weir_str_of(text[i]));
	}
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = (n * 7 + a->number) % 16;
		uint16_t hint = (uint16_t)i;
		uint64_t place = weir__jwt_top_place(a->top, mark[i], &hint, weir_str_of(text[i]), now + n, n % 3 == 0);

		if (place != 0 && weir_private_place_is_current(place)) /* nobody else's: a place has one text */
			assert_true(place == weir_private_place_take(tag, weir_str_of(text[i])) || !weir_private_place_is_current(place));
	}
	return NULL;
}

/* Four places for sixteen values, by four threads, while places change hands: a place is never another value's. */
ALONE(threads)
{
	struct asker asker[4];
	pthread_t thread[4];
	struct weir__jwt_top *top;

	begin();
	assert_int_equal(weir__jwt_top_new(&top, tag, 4, 1000), WEIR_OK); /* idle at once */
	for (unsigned i = 0; i < 4; i++) {
		asker[i] = (struct asker){top, i};
		assert_int_equal(pthread_create(&thread[i], NULL, ask_on, &asker[i]), 0);
	}
	for (uint64_t i = 1; i < 300; i++) {
		weir__jwt_top_tend(top, now + WEIR_S(i));
		usleep(100);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	weir__jwt_top_free(top);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(first_come), cmocka_unit_test(later),  cmocka_unit_test(never_placed),
                                          cmocka_unit_test(idle),       cmocka_unit_test(busier), cmocka_unit_test(flood),
                                          cmocka_unit_test(clock_set_back), cmocka_unit_test(idle_for_ever), cmocka_unit_test(threads)};
ALONE_MAIN(tests)

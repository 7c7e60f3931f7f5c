/* Unit: src/retire.c: what readers of the segment see, and the grand total with threads, snapshots, readers and forks at it. */
#include "test_retire.h"

/* ---- who reads the segment ---- */

static void open_segment(struct reader *reader)
{
	assert_true(reader_open(reader, weir__segment_header(), weir__segment_header()->total_bytes));
}

struct look {
	char text[600];
};
static void show(void *arg, const struct reader_series *s)
{
	struct look *l = arg;

	if (s->name_len == 14 && memcmp(s->name, "requests_total", 14) == 0)
		snprintf(l->text + strlen(l->text), sizeof l->text - strlen(l->text), "%s %llu;", s->labels, (unsigned long long)s->value);
}

static const char *seen_outside(void)
{
	static struct look look;
	struct reader reader;

	open_segment(&reader);
	look.text[0] = '\0';
	reader_sums(&reader, 1000, show, &look);
	return look.text;
}

ALONE(readers_outside_see_the_turns)
{
	struct weir_ctx ctx;
	uint64_t place;

	start();
	place = begin(&ctx, "acme & sons");
	weir_counter_add_ctx(&requests, 5, &ctx, "GET");
	assert_string_equal(seen_outside(), "GET|acme & sons 5;");
	assert_true(weir_private_place_give_up(place, 0));
	weir_counter_add_ctx(&requests, 1, &ctx, "GET");
	assert_string_equal(seen_outside(), "GET|acme & sons 5;GET|other 1;");
	weir__places_retire();
	assert_string_equal(seen_outside(), "GET|other 1;");
	begin(&ctx, "globex");
	assert_string_equal(seen_outside(), "GET|other 1;");
	weir_counter_add_ctx(&requests, 2, &ctx, "GET");
	assert_string_equal(seen_outside(), "GET|globex 2;GET|other 1;");
}

static void look_in_child(void)
{
	struct weir_ctx ctx;
	uint64_t place = begin(&ctx, "acme");

	weir_counter_add_ctx(&requests, 3, &ctx, "GET");
	assert_string_equal(seen_outside(), "GET|acme 3;");
	assert_true(weir_private_place_give_up(place, 0));
	weir__places_retire();
	begin(&ctx, "globex");
	weir_counter_add_ctx(&requests, 4, &ctx, "GET");
	assert_string_equal(seen_outside(), "GET|globex 4;");
	assert_int_equal(value_of("weir_series_retired_total", "requests_total"), 3);
}

ALONE(a_forked_childs_turns_are_its_own)
{
	struct weir_ctx ctx;

	start();
	begin(&ctx, "acme");
	weir_counter_add_ctx(&requests, 5, &ctx, "GET");
	in_child(look_in_child);
	assert_string_equal(seen_outside(), "GET|acme 5;");
	assert_int_equal(value_of("requests_total", "GET|acme"), 5);
}

/* ---- all at once ---- */

enum { THREADS = 8, TENANTS = 24, LIVE = 6 };
static const uint64_t weight = 1000003; /* of the n-th tenant: weight + n: what is another's is no multiple of it */
static struct {
	uint64_t token[TENANTS]; /* 0: has none */
	uint64_t offered[TENANTS];
	uint64_t total;
	uint32_t stop;
	uint32_t records;
} world;

static void name_of(char out[32], unsigned n)
{
	snprintf(out, 32, "tenant-%u%.*s", n, (int)(n % 9), "xxxxxxxxx");
}

static void *record_all(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)&arg;
	uint64_t total = 0;

	while (__atomic_load_n(&world.stop, __ATOMIC_RELAXED) == 0) {
		struct weir_ctx ctx;
		unsigned n;
		char who[32];

		random = random * 1664525u + 1013904223u;
		n = random >> 16 & 31;
		weir_ctx_begin(&ctx, NULL, 0);
		weir_private_ctx_tags_begin(&ctx, 1, 0);
		if (n < TENANTS) {
			name_of(who, n);
			weir_private_ctx_tag(&ctx, tenant, weir_str_of(who), __atomic_load_n(&world.token[n], __ATOMIC_ACQUIRE));
		}
		for (int k = 0; k < 20; k++) {
			uint64_t w = n < TENANTS ? weight + n : 1;

			if (n < TENANTS)
				__atomic_fetch_add(&world.offered[n], w, __ATOMIC_SEQ_CST);
			weir_counter_add_ctx(&requests, w, &ctx, k % 2 != 0 ? "GET" : "PUT");
			weir_histogram_record_ctx(&body, n, &ctx);
			total += w;
			__atomic_fetch_add(&world.records, 1, __ATOMIC_RELAXED);
		}
		weir_ctx_end(&ctx);
	}
	__atomic_fetch_add(&world.total, total, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Every text's values are its own. The sum of all, with what is retired. */
static uint64_t check(const struct weir_snapshot *snapshot)
{
	struct weir_family f;
	struct weir_series s;
	uint64_t sum = 0, value;

	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		for (weir_series_begin(&s, &f); weir_series_next(&s);) {
			unsigned n;
			char who[32];

			if (strcmp(f.name, "weir_series_retired_total") == 0 && strcmp(s.values[0].ptr, "requests_total") == 0)
				sum += s.count;
			if (strcmp(f.name, "body_bytes") == 0 && sscanf(s.values[0].ptr, "tenant-%u", &n) == 1 && s.count != 0 &&
			    s.buckets[n <= 10 ? 0 : 1] != s.count)
				fail_msg("%s has others' sizes", s.values[0].ptr);
			if (strcmp(f.name, "requests_total") != 0)
				continue;
			sum += s.count;
			if (sscanf(s.values[1].ptr, "tenant-%u", &n) != 1) {
				assert_true(strcmp(s.values[1].ptr, "other") == 0 || strcmp(s.values[1].ptr, "anonymous") == 0);
				continue;
			}
			name_of(who, n);
			assert_string_equal(s.values[1].ptr, who);
			value = s.count;
			if (value % (weight + n) != 0)
				fail_msg("%s has %llu, which is others'", who, (unsigned long long)value);
			assert_true(value <= __atomic_load_n(&world.offered[n], __ATOMIC_SEQ_CST));
		}
	return sum;
}

static void check_outside(void *arg, const struct reader_series *s)
{
	uint64_t *count = arg;
	unsigned n;

	if (s->name_len != 14 || memcmp(s->name, "requests_total", 14) != 0 || sscanf(s->labels + 4, "tenant-%u", &n) != 1)
		return;
	(*count)++;
	if (n >= TENANTS || s->value % (weight + n) != 0)
		fail_msg("outside %s has %llu, which is others'", s->labels, (unsigned long long)s->value);
}

/* As another process would read it. Its loads are in no order with the writer's that the thread sanitizer knows. */
static void *read_outside(void *arg)
{
	uint64_t *count = arg;

	while (!TSAN && __atomic_load_n(&world.stop, __ATOMIC_RELAXED) == 0) {
		struct reader reader;

		open_segment(&reader);
		reader_sums(&reader, 1000, check_outside, count);
		usleep(1000); /* it is not what is measured */
	}
	return NULL;
}

static void *snapshots(void *arg)
{
	struct weir_snapshot *kept[8] = {NULL};
	uint64_t sums[8] = {0}, last = 0;

	(void)arg;
	for (unsigned n = 0; __atomic_load_n(&world.stop, __ATOMIC_RELAXED) == 0; n++) {
		struct weir_snapshot **at = &kept[n % 8];

		if (*at != NULL) { /* it says what it said */
			assert_int_equal(check(*at), sums[n % 8]);
			weir_snapshot_destroy(*at);
		}
		assert_int_equal(weir_snapshot_new(at), WEIR_OK);
		sums[n % 8] = check(*at);
		usleep(500);
		assert_true(sums[n % 8] >= last); /* nothing is lost between two */
		last = sums[n % 8];
	}
	for (unsigned n = 0; n < 8; n++)
		weir_snapshot_destroy(kept[n]);
	return NULL;
}

static void one_change(uint32_t random)
{
	unsigned n = random % TENANTS;
	uint64_t token = __atomic_load_n(&world.token[n], __ATOMIC_ACQUIRE);
	char who[32];

	name_of(who, n);
	if (token != 0 && (random >> 8) % 3 != 0) {
		__atomic_store_n(&world.token[n], (random >> 12) % 2 != 0 ? 0 : token, __ATOMIC_RELEASE); /* some keep what is no longer */
		assert_true(weir_private_place_give_up(token, (random >> 16) % 4 == 0 ? WEIR_MS(1) : 0));
	} else {
		__atomic_store_n(&world.token[n], weir_private_place_take(tenant, weir_str_of(who)), __ATOMIC_RELEASE);
	}
	weir__places_retire();
	for (int k = 0; random % 4 == 0 && k < 20 && weir__places_leave(); k++) {
		usleep(100);
		weir__places_retire();
	}
}

static uint64_t grand_total(void)
{
	struct weir_snapshot *snapshot;
	uint64_t sum;

	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	sum = check(snapshot);
	weir_snapshot_destroy(snapshot);
	return sum;
}

static void in_the_child(void)
{
	uint64_t wanted = 0;

	memset(world.offered, 0, sizeof world.offered);
	for (uint32_t k = 0, random = 7; k < 1000; k++) {
		struct weir_ctx ctx;
		unsigned n;
		char who[32];

		random = random * 1664525u + 1013904223u;
		n = random >> 16 & 15;
		name_of(who, n);
		weir_ctx_begin(&ctx, NULL, 0);
		weir_private_ctx_tags_begin(&ctx, 1, 0);
		weir_private_ctx_tag(&ctx, tenant, weir_str_of(who), world.token[n]);
		world.offered[n] += weight + n;
		weir_counter_add_ctx(&requests, weight + n, &ctx, "GET");
		wanted += weight + n;
		one_change(random);
	}
	for (int k = 0; k < 100 && weir__places_leave(); k++) {
		weir__places_retire();
		usleep(1000);
	}
	assert_false(weir__places_leave());
	assert_int_equal(grand_total(), wanted);
}

ALONE(the_grand_total_is_exact_whatever_happens)
{
	pthread_t threads[THREADS], watcher, outside;
	uint64_t seen = 0;
	const uint32_t changes = SANITIZED ? 1000 : 3000;
	const uint64_t until = now_ns() + WEIR_S(6); /* on a machine that is busy fewer do */
	uint32_t random = 1;

	start();
	for (int t = 0; t < THREADS; t++)
		threads[t] = begin_thread(record_all, NULL);
	WITHIN_MS(10000, __atomic_load_n(&world.records, __ATOMIC_RELAXED) > 0); /* there is a segment */
	watcher = begin_thread(snapshots, NULL);
	outside = begin_thread(read_outside, &seen);
	for (uint32_t k = 0; k < changes && (k < changes / 4 || now_ns() < until); k++) {
		random = random * 1664525u + 1013904223u;
		one_change(random >> 4);
		if (!TSAN && k % (changes / 3) == changes / 8)
			in_child(in_the_child);
	}
	WITHIN_MS(30000, __atomic_load_n(&world.records, __ATOMIC_RELAXED) > 20000);
	__atomic_store_n(&world.stop, 1u, __ATOMIC_RELAXED);
	for (int t = 0; t < THREADS; t++)
		end_thread(threads[t]);
	end_thread(watcher);
	end_thread(outside);
	assert_true(TSAN || seen > 0);
	assert_int_equal(grand_total(), world.total);
	for (int k = 0; k < 1000 && weir__places_leave(); k++) {
		weir__places_retire();
		usleep(1000);
	}
	assert_false(weir__places_leave());
	assert_int_equal(grand_total(), world.total);
	assert_true(value_of("weir_series_retired_total", "requests_total") > 100 * weight);
	assert_int_equal(status_now().dropped_records, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(readers_outside_see_the_turns),
	cmocka_unit_test(a_forked_childs_turns_are_its_own),
	cmocka_unit_test(the_grand_total_is_exact_whatever_happens),
};
ALONE_MAIN(tests)

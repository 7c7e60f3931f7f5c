/* Where keys come from: files that change, fetches of every kind, rotation with grace, fork. The pace is a hundred times life's. */
#include "jwt_shop.h"
#include "verifier.h"

#include <weir/abi/private.h>
#include <weir/metric.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "alone.h"

static struct weir_jwt_verifier *verifier;
static char path[64], folder[] = "/tmp/weir-jwt-XXXXXX";
static char *token_new, *token_old; /* by k1, by k0 */
static const char *const only_old[] = {"k0", NULL}, *const only_new[] = {"k1", NULL}, *const both[] = {"k0", "k1", NULL};
static uint32_t logged; /* lines; relaxed */

static void count_line(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	assert_null(strstr(text, "ZmVkY2Jh")); /* a key */
	__atomic_fetch_add(&logged, 1, __ATOMIC_RELAXED);
}

static void begin(void)
{
	const struct weir_options o = {.size = sizeof o, .no_thread = true, .log = count_line};

	assert_int_equal(weir_init(&o), WEIR_OK);
	weir__jwt_pace = (struct weir__jwt_pace){.tick_ns = WEIR_MS(10), .unknown_ns = WEIR_MS(300), .life_least_ns = WEIR_MS(50),
	                                         .life_most_ns = WEIR_S(100), .retry_first_ns = WEIR_MS(20), .retry_most_ns = WEIR_MS(200),
	                                         .timeout_ns = WEIR_S(1), .leave_ns = WEIR_MS(100)};
	token_new = shop_token(",\"n\":1");
	token_old = shop_token_by(&shop_old_key, "k0", 300, "");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/keys.json", folder);
}

static void end(void)
{
	weir_jwt_verifier_destroy(verifier);
	weir_shutdown(WEIR_S(1));
	free(token_new);
	free(token_old);
	unlink(path);
	rmdir(folder);
}

static enum weir_jwt_result now(const char *token)
{
	return weir_jwt_verify(verifier, weir_str_of(token + 7));
}

#define WITHIN(ms, what)                                                                                               \
	do {                                                                                                           \
		uint64_t until_ = weir_private_clock_ns() + WEIR_MS((uint64_t)(ms));                                   \
		while (!(what) && weir_private_clock_ns() < until_)                                                    \
			usleep(1000);                                                                                  \
		assert_true(what);                                                                                     \
	} while (0)

/* ---- a file ---- */

static void put(const char *text)
{
	char other[80];
	FILE *file;

	snprintf(other, sizeof other, "%s.new", path);
	file = fopen(other, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(other, path), 0);
}

static void put_keys(const char *const *kids)
{
	char *text = shop_jwks(kids);

	put(text);
	free(text);
}

static void new_file(uint64_t grace_ns)
{
	const struct weir_jwt_options o = {.size = sizeof o, .jwks_path = path, .grace_ns = grace_ns};

	assert_int_equal(weir_jwt_verifier_new(&verifier, &o), WEIR_OK);
	if (!TSAN)
		return;
	/* weir's thread has a descriptor table of its own, which a sanitizer does not know: it takes two files of one number, one in
	 * each table, for one file. Ours have other numbers once its table is there. */
	usleep(200000);
	for (int i = 0; i < 16; i++)
		assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

ALONE(file_comes_later)
{
	begin();
	new_file(0);
	assert_int_equal(now(token_new), WEIR_JWT_KEYS_UNAVAILABLE);
	put_keys(only_new);
	WITHIN(2000, now(token_new) == WEIR_JWT_OK);
	assert_int_equal(now(token_old), WEIR_JWT_UNKNOWN_KEY);
	end();
}

/* A key that left the set verifies for its grace, and not after it; also what it verified before, which is cached. */
ALONE(file_rotates)
{
	begin();
	put_keys(only_old);
	new_file(WEIR_MS(500));
	assert_int_equal(now(token_old), WEIR_JWT_OK); /* read by new itself */
	assert_int_equal(now(token_new), WEIR_JWT_UNKNOWN_KEY);
	put_keys(only_new);
	WITHIN(2000, now(token_new) == WEIR_JWT_OK);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	WITHIN(2000, now(token_old) == WEIR_JWT_UNKNOWN_KEY);
	assert_int_equal(now(token_new), WEIR_JWT_OK);
	put_keys(both); /* and it comes back */
	WITHIN(2000, now(token_old) == WEIR_JWT_OK);
	end();
}

static uint64_t misses(void)
{
	static const char *const labels[] = {"outcome", NULL};
	const struct weir_counter *lookups;

	assert_int_equal(weir_counter_create(&lookups, "weir_jwt_cache_lookups_total",
	                                     "Tokens that were looked for among those verified before.", labels, NULL), WEIR_OK);
	return weir_counter_series_read(weir_counter_with(lookups, "miss"));
}

/* Another set: what was verified by the one before is verified anew, also by a key that is in both; a set that says the same is none. */
ALONE(file_changes_empty_the_cache)
{
	uint64_t before;

	begin();
	put_keys(only_old);
	new_file(0);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	before = misses();
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(misses(), before);
	put_keys(only_old);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(misses(), before);
	put_keys(both);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(misses(), before + 1);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(misses(), before + 1);
	end();
}

/* Whatever is wrong with the file, the last good set stays, and the log says so once a minute. */
ALONE(file_is_bad)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"keys\":[]}", "{\"keys\":1}", "{\"keys\":[{\"kty\":\"oct\"}]}", "\x00\xff"};
	struct weir_jwt_options o = {.size = sizeof o, .jwks_path = path};
	char *text = shop_jwks(both), *twice;
	uint32_t before;

	begin();
	put(text);
	assert_int_equal(weir_jwt_verifier_new(&verifier, &o), WEIR_OK);
	for (size_t i = 0; i < COUNT(bad); i++) {
		put(bad[i]);
		assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
		weir_jwt_verifier_flush(verifier);
		assert_int_equal(now(token_old), WEIR_JWT_OK);
		assert_int_equal(now(token_new), WEIR_JWT_OK);
	}
	twice = malloc(2 * strlen(text) + 16); /* a kid twice */
	sprintf(twice, "{\"keys\":[%.*s,%s", (int)(strlen(text) - 11), text + 9, text + 9);
	put(twice);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	free(twice);
	twice = calloc(1, (2 << 20) + 1); /* too large */
	memset(twice, ' ', 2 << 20);
	put(twice);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
	free(twice);
	unlink(path);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes into it */
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
	rmdir(path);
	before = __atomic_load_n(&logged, __ATOMIC_RELAXED);
	assert_in_range(before, 1, 24);
	usleep(200000); /* twenty ticks */
	assert_in_range(__atomic_load_n(&logged, __ATOMIC_RELAXED) - before, 0, 1);
	put(text);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	assert_int_equal(now(token_new), WEIR_JWT_OK);
	free(text);
	end();
}

/* A file that is written in place, in two pieces, and keeps its size; and one that a link leads to, as Kubernetes has it. */
ALONE(file_in_place_and_link)
{
	char *text_old = shop_jwks(only_old), *text_new = shop_jwks(only_new), first[80], second[80];
	FILE *file;

	begin();
	put(text_old);
	new_file(WEIR_MS(1));
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(strlen(text_old), strlen(text_new));
	file = fopen(path, "r+e");
	assert_non_null(file);
	fwrite(text_new, 1, 20, file);
	fflush(file);
	usleep(30000);
	fwrite(text_new + 20, 1, strlen(text_new) - 20, file);
	fclose(file);
	WITHIN(3000, now(token_new) == WEIR_JWT_OK);
	snprintf(first, sizeof first, "%s/first", folder);
	snprintf(second, sizeof second, "%s/second", folder);
	assert_int_equal(rename(path, first), 0);
	put(text_old);
	assert_int_equal(rename(path, second), 0);
	assert_int_equal(symlink(first, path), 0);
	usleep(50000);
	snprintf(first + strlen(first), 8, ".l");
	assert_int_equal(symlink(second, first), 0);
	assert_int_equal(rename(first, path), 0);
	WITHIN(3000, now(token_old) == WEIR_JWT_OK && now(token_new) != WEIR_JWT_OK);
	first[strlen(first) - 2] = '\0';
	unlink(first);
	unlink(second);
	free(text_old);
	free(text_new);
	end();
}

/* ---- a fetch ---- */

enum mode { SERVE, SAME, FAIL, SILENT, HANG, HUGE_, BROKEN, REDIRECT };
static struct {
	uint32_t mode, asked, let_go, released; /* relaxed */
	const char *const *kids;
	char etag[128];
	uint64_t max_age_ns;
} server;

static void release(struct weir_fetch *f)
{
	__atomic_fetch_add(&server.released, 1, __ATOMIC_RELAXED);
	free(f->body);
}

static void serve(void *arg, struct weir_fetch *f)
{
	uint32_t mode = __atomic_load_n(&server.mode, __ATOMIC_ACQUIRE);

	assert_ptr_equal(arg, &server);
	assert_string_equal(f->url, "http://keys");
	if (mode == SAME)
		assert_string_equal(f->etag, server.etag);
	__atomic_fetch_add(&server.asked, 1, __ATOMIC_RELAXED);
	f->release = release;
	switch (mode) {
	case SERVE:
		f->status = 200;
		f->body = shop_jwks(server.kids);
		f->body_len = strlen(f->body);
		strcpy(f->new_etag, server.etag);
		f->max_age_ns = server.max_age_ns;
		break;
	case SAME:
		f->status = 304;
		f->max_age_ns = server.max_age_ns;
		break;
	case FAIL:
		f->status = 500;
		f->body = strdup("{\"keys\":[]}");
		f->body_len = 11;
		break;
	case SILENT:
		f->status = WEIR_ETIMEOUT;
		break;
	case HANG:
		while (__atomic_load_n(&server.let_go, __ATOMIC_ACQUIRE) == 0)
			usleep(1000);
		f->status = WEIR_ETIMEOUT;
		break;
	case HUGE_:
		f->status = 200;
		f->body_len = f->limit + 1;
		f->body = calloc(1, f->body_len);
		memset(f->body, ' ', f->body_len);
		break;
	case BROKEN:
		f->status = 200;
		f->body = strdup("{\"keys\":[{");
		f->body_len = 10;
		break;
	case REDIRECT:
		f->status = 302;
		break;
	}
}

static void set_mode(enum mode mode)
{
	__atomic_store_n(&server.mode, (uint32_t)mode, __ATOMIC_RELEASE);
}

static uint32_t asked(void)
{
	return __atomic_load_n(&server.asked, __ATOMIC_RELAXED);
}

static void new_url(uint64_t refresh_ns)
{
	const struct weir_jwt_options o = {.size = sizeof o, .jwks_url = "http://keys", .fetch = serve, .fetch_arg = &server,
	                                   .refresh_ns = refresh_ns, .grace_ns = WEIR_MS(1)};

	assert_int_equal(weir_jwt_verifier_new(&verifier, &o), WEIR_OK);
}

ALONE(fetch_comes)
{
	begin();
	server.kids = only_old;
	new_url(WEIR_S(50));
	WITHIN(2000, now(token_old) == WEIR_JWT_OK);
	assert_int_equal(asked(), 1);
	server.kids = only_new;
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	assert_int_equal(now(token_new), WEIR_JWT_OK);
	assert_int_equal(asked(), 2);
	usleep(100000);
	assert_int_equal(asked(), 2); /* its life is long */
	end();
}

ALONE(fetch_life_and_304)
{
	begin();
	server.kids = only_old;
	server.max_age_ns = WEIR_MS(100);
	strcpy(server.etag, "\"one\"");
	new_url(WEIR_S(50));
	WITHIN(2000, now(token_old) == WEIR_JWT_OK);
	set_mode(SAME);
	WITHIN(3000, asked() >= 4); /* each 100 ms, as the answer says */
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	end();
}

/* 304 to one who has nothing is no answer. */
ALONE(fetch_304_at_first)
{
	begin();
	set_mode(SAME);
	new_url(WEIR_S(50));
	WITHIN(3000, asked() >= 2);
	assert_int_equal(now(token_old), WEIR_JWT_KEYS_UNAVAILABLE);
	end();
}

ALONE(fetch_fails)
{
	static const enum mode modes[] = {FAIL, SILENT, HUGE_, BROKEN, REDIRECT};

	begin();
	server.kids = only_old;
	new_url(WEIR_S(50));
	WITHIN(2000, now(token_old) == WEIR_JWT_OK);
	for (size_t i = 0; i < COUNT(modes); i++) {
		set_mode(modes[i]);
		assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_EIO);
		weir_jwt_verifier_flush(verifier);
		assert_int_equal(now(token_old), WEIR_JWT_OK);
	}
	set_mode(SERVE);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	weir_jwt_verifier_destroy(verifier);
	verifier = NULL;
	assert_int_equal(__atomic_load_n(&server.released, __ATOMIC_RELAXED), asked());
	end();
}

/* 20, 40, 80, 160, 200, 200 ms, and half of that at least: so often in 1 s, and no more. */
ALONE(fetch_backs_off)
{
	begin();
	set_mode(FAIL);
	new_url(WEIR_S(50));
	usleep(1000000);
	assert_in_range(asked(), 5, 16);
	assert_int_equal(now(token_old), WEIR_JWT_KEYS_UNAVAILABLE);
	server.kids = only_old;
	set_mode(SERVE);
	WITHIN(2000, now(token_old) == WEIR_JWT_OK); /* by itself */
	end();
}

/* Ten thousand unknown names, each another one, in a second or what it takes, ask once in the time that is said, and the first such
 * after it is served. */
ALONE(fetch_unknown_keys)
{
	static char *unknown[10000];
	uint64_t began, took;

	begin();
	for (size_t i = 0; i < COUNT(unknown); i++) {
		char kid[16];

		snprintf(kid, sizeof kid, "u%zu", i);
		unknown[i] = shop_token_by(&shop_key, kid, 300, "");
	}
	server.kids = only_old;
	new_url(WEIR_S(50));
	WITHIN(2000, now(token_old) == WEIR_JWT_OK);
	assert_int_equal(asked(), 1);
	began = weir_private_clock_ns();
	for (size_t i = 0; i < COUNT(unknown); i++)
		assert_int_equal(now(unknown[i]), WEIR_JWT_UNKNOWN_KEY);
	while (took = weir_private_clock_ns() - began, took < WEIR_MS(1000))
		assert_int_equal(now(unknown[took % COUNT(unknown)]), WEIR_JWT_UNKNOWN_KEY);
	assert_in_range(asked(), 3, took / WEIR_MS(300) + 2); /* each 300 ms; and the first */
	server.kids = both;
	WITHIN(2000, now(token_new) == WEIR_JWT_OK);
	end();
	for (size_t i = 0; i < COUNT(unknown); i++)
		free(unknown[i]);
}

static void *request(void *arg)
{
	uint64_t *most = arg, began, took;

	for (int i = 0; i < 300; i++) {
		began = weir_private_clock_ns();
		if (i % 3 == 0)
			weir_jwt_verifier_flush(verifier);
		assert_int_equal(now(token_old), WEIR_JWT_OK);
		assert_int_equal(now(token_new), WEIR_JWT_UNKNOWN_KEY);
		took = weir_private_clock_ns() - began;
		*most = took > *most ? took : *most;
		usleep(1000);
	}
	return NULL;
}

/* While a fetch hangs, requests are answered, another verifier's file is read, shutdown and destroy come back. */
ALONE(fetch_hangs)
{
	struct weir_jwt_verifier *hanging;
	uint64_t most = 0, began;
	pthread_t thread;

	begin();
	server.kids = only_old;
	new_url(WEIR_S(50));
	WITHIN(2000, now(token_old) == WEIR_JWT_OK);
	set_mode(HANG);
	began = weir_private_clock_ns();
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_MS(50)), WEIR_ETIMEOUT);
	assert_in_range(weir_private_clock_ns() - began, WEIR_MS(50), WEIR_MS(1500));
	assert_int_equal(pthread_create(&thread, NULL, request, &most), 0);
	pthread_join(thread, NULL);
	assert_in_range(most, 0, WEIR_MS(500));
	hanging = verifier;
	put_keys(only_old);
	new_file(WEIR_MS(1));
	put_keys(only_new);
	WITHIN(2000, now(token_new) == WEIR_JWT_OK);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	began = weir_private_clock_ns();
	weir_shutdown(WEIR_S(5));
	assert_in_range(weir_private_clock_ns() - began, 0, WEIR_MS(1500));
	assert_int_equal(now(token_new), WEIR_JWT_OK); /* with the keys that are there */
	began = weir_private_clock_ns();
	weir_jwt_verifier_destroy(hanging);
	assert_in_range(weir_private_clock_ns() - began, WEIR_MS(90), WEIR_MS(1500));
	__atomic_store_n(&server.let_go, 1, __ATOMIC_RELEASE); /* it comes back to nobody, and cleans up */
	WITHIN(2000, __atomic_load_n(&server.released, __ATOMIC_RELAXED) == asked());
	usleep(20000);
	end();
}

/* ---- life ---- */

/* Ended by weir_shutdown, the thread is there again after the next weir_init. */
ALONE(after_shutdown)
{
	const struct weir_options o = {.size = sizeof o, .no_thread = true};

	begin();
	put_keys(only_old);
	new_file(WEIR_MS(1));
	weir_shutdown(WEIR_S(1));
	put_keys(only_new);
	usleep(100000);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	assert_int_equal(now(token_new), WEIR_JWT_UNKNOWN_KEY);
	assert_int_equal(weir_init(&o), WEIR_OK);
	WITHIN(2000, now(token_new) == WEIR_JWT_OK);
	end();
}

static void *shut_down(void *arg)
{
	usleep(100000);
	weir_shutdown(WEIR_S(5));
	return arg;
}

/* Where there is no thread that reads, and none may be begun, nobody waits for it: neither who comes later, nor who waits already. */
ALONE(refresh_at_shutdown)
{
	const struct weir_options o = {.size = sizeof o, .no_thread = true};
	pthread_t thread;

	begin();
	alarm(10);
	put_keys(only_old);
	new_file(WEIR_MS(1));
	assert_int_equal(weir_jwt_verifier_refresh(verifier, UINT64_MAX), WEIR_OK);
	weir_shutdown(WEIR_S(1));
	assert_int_equal(weir_jwt_verifier_refresh(verifier, UINT64_MAX), WEIR_ETIMEOUT);
	weir_jwt_verifier_destroy(verifier);
	assert_int_equal(weir_init(&o), WEIR_OK);
	set_mode(HANG);
	new_url(WEIR_S(50));
	assert_int_equal(pthread_create(&thread, NULL, shut_down, NULL), 0);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, UINT64_MAX), WEIR_ETIMEOUT);
	pthread_join(thread, NULL);
	__atomic_store_n(&server.let_go, 1, __ATOMIC_RELEASE);
	end();
}

/* A grace without end is one. */
ALONE(grace_for_ever)
{
	begin();
	put_keys(only_old);
	new_file(UINT64_MAX);
	put_keys(only_new);
	assert_int_equal(weir_jwt_verifier_refresh(verifier, WEIR_S(5)), WEIR_OK);
	assert_int_equal(now(token_new), WEIR_JWT_OK);
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	end();
}

/* A forked child verifies with what it inherits, and has a thread of its own from then on. */
ALONE(forked)
{
	if (TSAN) /* it ends a child that begins a thread */
		alone_skip("thread sanitizer ends a child of threads that begins a thread");
	begin();
	put_keys(only_old);
	new_file(WEIR_MS(1));
	assert_int_equal(now(token_old), WEIR_JWT_OK);
	for (int i = 0; i < 20; i++) {
		pid_t child;

		if (i % 2 == 0)
			put_keys(i % 4 == 0 ? both : only_old); /* amid a rotation */
		usleep((useconds_t)(i * 700));
		child = fork();
		if (child == 0) {
			alarm(20);
			assert_int_equal(now(token_old), WEIR_JWT_OK);
			weir_jwt_verifier_flush(verifier);
			assert_int_equal(now(token_old), WEIR_JWT_OK);
			if (i == 19) {
				put_keys(only_new);
				WITHIN(5000, now(token_new) == WEIR_JWT_OK);
				weir_jwt_verifier_destroy(verifier);
			}
			_exit(0);
		}
		assert_int_equal(end_of(child), 0);
	}
	end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(file_comes_later),   cmocka_unit_test(file_rotates), cmocka_unit_test(file_changes_empty_the_cache),       cmocka_unit_test(file_is_bad),
    cmocka_unit_test(file_in_place_and_link), cmocka_unit_test(fetch_comes),    cmocka_unit_test(fetch_life_and_304),
    cmocka_unit_test(fetch_304_at_first), cmocka_unit_test(fetch_fails),        cmocka_unit_test(fetch_backs_off),
    cmocka_unit_test(fetch_unknown_keys), cmocka_unit_test(fetch_hangs),        cmocka_unit_test(after_shutdown),
    cmocka_unit_test(refresh_at_shutdown), cmocka_unit_test(grace_for_ever),    cmocka_unit_test(forked)};
ALONE_MAIN(tests)

/* What the unit tests of process-wide state are written in. ALONE(name) is a cmocka test whose body runs in a process
 * of its own: this program, started anew with the case's name, so that each case begins as a host begins, leaves
 * nothing to the next, and costs only itself where it crashes or hangs.
 *
 * Invariant: a check that fails ends the case's process, from any thread; a forked child's check ends the child,
 * whose end its parent looks at. Include it last: it brings cmocka's own needs. */
#ifndef ALONE_H
#define ALONE_H

#include <weir/lifecycle.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false /* a sanitizer needs an address space without limit */
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN true
#endif
#endif
#ifndef TSAN
#define TSAN false /* it ends a child of threads that begins a thread */
#endif

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define STR(text) weir_str_n((text), sizeof(text) - 1) /* of a literal: NULs count */

enum { ALONE_SKIPPED = 77, ALONE_FAILED = 1, ALONE_SECONDS = 60, STEP_US = 200 };
static bool alone_running; /* this is the process of a case */

/* cmocka's checks leave their words to the test that runs on this thread, and are silent where there is none. These
 * say them at once. */
__attribute__((format(printf, 3, 4))) static inline void check_failed(const char *file, int line, const char *format,
                                                                      ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	if (alone_running)
		_exit(ALONE_FAILED);
	_fail(file, line);
}

static inline void check_range(uint64_t v, uint64_t low, uint64_t high, const char *what, const char *file, int line)
{
	if (v < low || v > high)
		check_failed(file, line, "%s is %llu (%lld), not from %llu to %llu", what, (unsigned long long)v,
		             (long long)v, (unsigned long long)low, (unsigned long long)high);
}

static inline void check_equal(uint64_t v, uint64_t wanted, const char *what, const char *file, int line)
{
	if (v != wanted)
		check_failed(file, line, "%s is %llu (%lld), not %llu", what, (unsigned long long)v, (long long)v,
		             (unsigned long long)wanted);
}

static inline void check_differ(uint64_t a, uint64_t b, const char *what, const char *file, int line)
{
	if (a == b)
		check_failed(file, line, "%s is %llu", what, (unsigned long long)a);
}

static inline void check_text(const char *a, const char *b, const char *what, const char *file, int line)
{
	if (a == NULL || strcmp(a, b) != 0)
		check_failed(file, line, "%s is \"%s\", not \"%s\"", what, a != NULL ? a : "(null)", b);
}

static inline void check_bytes(const void *a, const void *b, size_t len, const char *what, const char *file, int line)
{
	if (memcmp(a, b, len) != 0)
		check_failed(file, line, "%s: other bytes", what);
}

#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_non_null
#undef assert_int_equal
#undef assert_int_not_equal
#undef assert_ptr_equal
#undef assert_ptr_not_equal
#undef assert_in_range
#undef assert_string_equal
#undef assert_memory_equal
#undef fail_msg
#define fail_msg(...) check_failed(__FILE__, __LINE__, __VA_ARGS__)
#define assert_true(c) ((c) ? (void)0 : check_failed(__FILE__, __LINE__, "%s", #c))
#define assert_false(c) ((c) ? check_failed(__FILE__, __LINE__, "not so: %s", #c) : (void)0)
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_in_range(v, low, high) \
	check_range((uint64_t)(v), (uint64_t)(low), (uint64_t)(high), #v, __FILE__, __LINE__)
#define assert_int_equal(a, b) check_equal((uint64_t)(a), (uint64_t)(b), #a, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) check_differ((uint64_t)(a), (uint64_t)(b), #a, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) check_equal((uintptr_t)(a), (uintptr_t)(b), #a, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) check_differ((uintptr_t)(a), (uintptr_t)(b), #a, __FILE__, __LINE__)
#define assert_string_equal(a, b) check_text((a), (b), #a, __FILE__, __LINE__)
#define assert_memory_equal(a, b, len) check_bytes((a), (b), (len), #a, __FILE__, __LINE__)

struct alone {
	const char *name;
	void (*run)(void);
	struct alone *next;
};
static struct alone *alone_first;

#define ALONE(test)                                                                                                    \
	static void test##_body(void);                                                                                 \
	__attribute__((constructor)) static void test##_add(void)                                                      \
	{                                                                                                              \
		static struct alone entry = {#test, test##_body, NULL};                                                \
		entry.next = alone_first;                                                                              \
		alone_first = &entry;                                                                                  \
	}                                                                                                              \
	static void test(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		alone_start(#test);                                                                                    \
	}                                                                                                              \
	static void test##_body(void)

/* How a child ended: its code, or 1000 and the signal. */
static inline int end_of(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline void alone_start(const char *name)
{
	pid_t child;
	int end;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		char *const args[] = {(char *)(uintptr_t)"alone", (char *)(uintptr_t)name, NULL};

		execv("/proc/self/exe", args);
		_exit(126);
	}
	assert_true(child > 0);
	end = end_of(child);
	if (end == ALONE_SKIPPED)
		skip();
	if (end != 0)
		fail_msg("the process of %s ended with %d (1000 and more: a signal)", name, end);
}

static inline int alone_body(const char *name)
{
	for (const struct alone *a = alone_first; a != NULL; a = a->next)
		if (strcmp(a->name, name) == 0) {
			alarm(ALONE_SECONDS);
			alone_running = true;
			a->run();
			return 0;
		}
	return 2;
}

#define ALONE_MAIN(tests)                                                                                              \
	int main(int argc, char **argv)                                                                                \
	{                                                                                                              \
		static const char *const variables[] = {"OTEL_LOG_LEVEL", "OTEL_METRIC_EXPORT_INTERVAL",               \
		                                        "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME",               \
		                                        "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER",                   \
		                                        "OTEL_TRACES_SAMPLER", "KUBERNETES_SERVICE_HOST"};             \
                                                                                                                       \
		for (size_t i = 0; i < COUNT(variables); i++)                                                          \
			unsetenv(variables[i]);                                                                        \
		if (argc > 1)                                                                                          \
			return alone_body(argv[1]);                                                                    \
		return cmocka_run_group_tests((tests), NULL, NULL);                                                    \
	}

static inline void alone_skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	_exit(ALONE_SKIPPED);
}

/* A forked child of a case: run returns, or a check in it fails. */
static inline void in_child(void (*run)(void))
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		alarm(ALONE_SECONDS / 2);
		run();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(end_of(child), 0);
}

/* ---- time and threads ---- */

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* Waits until what is true; the case fails where it is not after so many ms: a hang's end, not a measure of speed. */
#define WITHIN_MS(ms, what)                                                                                            \
	do {                                                                                                           \
		uint64_t until_ = now_ns() + (uint64_t)(ms) * 1000000u;                                                \
		while (!(what) && now_ns() < until_)                                                                   \
			usleep(STEP_US);                                                                               \
		if (!(what))                                                                                           \
			fail_msg("not within %d ms: %s", (int)(ms), #what);                                            \
	} while (0)

static inline pthread_t begin_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
	return thread;
}

static inline void end_thread(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static inline void in_thread(void *(*run)(void *), void *arg)
{
	end_thread(begin_thread(run, arg));
}

static inline void in_threads(unsigned count, void *(*run)(void *), void *arg)
{
	pthread_t threads[64];

	assert_true(count <= COUNT(threads));
	for (unsigned i = 0; i < count; i++)
		threads[i] = begin_thread(run, arg);
	for (unsigned i = 0; i < count; i++)
		end_thread(threads[i]);
}

/* How many threads have a name that begins so; "": all. A sanitizer may have one of its own, named as the program. */
static inline unsigned threads_named(const char *begin)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
		if (file == NULL)
			continue;
		count += fgets(name, sizeof name, file) != NULL && strncmp(name, begin, strlen(begin)) == 0;
		fclose(file);
	}
	closedir(dir);
	return count;
}

/* ---- what weir says ---- */

static inline struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	assert_int_equal(weir_status_read(&status), WEIR_OK);
	return status;
}

enum { SAID_MAX = 128 };
struct said {
	pthread_mutex_t lock;
	unsigned count;
	enum weir_log_level level[SAID_MAX];
	char text[SAID_MAX][512];
};
static struct said said = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void say_to_test(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	pthread_mutex_lock(&said.lock);
	if (said.count < SAID_MAX) {
		said.level[said.count] = level;
		snprintf(said.text[said.count], sizeof said.text[0], "%s", text);
	}
	said.count++;
	pthread_mutex_unlock(&said.lock);
}

static inline unsigned said_count(void)
{
	unsigned count;

	pthread_mutex_lock(&said.lock);
	count = said.count;
	pthread_mutex_unlock(&said.lock);
	return count;
}

/* How many messages hold the text. */
static inline unsigned said_times(const char *part)
{
	unsigned times = 0;

	pthread_mutex_lock(&said.lock);
	for (unsigned i = 0; i < said.count && i < SAID_MAX; i++)
		times += strstr(said.text[i], part) != NULL;
	pthread_mutex_unlock(&said.lock);
	return times;
}

#endif

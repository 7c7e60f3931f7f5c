/* What the integration tests of a whole life are written in: cases, each in a process of its own (this program,
 * started anew with the case's name), so that each begins as a host begins, and a crash or a hang costs one case.
 * `program NAME` runs one case in place, for a debugger.
 *
 * Invariant: one line a case, `ok NAME`, `not ok NAME: why` or `skip NAME: reason`. A check that fails ends its
 * process at once, from any thread; a child's check tells, and its parent, which looks at the child's end, fails the
 * case. */
#ifndef CASE_H
#define CASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test_case {
	const char *name;
	void (*run)(void);
	unsigned seconds; /* it is killed after so long; 0: no case, but a program that a case starts by its name */
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CASE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CASE_SANITIZED 1
#endif
#endif
#ifndef CASE_SANITIZED
#define CASE_SANITIZED 0
#endif

enum { CASE_FAILED = 1, CASE_SKIPPED = 77 };
static const char *case_name = "?";
static pid_t case_pid;

static inline void case_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void case_line(const char *format, ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof line - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len > sizeof line - 2)
		len = sizeof line - 2;
	line[len] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)len + 1) < 0)
		_exit(CASE_FAILED);
}

static inline void case_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
static inline void case_fail(const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	char why[768];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	base = base != NULL ? base + 1 : file;
	if (getpid() == case_pid)
		case_line("not ok %s: %s:%d: %s", case_name, base, line, why);
	else
		case_line("# %s, in a child: %s:%d: %s", case_name, base, line, why);
	_exit(CASE_FAILED);
}

#define FAIL(...) case_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(what)                                                                                                    \
	do                                                                                                             \
		if (!(what))                                                                                           \
			FAIL("%s", #what);                                                                             \
	while (0)
#define EQUAL(got, wanted)                                                                                             \
	do {                                                                                                           \
		unsigned long long got_ = (unsigned long long)(got), wanted_ = (unsigned long long)(wanted);           \
		if (got_ != wanted_)                                                                                   \
			FAIL("%s is %llu and not %llu (%s)", #got, got_, wanted_, #wanted);                            \
	} while (0)
#define EQUAL_INT(got, wanted)                                                                                         \
	do {                                                                                                           \
		long long got_ = (long long)(got), wanted_ = (long long)(wanted);                                      \
		if (got_ != wanted_)                                                                                   \
			FAIL("%s is %lld and not %lld (%s)", #got, got_, wanted_, #wanted);                            \
	} while (0)
#define AT_MOST(got, most)                                                                                             \
	do {                                                                                                           \
		unsigned long long got_ = (unsigned long long)(got), most_ = (unsigned long long)(most);               \
		if (got_ > most_)                                                                                      \
			FAIL("%s is %llu, more than %llu (%s)", #got, got_, most_, #most);                             \
	} while (0)
#define SKIP(...)                                                                                                      \
	do {                                                                                                           \
		char skip_[512];                                                                                       \
		snprintf(skip_, sizeof skip_, __VA_ARGS__);                                                            \
		case_line("skip %s: %s", case_name, skip_);                                                            \
		_exit(CASE_SKIPPED);                                                                                   \
	} while (0)
#define NOTE(...) case_line("# " __VA_ARGS__)

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

/* Waits until what is true, ms at most. */
#define WITHIN_MS(ms, what)                                                                                            \
	do {                                                                                                           \
		uint64_t until_ = now_ns() + (uint64_t)(ms) * 1000000u;                                                \
		while (!(what) && now_ns() < until_)                                                                   \
			sleep_ms(1);                                                                                   \
		if (!(what))                                                                                           \
			FAIL("not within %d ms: %s", (int)(ms), #what);                                                \
	} while (0)

/* A child's end: its code, or 1000 and the signal; killed and -1 when it is not there after ms. */
static inline int child_end(pid_t child, unsigned ms)
{
	uint64_t until = now_ns() + (uint64_t)ms * 1000000u;
	int status = 0;
	pid_t got;

	while ((got = waitpid(child, &status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (now_ns() >= until) {
			kill(child, SIGKILL);
			while (waitpid(child, &status, 0) < 0 && errno == EINTR)
				;
			return -1;
		}
		usleep(300);
	}
	if (got < 0)
		return -2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
#define CHILD_IS_WELL(child, ms)                                                                                       \
	do {                                                                                                           \
		int end_ = child_end((child), (ms));                                                                   \
		if (end_ != 0)                                                                                         \
			FAIL("the child ended with %d (-1: hung for %d ms, 1000 or more: a signal)", end_, (int)(ms));  \
	} while (0)

/* A line of /proc/self/status, such as "VmRSS:", as a number; -1 where there is none. */
static inline long proc_status(const char *key, int base)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t len = strlen(key);
	char line[256];
	long value = -1;

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, key, len) == 0)
			value = strtol(line + len, NULL, base);
	if (file != NULL)
		fclose(file);
	return value;
}

static inline long proc_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	long lines = 0;
	int c;

	while (file != NULL && (c = getc(file)) != EOF)
		lines += c == '\n';
	if (file != NULL)
		fclose(file);
	return lines;
}

static inline void thread_start(pthread_t *thread, void *(*run)(void *), void *arg, size_t stack_bytes)
{
	pthread_attr_t attr;
	int error;

	pthread_attr_init(&attr);
	if (stack_bytes != 0)
		pthread_attr_setstacksize(&attr, stack_bytes);
	while ((error = pthread_create(thread, &attr, run, arg)) == EAGAIN) /* short of threads for a moment */
		sleep_ms(1);
	pthread_attr_destroy(&attr);
	if (error != 0)
		FAIL("pthread_create: %s", strerror(error));
}

/* 0: well, or skipped; 1: not. */
static inline int case_run(const struct test_case *c, const char *program)
{
	uint64_t until = now_ns() + c->seconds * UINT64_C(1000000000);
	pid_t child, got;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		char *const args[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)c->name, NULL};

		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv("/proc/self/exe", args);
		_exit(126);
	}
	while ((got = waitpid(child, &status, WNOHANG)) == 0 && now_ns() < until)
		usleep(1000);
	kill(-child, SIGKILL); /* what it may have left behind */
	if (got == 0) {
		waitpid(child, &status, 0);
		case_line("not ok %s: not done after %u s", c->name, c->seconds);
		return 1;
	}
	if (WIFSIGNALED(status)) {
		case_line("not ok %s: ended by signal %d (%s)", c->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
		return 1;
	}
	if (WEXITSTATUS(status) == 0) {
		case_line("ok %s", c->name);
		return 0;
	}
	if (WEXITSTATUS(status) == CASE_SKIPPED)
		return 0;
	if (WEXITSTATUS(status) != CASE_FAILED)
		case_line("not ok %s: ended with %d", c->name, WEXITSTATUS(status));
	return 1;
}

static inline int cases_main(int argc, char **argv, const struct test_case *cases, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name) == 0) {
			case_name = cases[i].name;
			case_pid = getpid();
			cases[i].run();
			return 0;
		}
		if (argc <= 1 && cases[i].seconds != 0)
			failed |= case_run(&cases[i], argv[0]);
	}
	if (argc > 1) {
		fprintf(stderr, "there is no case %s\n", argv[1]);
		return 2;
	}
	return failed;
}
#define CASES(...)                                                                                                     \
	int main(int argc, char **argv)                                                                                \
	{                                                                                                              \
		static const struct test_case cases[] = {__VA_ARGS__};                                                 \
		return cases_main(argc, argv, cases, sizeof cases / sizeof *cases);                                    \
	}

#endif

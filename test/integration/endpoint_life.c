/* The endpoint's life beside its host's: shutdown and exit with scrapes in flight, fork, a host that closes
 * everything, and that nothing of the host's is touched. */
#include "endpoint_client.h"

#include <dirent.h>
#include <sys/syscall.h>

WEIR_COUNTER(ticks, "ticks_total", "Ticks.");

#if CASE_SANITIZED /* a thread sanitizer would end a forked child that starts threads, as ours does */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

/* ---- shutdown and exit ------------------------------------------------------------------------------------------- */

struct scraper {
	pthread_t thread;
	uint16_t port;
	uint32_t stop; /* by the case; relaxed */
	unsigned whole, empty;
};

/* Each scrape is answered whole, or not at all: the connection is refused, or ends without a byte. */
static void *scrape_until_told(void *arg)
{
	struct scraper *s = arg;

	while (__atomic_load_n(&s->stop, __ATOMIC_RELAXED) == 0) {
		int fd = try_connect(s->port, 0);
		struct reply r;

		if (fd < 0) {
			s->empty++;
			sleep_ms(1);
			continue;
		}
		client_ask(fd, "GET", "/metrics", s->whole % 2 == 0 ? "" : "Accept-Encoding: gzip\r\n");
		r = client_read(fd, true, 10000);
		close(fd);
		if (r.late || (r.len != 0 && !is_whole(&r)))
			FAIL("%zu bytes of an answer of %s", r.len, header_of(&r, "Content-Length"));
		s->whole += r.len != 0;
		s->empty += r.len == 0;
		reply_free(&r);
	}
	return NULL;
}

static void scrapes_during_shutdown(void)
{
	enum { SCRAPERS = 4, ROUNDS = 15 };
	struct scraper scrapers[SCRAPERS];

	for (int round = 0; round < ROUNDS; round++) {
		uint16_t port = host_begin();
		unsigned whole = 0;

		if (round == 0)
			make_much();
		for (int i = 0; i < SCRAPERS; i++) {
			scrapers[i] = (struct scraper){.port = port};
			thread_start(&scrapers[i].thread, scrape_until_told, &scrapers[i], 0);
		}
		sleep_ms((unsigned)(5 + round * 7));
		host_end();
		for (int i = 0; i < SCRAPERS; i++)
			__atomic_store_n(&scrapers[i].stop, 1, __ATOMIC_RELAXED);
		for (int i = 0; i < SCRAPERS; i++) {
			pthread_join(scrapers[i].thread, NULL);
			whole += scrapers[i].whole;
		}
		CHECK(whole > 0 || round < 10);
	}
}

/* A client that takes nothing does not hold up shutdown for longer than it was given. */
static void a_stuck_client_at_shutdown(void)
{
	uint16_t port = host_begin();
	uint64_t began;
	char byte;
	int fd;

	make_much();
	fd = try_connect(port, 4096);
	CHECK(fd >= 0 && client_ask(fd, "GET", "/metrics", ""));
	EQUAL_INT(recv(fd, &byte, 1, 0), 1);
	began = now_ns();
	EQUAL_INT(weir_shutdown(WEIR_MS(400)), WEIR_OK);
	AT_MOST(now_ns() - began, WEIR_S(5));
	CHECK(try_connect(port, 0) < 0);
	close(fd);
}

static void *exit_now(void *arg)
{
	sleep_ms((unsigned)(uintptr_t)arg);
	exit(0);
}

static void exit_with_scrapes_in_flight(void)
{
	for (int round = 0; round < 40; round++) {
		pid_t child = fork();

		if (child == 0) {
			struct scraper scrapers[2];
			pthread_t last;
			uint16_t port;

			make_much();
			port = host_begin();
			for (int i = 0; i < 2; i++) {
				scrapers[i] = (struct scraper){.port = port};
				thread_start(&scrapers[i].thread, scrape_until_told, &scrapers[i], 0);
			}
			if (round % 2 == 0)
				exit_now((void *)(uintptr_t)(round * 2));
			thread_start(&last, exit_now, (void *)(uintptr_t)(round * 2), 0); /* from any thread */
			pause();
		}
		CHILD_IS_WELL(child, 20000);
	}
}

static void starts_and_stops(void)
{
	struct weir_prometheus_options o = {.size = sizeof o, .any_port = true};
	uint16_t port = 0;

	host_init();
	for (int i = 0; i < 50; i++) {
		EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
		port = weir_prometheus_port();
		CHECK(port != 0);
		if (i % 5 == 0)
			scrape(port);
		o.any_port = false; /* the same port again, at once */
		o.port = port;
		EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
		EQUAL(weir_prometheus_port(), 0);
		CHECK(try_connect(port, 0) < 0);
	}
	host_end();
	host_init(); /* weir starts again, and so may the endpoint */
	EQUAL(weir_prometheus_port(), 0);
	EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
	scrape(port);
	host_end();
	EQUAL_INT(weir_shutdown(WEIR_S(1)), WEIR_OK);
}

static void *start_and_stop(void *arg)
{
	struct weir_prometheus_options o = {.size = sizeof o, .any_port = true};

	for (int i = 0; i < 100; i++) {
		int error = weir_prometheus_start(&o);

		CHECK(error == WEIR_OK || error == WEIR_ECONFLICT);
		*(unsigned *)arg += error == WEIR_OK;
		error = weir_prometheus_stop();
		CHECK(error == WEIR_OK);
		(void)weir_prometheus_port();
	}
	return NULL;
}

static void started_and_stopped_by_many(void)
{
	unsigned started[4] = {0};
	pthread_t threads[4];

	host_init();
	for (int i = 0; i < 4; i++)
		thread_start(&threads[i], start_and_stop, &started[i], 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(started[0] + started[1] + started[2] + started[3] >= 100);
	EQUAL(weir_prometheus_port(), 0);
	host_end();
}

/* ---- fork -------------------------------------------------------------------------------------------------------- */

static void a_child_has_none(void)
{
	struct weir_prometheus_options o = {.size = sizeof o, .any_port = true, .max_age_ns = 1};
	uint16_t port = host_begin();
	pid_t child;

	weir_counter_add(&ticks, 5);
	scrape(port);
	child = fork();
	if (child == 0) {
		struct reply r;

		EQUAL(weir_prometheus_port(), 0);
		EQUAL_INT(weir_prometheus_stop(), WEIR_OK); /* nothing of the parent's */
		EQUAL_INT(weir_prometheus_start(&o), WEIR_EINVAL); /* weir is not started here */
		EQUAL_INT(weir_after_fork(), WEIR_OK);
		o.any_port = false;
		o.port = port;
		EQUAL_INT(weir_prometheus_start(&o), WEIR_EIO); /* that is taken */
		o.any_port = true;
		EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
		CHECK(weir_prometheus_port() != 0 && weir_prometheus_port() != port);
		weir_counter_add(&ticks, 2);
		r = ask(weir_prometheus_port(), "GET", "/metrics", "");
		CHECK(strstr(r.body, "\nticks_total 2\n") != NULL);
		reply_free(&r);
		scrape(port); /* the parent's, from here */
		host_end();
		_exit(0);
	}
	CHILD_IS_WELL(child, 20000);
	{
		struct reply r = ask(port, "GET", "/metrics", "");

		CHECK(strstr(r.body, "\nticks_total 5\n") != NULL);
		reply_free(&r);
	}
	host_end();
	CHECK(try_connect(port, 0) < 0); /* nobody holds the port */
}

static void *fork_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(weir_prometheus_stop() == WEIR_OK && weir_prometheus_port() == 0 ? 0 : 1);
		CHILD_IS_WELL(child, 20000);
	}
	return NULL;
}

/* fork at any moment of start and stop leaves the child with no endpoint, and not with a lock that nobody gives
 * back. */
static void fork_while_it_starts_and_stops(void)
{
	struct weir_prometheus_options o = {.size = sizeof o, .any_port = true};
	pthread_t forker;

	host_init();
	thread_start(&forker, fork_often, NULL, 0);
	for (int i = 0; i < 200; i++) {
		EQUAL_INT(weir_prometheus_start(&o), WEIR_OK);
		EQUAL_INT(weir_prometheus_stop(), WEIR_OK);
	}
	pthread_join(forker, NULL);
	host_end();
}

/* ---- a polite guest ---------------------------------------------------------------------------------------------- */

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static bool tables_are_parted(void)
{
#ifdef SYS_close_range
	return syscall(SYS_close_range, ~0u, ~0u, 0) == 0;
#else
	return false;
#endif
}

static void descriptors_are_its_own(void)
{
	int before;
	uint16_t port;

	if (!tables_are_parted())
		SKIP("this kernel has no close_range");
	if (CASE_SANITIZED)
		SKIP("a sanitizer takes equal numbers in two tables for one file");
	host_init();
	before = descriptors();
	port = host_start((struct weir_prometheus_options){.max_age_ns = 1});
	scrape(port);
	EQUAL_INT(descriptors(), before); /* the host lends none */
#ifdef SYS_close_range
	CHECK(syscall(SYS_close_range, 3u, ~0u, 0) == 0); /* as daemons do */
#endif
	for (int i = 0; i < 5; i++)
		scrape(port);
	host_end();
	CHECK(try_connect(port, 0) < 0); /* and it found its end without them */
}

static volatile sig_atomic_t urgent;

static void on_urgent(int signal)
{
	(void)signal;
	urgent++;
}

/* The signal that wakes the thread is the thread's alone: the host's handler never sees it, and gets its own; one
 * that the host keeps waiting is still there afterwards. */
static void signals_stay_with_the_host(void)
{
	struct sigaction action = {.sa_handler = on_urgent};
	sigset_t set;
	uint16_t port;

	sigaction(SIGURG, &action, NULL);
	port = host_begin();
	for (int i = 0; i < 2000; i++) {
		kill(getpid(), SIGURG); /* to the process: weir's threads have it blocked, and do not take it */
		EQUAL_INT(urgent, i + 1);
	}
	scrape(port);
	host_end();
	EQUAL_INT(urgent, 2000);
	signal(SIGURG, SIG_IGN); /* nor does it matter what the host does with it */
	port = host_begin();
	scrape(port);
	host_end();
	sigaction(SIGURG, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	port = host_begin();
	kill(getpid(), SIGURG);
	for (int i = 0; i < 20; i++) {
		scrape(port);
		sleep_ms(10);
	}
	host_end();
	EQUAL_INT(urgent, 2000);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	EQUAL_INT(urgent, 2001);
}

static void its_thread_blocks_all_signals(void)
{
	uint16_t port = host_begin();
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	bool found = false;

	CHECK(dir != NULL && port != 0);
	while ((entry = readdir(dir)) != NULL) {
		char path[300], line[256];
		bool ours = false;
		FILE *file;

		snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "re");
		while (file != NULL && fgets(line, sizeof line, file) != NULL) {
			ours |= strcmp(line, "Name:\tweir-prometheus\n") == 0;
			if (ours && strncmp(line, "SigBlk:", 7) == 0) {
				unsigned long long blocked = strtoull(line + 7, NULL, 16);

				found = true;
				CHECK((blocked & 0x7fffffff & ~(1ull << (SIGKILL - 1)) & ~(1ull << (SIGSTOP - 1))) ==
				      (0x7fffffffull & ~(1ull << (SIGKILL - 1)) & ~(1ull << (SIGSTOP - 1))));
			}
		}
		if (file != NULL)
			fclose(file);
	}
	closedir(dir);
	CHECK(found);
	host_end();
}

CASES({"endpoint_scrapes_during_shutdown", scrapes_during_shutdown, 120},
      {"endpoint_stuck_client_at_shutdown", a_stuck_client_at_shutdown, 60},
      {"endpoint_exit_with_scrapes_in_flight", exit_with_scrapes_in_flight, 120},
      {"endpoint_starts_and_stops", starts_and_stops, 60},
      {"endpoint_started_and_stopped_by_many", started_and_stopped_by_many, 60},
      {"endpoint_child_has_none", a_child_has_none, 60},
      {"endpoint_fork_while_it_starts_and_stops", fork_while_it_starts_and_stops, 60},
      {"endpoint_descriptors_are_its_own", descriptors_are_its_own, 60},
      {"endpoint_signals_stay_with_the_host", signals_stay_with_the_host, 60},
      {"endpoint_thread_blocks_all_signals", its_thread_blocks_all_signals, 60})

/* exit() with the endpoint busy and callbacks running: 100 processes, each ended by one of its threads while it is
 * scraped from within and from outside, records, takes snapshots, and runs callbacks and an exporter. Each ends with
 * the code it gave, soon; and no callback or exporter runs behind weir's exit handler. Public API only. */
#include "case.h"

#include <weir/prometheus.h>
#include <weir/weir.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

WEIR_COUNTER(adds, "exit_adds_total", "Adds.");
WEIR_COUNTER(labelled, "exit_labelled_total", "Adds by label.", "k");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "exit_times_seconds", "Times.", "k");
WEIR_OBSERVED_GAUGE(observed, "exit_observed", "What callbacks report.", "k");

/* One scrape, as far as it goes: the bytes of the answer. */
static size_t scrape(uint16_t port, bool gzip)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval bound = {2, 0};
	const char *ask = gzip
	                      ? "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
	                      : "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buffer[16384];
	size_t bytes = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 && send(fd, ask, strlen(ask), MSG_NOSIGNAL) > 0)
		while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
			bytes += (size_t)got;
	close(fd);
	return bytes;
}

/* ---- the process that ends ---- */

enum { EXIT_CODE = 44, STILL_INSIDE, BEGUN_AFTERWARDS, ROLES = 9 };
static uint16_t port;
static unsigned long run;

/* What an exit handler of the host's would let go of, and callbacks and exporters use: weir's exit handler stands between these
 * two, and waits for who is inside, 50 ms at most. Where it gave up there is no verdict. */
static uint32_t inside;
static uint64_t exit_began, host_ended; /* 0: not yet */
static __thread bool inside_here;

static void enter_host(void)
{
	inside_here = true;
	__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&host_ended, __ATOMIC_SEQ_CST) != 0)
		_exit(BEGUN_AFTERWARDS);
}

static void leave_host(void)
{
	__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
	inside_here = false;
}

static void first_handler(void)
{
	exit_began = now_ns();
}

static void last_handler(void)
{
	uint64_t now = now_ns();

	if (now - exit_began >= WEIR_MS(50))
		return;
	__atomic_store_n(&host_ended, now, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&inside, __ATOMIC_SEQ_CST) > (inside_here ? 1 : 0))
		_exit(STILL_INSIDE);
	usleep(2000); /* as handlers take their time */
}

static void exit_soon(void)
{
	usleep((useconds_t)(2000 + run * 7919 % 15000)); /* when it is at work */
	exit(EXIT_CODE);
}

static void observe(struct weir_observer *observer, void *arg)
{
	enter_host();
	weir_observer_report_with(observer, &observed, 5, arg);
	usleep(run % 5 == 0 ? 3000 : 100);
	if (run % ROLES == 7 && now_ns() % 16 == 0)
		exit_soon(); /* from weir's own thread */
	leave_host();
}

static int export_it(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	static char buffer[1 << 20];
	size_t len;

	(void)arg;
	(void)timeout_ns;
	enter_host();
	weir_prometheus_encode(snapshot, NULL, buffer, sizeof buffer, &len);
	leave_host();
	return WEIR_OK;
}

static void *play(void *arg)
{
	unsigned long role = (unsigned long)(uintptr_t)arg;

	if (role == run % ROLES)
		exit_soon();
	for (unsigned n = 0;; n++) {
		char k[16];
		struct weir_snapshot *snapshot;

		snprintf(k, sizeof k, "%u", n % 1500);
		switch (role % 4) {
		case 0:
			scrape(port, n % 2 != 0);
			break;
		case 1:
			if (weir_snapshot_new(&snapshot) == WEIR_OK)
				weir_snapshot_destroy(snapshot);
			break;
		default:
			weir_counter_add(&adds, 1);
			weir_counter_add_with(&labelled, 1, k);
			weir_histogram_record_with(&times, n, k);
		}
	}
	return NULL;
}

/* No case: EXIT_RUN chooses which of its threads ends it, and when. */
static void exit_victim(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(1)};
	struct weir_prometheus_options p = {.size = sizeof p, .host = "127.0.0.1", .any_port = true, .max_age_ns = 1};
	struct weir_exporter_options e = {.size = sizeof e, .interval_ns = WEIR_MS(3), .metrics = export_it};
	struct weir_exporter *exporter;
	struct weir_callback *callback;
	pthread_t thread;

	run = strtoul(getenv("EXIT_RUN"), NULL, 10);
	atexit(last_handler);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	EQUAL_INT(weir_prometheus_start(&p), WEIR_OK);
	port = weir_prometheus_port();
	EQUAL_INT(weir_callback_new(&callback, observe, (void *)(uintptr_t) "a"), WEIR_OK);
	EQUAL_INT(weir_callback_new(&callback, observe, (void *)(uintptr_t) "b"), WEIR_OK);
	EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
	atexit(first_handler);
	if (write(90, &port, sizeof port) != sizeof port) /* who scrapes from outside */
		_exit(CASE_FAILED);
	for (uintptr_t role = 1; role < 7; role++)
		thread_start(&thread, play, (void *)role, 0);
	play((void *)(uintptr_t)(run % ROLES == 8 ? 8 : 0));
}

/* ---- who watches ---- */

static struct {
	uint16_t port; /* 0: nobody is there */
	bool stop;
	uint64_t bytes, scrapes;
} outside;

static void *scrape_from_outside(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&outside.stop, __ATOMIC_ACQUIRE)) {
		uint16_t at = __atomic_load_n(&outside.port, __ATOMIC_ACQUIRE);
		size_t bytes = at != 0 ? scrape(at, outside.scrapes % 2 != 0) : 0;

		outside.bytes += bytes;
		outside.scrapes += bytes != 0;
		if (bytes == 0)
			usleep(200);
	}
	return NULL;
}

static void exit_with_endpoint_and_callbacks_busy(void)
{
	pthread_t thread;

	thread_start(&thread, scrape_from_outside, NULL, 0);
	for (int n = 0; n < 100; n++) {
		char number[16];
		uint16_t at = 0;
		int told[2], end;
		pid_t child;

		snprintf(number, sizeof number, "%d", n);
		CHECK(pipe2(told, O_CLOEXEC) == 0);
		child = fork();
		if (child == 0) {
			char *const args[] = {(char[]){"exit_endpoint"}, (char[]){"exit_victim"}, NULL};

			dup2(told[1], 90);
			setenv("EXIT_RUN", number, 1);
			execv("/proc/self/exe", args);
			_exit(126);
		}
		close(told[1]);
		CHECK(read(told[0], &at, sizeof at) == sizeof at && at != 0);
		close(told[0]);
		__atomic_store_n(&outside.port, at, __ATOMIC_RELEASE);
		end = child_end(child, 10000);
		__atomic_store_n(&outside.port, 0, __ATOMIC_RELEASE);
		if (end != EXIT_CODE)
			FAIL("run %d ended with %d and not %d (-1: hung, 1000 and more: a signal, %d: a callback or exporter runs "
			     "behind weir's exit handler, %d: one began there)", n, end, EXIT_CODE, STILL_INSIDE, BEGUN_AFTERWARDS);
	}
	__atomic_store_n(&outside.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	NOTE("%llu scrapes from outside, %llu bytes", (unsigned long long)outside.scrapes,
	     (unsigned long long)outside.bytes);
	CHECK(outside.scrapes >= 20);
}

CASES({"exit_with_endpoint_and_callbacks_busy", exit_with_endpoint_and_callbacks_busy, 110},
      {"exit_victim", exit_victim, 0})

/* exit() from any thread, with others at work or stuck. exit_endpoint.c has the endpoint. Public API only. */
#include "life.h"

/* ---- exit ---- */

static unsigned long number_of(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL ? strtoul(value, NULL, 10) : 0;
}

static void exit_soon(void)
{
	unsigned long n = number_of("EXIT_RUN");

	usleep((useconds_t)(n * 7919 % 4000));
	exit(42);
}

static void *busy_until_exit(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	if (me == number_of("EXIT_RUN") % 8)
		exit_soon();
	for (unsigned k = 0;; k++) {
		char text[32];
		struct weir_snapshot *snapshot;

		record_all();
		snprintf(text, sizeof text, "%u", k % 5000);
		weir_counter_add_with(&labelled, 1, text);
		if (me % 4 == 1) {
			CHECK(weir_snapshot_new(&snapshot) == WEIR_OK);
			weir_snapshot_destroy(snapshot);
		}
		if (me % 4 == 2 && k % 64 == 0) {
			const struct weir_counter *made;

			snprintf(text, sizeof text, "life_exit_%u_total", k / 64 % 500);
			weir_counter_create(&made, text, "Made at the end.", NULL, NULL);
		}
		if (me % 4 == 3) {
			weir_flush(WEIR_MS(5));
			weir_init(NULL);
		}
	}
	return NULL;
}

static void at_exit_record(void)
{
	record_all();
	if (weir_counter_read(&adds) == 0)
		_exit(99);
}

__attribute__((destructor)) static void record_in_destructor(void)
{
	record_all();
}

/* Not a case of its own: exits with 42 while all are busy. EXIT_RUN chooses who, and when. */
static void exit_victim(void)
{
	static struct teller observer, exporter;
	struct weir_options o = ticking(1);
	pthread_t thread;

	atexit(at_exit_record);
	EQUAL_INT(weir_init(&o), WEIR_OK);
	callback_of(&observer);
	exporter_of(&exporter, WEIR_MS(1));
	for (uintptr_t i = 1; i < 8; i++)
		thread_start(&thread, busy_until_exit, (void *)i, 0);
	if (number_of("EXIT_RUN") % 8 == 0)
		exit_soon();
	if (number_of("EXIT_RUN") % 3 == 0)
		pthread_exit(NULL); /* the main thread may end first */
	for (;;)
		pause();
}

static void run_victim(const char *name, int run, int code)
{
	char number[16];
	pid_t child;
	int end;

	snprintf(number, sizeof number, "%d", run);
	child = fork();
	if (child == 0) {
		char *const args[] = {(char[]){"life"}, (char *)(uintptr_t)name, NULL};

		setenv("EXIT_RUN", number, 1);
		execv("/proc/self/exe", args);
		_exit(126);
	}
	end = child_end(child, 8000);
	if (end != code)
		FAIL("run %d of %s ended with %d and not %d (-1: hung, 1000 and more: a signal)", run, name, end, code);
}

static void exit_from_any_thread(void)
{
	for (int run = 0; run < 100; run++)
		run_victim("exit_victim", run, 42);
}

static void exit_in_callback(struct weir_observer *observer, void *arg)
{
	(void)observer;
	(void)arg;
	exit(43);
}

static int exit_in_exporter(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	(void)arg;
	(void)snapshot;
	(void)timeout_ns;
	exit(43);
}

/* Not a case of its own: exit with 43 around something that is stuck, or from within weir's own thread. */
static void stuck_victim(void)
{
	static struct teller stuck = {.hold = 1};
	struct weir_options o = ticking(1);
	struct weir_callback *callback;
	struct weir_exporter *exporter;
	struct weir_exporter_options e = {.size = sizeof e, .metrics = exit_in_exporter, .interval_ns = WEIR_MS(1)};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	record_all();
	switch (number_of("EXIT_RUN")) {
	case 0:
		callback_of(&stuck);
		break;
	case 1:
		exporter_of(&stuck, WEIR_MS(1));
		break;
	case 2:
		EQUAL_INT(weir_callback_new(&callback, exit_in_callback, NULL), WEIR_OK);
		for (;;)
			pause();
	case 3:
		EQUAL_INT(weir_exporter_new(&exporter, &e), WEIR_OK);
		for (;;)
			pause();
	default:
		callback_of(&stuck);
		WITHIN_MS(3000, read_32(&stuck.holding) == 1);
		weir_shutdown(WEIR_MS(20));
		exit(43);
	}
	WITHIN_MS(3000, read_32(&stuck.holding) == 1);
	exit(43);
}

static void exit_with_something_stuck(void)
{
	for (int run = 0; run < 5; run++)
		run_victim("stuck_victim", run, 43);
}

CASES({"exit_from_any_thread", exit_from_any_thread, 90}, {"exit_victim", exit_victim, 0},
      {"exit_with_something_stuck", exit_with_something_stuck, 60}, {"stuck_victim", stuck_victim, 0})

/* A polite guest: what belongs to the host stays as it was. guest_taken.c has what the host takes away. Public API only. */
#include "guest.h"

#include "endpoint_client.h"

#include <locale.h>
#include <stdio_ext.h>
#include <sys/time.h>

extern char **environ;

static int drop_bytes(void *arg, const void *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)arg += len;
	return 0;
}

/* A scrape over a connection of the host's own. */
static void scrape_endpoint(void)
{
	int fd = client_connect(weir_prometheus_port());
	struct reply reply;

	CHECK(client_ask(fd, "GET", "/metrics", "Accept-Encoding: gzip\r\n"));
	reply = client_read(fd, true, 5000);
	EQUAL_INT(reply.status, 200);
	reply_free(&reply);
	close(fd);
}

/* Everything that a host does with it, from first use to last. */
static void whole_life(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2), .service_name = "guest"};
	struct weir_prometheus_options p = {.size = sizeof p, .host = "127.0.0.1", .any_port = true};
	struct weir_callback *callback;
	struct weir_exporter *exporter;
	struct weir_snapshot *snapshot;
	const struct weir_counter *made;
	size_t written = 0;

	record_all();
	for (int twice = 0; twice < 2; twice++) {
		pthread_t thread;

		begin(&o, &callback, &exporter);
		EQUAL_INT(weir_prometheus_start(&p), WEIR_OK);
		expect_it_runs();
		scrape_endpoint();
		record_all();
		thread_start(&thread, record_in_thread, NULL, 0);
		pthread_join(thread, NULL);
		offered += 100;
		EQUAL_INT(weir_counter_create(&made, "guest_made_total", "Made.", NULL, NULL), WEIR_OK);
		weir_counter_add(made, 1);
		EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
		EQUAL_INT(weir_snapshot_write(snapshot, drop_bytes, &written), WEIR_OK);
		CHECK(written > 100);
		weir_snapshot_destroy(snapshot);
		EQUAL_INT(weir_flush(WEIR_S(5)), WEIR_OK);
		EQUAL_INT(weir_exporter_destroy(exporter, WEIR_S(5)), WEIR_OK);
		weir_callback_destroy(callback);
		EQUAL_INT(weir_shutdown(WEIR_S(5)), WEIR_OK);
	}
	expect_all();
}

/* ---- what belongs to the host ---- */

struct belongings {
	char locale[512], directory[4096], name[32], environment[65536];
	char **environ_itself;
	mode_t mask;
	struct sigaction actions[65];
	sigset_t blocked, pending;
	size_t stdout_pending, stderr_pending;
	struct itimerval timers[3];
	struct rlimit limits[RLIM_NLIMITS];
	int dumpable, nice, descriptors, stderr_fd_flags;
	struct stat standard[3];
};

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void look(struct belongings *b)
{
	size_t at = 0;

	memset(b, 0, sizeof *b);
	snprintf(b->locale, sizeof b->locale, "%s", setlocale(LC_ALL, NULL));
	CHECK(getcwd(b->directory, sizeof b->directory) != NULL);
	prctl(PR_GET_NAME, b->name);
	for (char **e = environ; *e != NULL; e++)
		at += (size_t)snprintf(b->environment + at, sizeof b->environment - at, "%p=%s;", (void *)*e, *e);
	b->environ_itself = environ;
	b->mask = umask(0);
	umask(b->mask);
	for (int n = 1; n < 65; n++)
		if (n != 32 && n != 33)
			CHECK(sigaction(n, NULL, &b->actions[n]) == 0);
	pthread_sigmask(SIG_SETMASK, NULL, &b->blocked);
	sigpending(&b->pending);
	b->stdout_pending = __fpending(stdout);
	b->stderr_pending = __fpending(stderr);
	getitimer(ITIMER_REAL, &b->timers[0]);
	getitimer(ITIMER_VIRTUAL, &b->timers[1]);
	getitimer(ITIMER_PROF, &b->timers[2]);
	for (int r = 0; r < RLIM_NLIMITS; r++)
		syscall(SYS_prlimit64, 0, r, NULL, &b->limits[r]);
	b->dumpable = prctl(PR_GET_DUMPABLE);
	b->nice = getpriority(PRIO_PROCESS, 0);
	b->descriptors = open_descriptors();
	b->stderr_fd_flags = fcntl(2, F_GETFL);
	for (int fd = 0; fd < 3; fd++)
		fstat(fd, &b->standard[fd]);
}

static void on_user_signal(int number)
{
	(void)number;
}

static void nothing_of_the_hosts_changes(void)
{
	static struct belongings before, after;
	struct sigaction action = {.sa_handler = on_user_signal, .sa_flags = SA_RESTART | SA_NODEFER};
	static char buffer[4096];
	sigset_t some;
	int null;

	CHECK(setlocale(LC_ALL, "C.UTF-8") != NULL || setlocale(LC_ALL, "C") != NULL);
	CHECK(chdir("/proc") == 0);
	umask(031);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigaddset(&some, SIGRTMIN + 3);
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	raise(SIGUSR2); /* pending, for the whole time */
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGHUP, &action, NULL);
	setenv("OTEL_SERVICE_NAME", "of the environment", 1);
	setenv("OTEL_RESOURCE_ATTRIBUTES", "a=b,c=d%20e", 1);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(null >= 0);
	fflush(stdout);
	setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
	fputs("a host's half line", stdout); /* not to be flushed by anybody else */
	look(&before);
	whole_life();
	look(&after);
	EQUAL(after.stdout_pending, before.stdout_pending);
	EQUAL(after.stdout_pending, 18);
	__fpurge(stdout);
	CHECK(strcmp(before.locale, after.locale) == 0);
	CHECK(strcmp(before.directory, after.directory) == 0);
	CHECK(strcmp(before.name, after.name) == 0);
	CHECK(strcmp(before.environment, after.environment) == 0);
	CHECK(before.environ_itself == after.environ_itself);
	EQUAL(after.mask, before.mask);
	for (int n = 1; n < 65; n++) {
		const struct sigaction *then = &before.actions[n], *now = &after.actions[n];

		if (then->sa_handler != now->sa_handler || then->sa_flags != now->sa_flags)
			FAIL("the action of signal %d is another", n);
		for (int m = 1; m < 65 && n != 32 && n != 33; m++)
			CHECK(sigismember(&then->sa_mask, m) == sigismember(&now->sa_mask, m));
	}
	for (int m = 1; m < 65; m++) {
		EQUAL_INT(sigismember(&after.blocked, m), sigismember(&before.blocked, m));
		EQUAL_INT(sigismember(&after.pending, m), sigismember(&before.pending, m));
	}
	CHECK(sigismember(&after.pending, SIGUSR2) == 1);
	EQUAL(after.stderr_pending, 0);
	CHECK(memcmp(before.timers, after.timers, sizeof after.timers) == 0);
	CHECK(memcmp(before.limits, after.limits, sizeof after.limits) == 0);
	EQUAL_INT(after.dumpable, before.dumpable);
	EQUAL_INT(after.nice, before.nice);
	EQUAL_INT(after.descriptors, before.descriptors + 1); /* the cells' own */
	EQUAL_INT(after.stderr_fd_flags, before.stderr_fd_flags);
	for (int fd = 0; fd < 3; fd++)
		CHECK(before.standard[fd].st_ino == after.standard[fd].st_ino);
	close(null);
}

/* Linking, and what constructors do, opens nothing and starts nothing. */
static void at_start_nothing_is_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		char path[300], target[256] = "";

		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		if (entry->d_name[0] != '.' && readlink(path, target, sizeof target - 1) > 0 &&
		    strstr(target, "memfd") != NULL)
			FAIL("descriptor %s is %s", entry->d_name, target);
	}
	closedir(dir);
	EQUAL_INT(proc_status("Threads:", 10), 1);
	CHECK(strcmp(status_now().home, "none yet") == 0);
	EQUAL(status_now().segment_bytes, 0);
}

/* ---- what it prints ---- */

static void capture(int number, char *text, size_t size, void (*run)(void))
{
	char path[] = "/tmp/weir-guest-XXXXXX";
	int file = mkstemp(path), saved = dup(number);
	ssize_t got;

	CHECK(file >= 0 && saved >= 0);
	unlink(path);
	fflush(NULL);
	dup2(file, number);
	run();
	fflush(NULL);
	dup2(saved, number);
	close(saved);
	got = pread(file, text, size - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	close(file);
}

static const struct weir_options loud = {.size = sizeof loud, .tick_ns = 2000000, .log_level = WEIR_LOG_DEBUG};

static void much_goes_wrong(void)
{
	const struct weir_counter *made;
	struct weir_str two[2] = {{"a", 1}, {"b", 1}};

	EQUAL_INT(weir_counter_create(&made, "no name", "?", NULL, NULL), WEIR_EINVAL);
	weir_counter_add(made, 1);
	EQUAL_INT(weir_init(&loud), WEIR_OK);
	EQUAL_INT(weir_counter_create(&made, "guest_gauge", "?", NULL, NULL), WEIR_ECONFLICT);
	weir_counter_add_values(&labelled, 1, NULL, two, 2);
	weir_counter_add_with(&labelled, 1, "\xff\xfe");
	weir_histogram_record(&times, UINT64_MAX);
	sleep_ms(20);
	EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
}

static void nothing_on_standard_output(void)
{
	static char text[65536];

	capture(STDOUT_FILENO, text, sizeof text, much_goes_wrong);
	if (text[0] != '\0')
		FAIL("on standard output: %.200s", text);
}

static void errors_on_standard_error(void)
{
	static char text[65536];

	capture(STDERR_FILENO, text, sizeof text, much_goes_wrong);
	CHECK(strstr(text, "no name") != NULL);
	CHECK(strstr(text, "guest_gauge") != NULL);
	CHECK(strstr(text, "wrong number of label values") != NULL && strstr(text, "guest_labelled_total") != NULL);
	for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		CHECK(strncmp(line, "weir: ", 6) == 0);
		CHECK(strchr(line, '\n') != NULL);
	}
}

static void a_good_life_is_quiet(void)
{
	static char text[65536];

	capture(STDERR_FILENO, text, sizeof text, whole_life);
	if (text[0] != '\0')
		FAIL("on standard error: %.200s", text);
}

/* ---- the log ---- */

enum { LINES = 256 };
static struct {
	uint32_t count;
	char text[LINES][512];
	enum weir_log_level level[LINES];
	int thread[LINES];
	void *arg;
} heard;

static int thread_number(void)
{
	return (int)syscall(SYS_gettid);
}

static void log_it(void *arg, enum weir_log_level level, const char *text)
{
	uint32_t n = __atomic_fetch_add(&heard.count, 1, __ATOMIC_ACQ_REL);

	if (n >= LINES)
		return;
	heard.arg = arg;
	heard.level[n] = level;
	heard.thread[n] = thread_number();
	snprintf(heard.text[n], sizeof heard.text[n], "%s", text);
	weir_counter_add(&adds, 1); /* it may record */
}

static uint32_t logged_with(const char *part)
{
	uint32_t found = 0;

	for (uint32_t n = 0; n < runs_of(&heard.count) && n < LINES; n++)
		found += strstr(heard.text[n], part) != NULL;
	return found;
}

static struct weir_options logging(enum weir_log_level level)
{
	struct weir_options o;

	memset(&o, 0, sizeof o);
	o.size = sizeof o;
	o.tick_ns = WEIR_MS(2);
	o.log = log_it;
	o.log_arg = &heard;
	o.log_level = level;
	return o;
}

static void each_message_once_a_minute(void)
{
	struct weir_options o = logging(WEIR_LOG_WARN);
	const struct weir_counter *made;
	struct weir_str two[2] = {{"a", 1}, {"b", 1}};

	EQUAL_INT(weir_init(&o), WEIR_OK);
	for (int i = 0; i < 50; i++) {
		EQUAL_INT(weir_counter_create(&made, "guest_gauge", "?", NULL, NULL), WEIR_ECONFLICT);
		EQUAL_INT(weir_counter_create(&made, "not a name", "?", NULL, NULL), WEIR_EINVAL);
	}
	EQUAL(logged_with("guest_gauge"), 1);
	EQUAL(logged_with("counter guest_gauge"), 1); /* both definitions are named */
	EQUAL(logged_with("gauge guest_gauge"), 1);
	EQUAL(logged_with("not a name"), 1);
	EQUAL(runs_of(&heard.count), 2);
	CHECK(heard.arg == &heard && heard.level[0] == WEIR_LOG_ERROR);
	CHECK(strchr(heard.text[0], '\n') == NULL);
	/* A record never logs: weir's own thread does, later. */
	for (int i = 0; i < 1000; i++)
		weir_counter_add_values(&labelled, 1, NULL, two, 2);
	WITHIN_MS(3000, logged_with("guest_labelled_total") == 1);
	sleep_ms(20);
	EQUAL(logged_with("guest_labelled_total"), 1);
	EQUAL(runs_of(&heard.count), 3);
	CHECK(heard.thread[2] != thread_number());
	EQUAL(status_now().dropped_labels, 1000);
	EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
}

static void expect_lines(enum weir_log_level option, const char *variable, uint32_t errors, uint32_t warnings)
{
	pid_t child;

	if (variable != NULL)
		setenv("OTEL_LOG_LEVEL", variable, 1);
	else
		unsetenv("OTEL_LOG_LEVEL");
	child = fork(); /* each with a memory of its own of what was said */
	if (child == 0) {
		struct weir_options o = logging(option);
		struct weir_exporter_options e = {.size = sizeof e, .name = "failing", .interval_ns = WEIR_S(60)};
		const struct weir_counter *made;

		setenv("OTEL_RESOURCE_ATTRIBUTES", "not key and value", 1); /* a warning */
		EQUAL_INT(weir_init(&o), WEIR_OK);
		EQUAL_INT(weir_counter_create(&made, "guest_gauge", "?", NULL, NULL), WEIR_ECONFLICT); /* an error */
		(void)e;
		EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
		EQUAL(logged_with("guest_gauge"), errors);
		EQUAL(logged_with("OTEL_RESOURCE_ATTRIBUTES"), warnings);
		EQUAL(logged_with("OTEL_LOG_LEVEL"), variable != NULL && strcmp(variable, "loud") == 0 ? 1 : 0);
		_exit(0);
	}
	if (child_end(child, 5000) != 0)
		FAIL("with level %d and OTEL_LOG_LEVEL=%s", (int)option, variable != NULL ? variable : "(unset)");
}

static void the_level_is_the_options_or_the_environments(void)
{
	expect_lines(WEIR_LOG_ENV, NULL, 1, 1);
	expect_lines(WEIR_LOG_ENV, "", 1, 1);
	expect_lines(WEIR_LOG_ENV, "none", 0, 0);
	expect_lines(WEIR_LOG_ENV, "ERROR", 1, 0);
	expect_lines(WEIR_LOG_ENV, "warn", 1, 1);
	expect_lines(WEIR_LOG_ENV, "info", 1, 1);
	expect_lines(WEIR_LOG_ENV, "debug", 1, 1);
	expect_lines(WEIR_LOG_ENV, "loud", 1, 1);
	expect_lines(WEIR_LOG_NONE, "debug", 0, 0);
	expect_lines(WEIR_LOG_ERROR, "debug", 1, 0);
	expect_lines(WEIR_LOG_WARN, "none", 1, 1);
}

/* ---- signals ---- */

static void threads_block_all_signals(void)
{
	struct weir_options o = {.size = sizeof o, .tick_ns = WEIR_MS(2)};
	struct weir_callback *callback;
	struct weir_exporter *exporter;
	struct dirent *entry;
	sigset_t all, waiting;
	int others = 0;
	DIR *dir;

	begin(&o, &callback, &exporter);
	expect_it_runs();
	dir = opendir("/proc/self/task");
	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		uint64_t blocked = 0, needed = ~UINT64_C(0);
		char path[300], line[256];
		FILE *file;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == thread_number())
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "re");
		CHECK(file != NULL);
		while (fgets(line, sizeof line, file) != NULL)
			if (strncmp(line, "SigBlk:", 7) == 0)
				blocked = strtoull(line + 7, NULL, 16);
		fclose(file);
		/* two cannot be blocked, and two are libc's own for its threads */
		needed &= ~(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1) | UINT64_C(1) << 31 |
		            UINT64_C(1) << 32);
		if ((blocked & needed) != needed)
			FAIL("a thread blocks %llx and not %llx", (unsigned long long)blocked,
			     (unsigned long long)needed);
		others++;
	}
	closedir(dir);
	EQUAL_INT(others, 3);
	/* A signal to the process that the host's threads block waits; nobody of weir's takes it. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (int n = 1; n < 32; n++)
		if (n != SIGKILL && n != SIGSTOP)
			kill(getpid(), n);
	expect_it_runs();
	sigpending(&waiting);
	for (int n = 1; n < 32; n++)
		if (n != SIGKILL && n != SIGSTOP && n != SIGCONT && n != SIGTSTP && n != SIGTTIN && n != SIGTTOU)
			CHECK(sigismember(&waiting, n));
	EQUAL_INT(weir_shutdown(WEIR_S(2)), WEIR_OK);
}

CASES({"nothing_of_the_hosts_changes", nothing_of_the_hosts_changes, 30},
      {"at_start_nothing_is_open", at_start_nothing_is_open, 10},
      {"nothing_on_standard_output", nothing_on_standard_output, 10},
      {"errors_on_standard_error", errors_on_standard_error, 10}, {"a_good_life_is_quiet", a_good_life_is_quiet, 20},
      {"each_message_once_a_minute", each_message_once_a_minute, 20},
      {"the_level_is_the_options_or_the_environments", the_level_is_the_options_or_the_environments, 30},
      {"threads_block_all_signals", threads_block_all_signals, 20})

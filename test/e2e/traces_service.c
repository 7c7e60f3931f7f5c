/* A service with all of weir in it (traces and metrics by OTLP, the Prometheus endpoint, callbacks, an exporter of its own),
 * which does what it is told to on standard input, a command a line, and answers each with a line: for traces_*.py. Options
 * are the environment's, and below. Public API only.
 *
 *   start [tick_ms=N] [endpoint=U] [dir=D] [bytes=N] [interval_ms=N] [timeout_ms=N] [ca=F] [queue=N] [spans_mib=N] [child=1]
 *         [keep=BYTES: nothing is sampled, what fails or is slow is kept in so many]
 *         [prometheus=1] [otlp=0]          the result, and the endpoint's port
 *   load THREADS PAUSE_US                  ok; each makes requests of two spans, with a pause after each
 *   unload                                 spans, after its threads have ended
 *   requests N                             ok; N of them by this thread
 *   judged N                               N requests, with a span on another thread; of 100 one fails and one is slow: the
 *                                          numbers of those that were, and how many spans each has
 *   pile N                                 N requests (256 at most) that are open at once, each with a large child that ended; then
 *                                          all fail, the newest first: the first flush's result, and how many spans there were
 *   callback MS                            ok; one that takes so long (8 at most)
 *   exporter [MS]                          ok; a second one, of its own, which takes metrics each 20 ms, and so long for it
 *   counts                                 spans=N requests=N taken=N sigpipes=N c0=N c1=N ...: callbacks' runs
 *   status                                 name=value ...
 *   lines NAME                             the metrics whose name begins so, then a dot
 *   flush MS, shutdown MS                  the result, and how many us it took
 *   fork N explicit|itself REQUESTS        N children at once, each with requests of its own; of each the exit code, and ms
 *   exit [thread]                          the time, just before exit() */
#define _GNU_SOURCE
#include <weir/otlp.h>
#include <weir/prometheus.h>
#include <weir/weir.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

WEIR_COUNTER(requests, "service_requests_total", "Requests.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "service_request_seconds", "Time of a request.");
enum { SLOW_MS = 60 };
WEIR_HISTOGRAM(judged, WEIR_LATENCY_SLO(990000, WEIR_MS(SLOW_MS)), "service_judged_seconds", "Time of a request that is judged.");
WEIR_OBSERVED_GAUGE(observed, "service_observed", "What callbacks report.", "k");

enum { MOST_THREADS = 128, MOST_CALLBACKS = 8, MOST_CHILDREN = 32, CHILD_SECONDS = 30 };
static struct {
	pthread_t thread[MOST_THREADS];
	int threads, callbacks;
	uint64_t pause_us, stop; /* by the command's thread; theirs to read, relaxed */
	uint64_t spans, answered, taken, ran[MOST_CALLBACKS]; /* added to by any thread, relaxed */
	unsigned callback_ms[MOST_CALLBACKS];
	bool leave; /* the next request of a load thread ends the process; relaxed */
} at;
static volatile sig_atomic_t pipes;

static void on_pipe(int signal)
{
	(void)signal;
	pipes++;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static uint64_t read_relaxed(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- what it does ------------------------------------------------------------------------------------------------ */

static void answer_request(uint64_t n)
{
	const struct weir_attr attrs[] = {weir_attr_str("url.path", "/orders/17"), weir_attr_int("n", (int64_t)n),
	                                  weir_attr_int("process.pid", getpid())};
	const struct weir_attrs list = {attrs, 3};
	struct weir_span server, client;
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&server, &ctx, WEIR_SERVER, "request");
	weir_span_set_attrs(&server, list);
	weir_span_begin(&client, &ctx, WEIR_CLIENT, "call");
	weir_span_event(&client, "sent");
	weir_span_end(&client);
	weir_span_end_record(&server, &times);
	weir_ctx_end(&ctx);
	weir_counter_add(&requests, 1);
	add(&at.spans, 2);
	add(&at.answered, 1);
}

static void *work_beside(void *arg)
{
	struct weir_span span, inner;
	struct weir_ctx *mine = arg;

	weir_span_begin(&span, mine, WEIR_INTERNAL, "beside");
	weir_span_begin(&inner, mine, WEIR_INTERNAL, "inner");
	weir_span_end(&inner);
	weir_span_end(&span);
	weir_ctx_end(mine);
	return NULL;
}

/* What is told of a request is what weir judges it by: its status, and how long its first span took. */
static bool judge_request(uint64_t n)
{
	struct weir_span server, client;
	struct weir_ctx ctx, child;
	pthread_t beside;
	bool fails = n % 100 == 37;
	uint64_t took;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_slo(&ctx, &judged);
	weir_span_begin(&server, &ctx, WEIR_SERVER, "request");
	weir_span_set_with(&server, weir_attr_int("n", (int64_t)n));
	weir_ctx_begin_child(&child, &ctx);
	if (pthread_create(&beside, NULL, work_beside, &child) != 0)
		abort();
	weir_span_begin(&client, &ctx, WEIR_CLIENT, "call");
	if (n % 100 == 61)
		usleep((SLOW_MS + 5) * 1000);
	weir_span_end(&client);
	pthread_join(beside, NULL);
	weir_ctx_set_status(&ctx, fails ? 503 : 200);
	took = weir_span_end_record(&server, &judged);
	weir_ctx_end(&ctx);
	return fails || took > WEIR_MS(SLOW_MS);
}

static void judge(uint64_t count)
{
	for (uint64_t n = 0; n < count; n++)
		if (judge_request(n))
			printf("%llu ", (unsigned long long)n);
	puts("4");
}

static void pile(uint64_t count)
{
	enum { MOST = 256, LARGE = 3000 };
	static struct weir_ctx ctxs[MOST];
	static struct weir_span roots[MOST];
	static char large[LARGE + 1], buffer[2 * LARGE];
	const struct weir_span_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};
	int error;

	memset(large, 'x', LARGE);
	count = count < MOST ? count : MOST;
	for (uint64_t n = 0; n < count; n++) {
		struct weir_span child;

		weir_ctx_begin(&ctxs[n], NULL, 0);
		weir_span_begin(&roots[n], &ctxs[n], WEIR_SERVER, "request");
		weir_span_set_with(&roots[n], weir_attr_int("n", (int64_t)n));
		weir_span_begin_opts(&child, &ctxs[n], WEIR_CLIENT, "large", &o);
		weir_span_set_with(&child, weir_attr_int("n", (int64_t)n), weir_attr_str("large", large));
		weir_span_end(&child);
	}
	error = weir_flush(WEIR_S(20)); /* they wait for their verdict, as far as there is room */
	for (uint64_t n = count; n-- > 0;) {
		weir_span_fail(&roots[n], "all of them");
		weir_span_end(&roots[n]);
		weir_ctx_end(&ctxs[n]);
	}
	printf("%s %llu\n", weir_error_name(error), 2ULL * count);
}

static void say_and_exit(void)
{
	char line[32];
	int len = snprintf(line, sizeof line, "%llu\n", (unsigned long long)now_ns());

	if (write(STDOUT_FILENO, line, (size_t)len) == len) /* not stdio: another thread may be in it */
		exit(0);
}

static void *serve(void *arg)
{
	(void)arg;
	for (uint64_t n = 0; read_relaxed(&at.stop) == 0; n++) {
		answer_request(n);
		if (__atomic_exchange_n(&at.leave, false, __ATOMIC_RELAXED))
			say_and_exit();
		if (at.pause_us != 0)
			usleep((useconds_t)at.pause_us);
	}
	return NULL;
}

static bool load(unsigned threads, uint64_t pause_us)
{
	at.pause_us = pause_us;
	__atomic_store_n(&at.stop, 0, __ATOMIC_RELAXED);
	while (threads-- > 0 && at.threads < MOST_THREADS)
		if (pthread_create(&at.thread[at.threads++], NULL, serve, NULL) != 0)
			return false;
	return true;
}

static void unload(void)
{
	__atomic_store_n(&at.stop, 1, __ATOMIC_RELAXED);
	while (at.threads > 0)
		pthread_join(at.thread[--at.threads], NULL);
}

static void observe(struct weir_observer *observer, void *arg)
{
	int i = (int)(uintptr_t)arg;
	char k[2] = {(char)('0' + i), '\0'};

	weir_observer_report_with(observer, &observed, i, k);
	if (at.callback_ms[i] != 0)
		usleep(at.callback_ms[i] * 1000);
	add(&at.ran[i], 1);
}

static int take_metrics(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns)
{
	struct weir_series series;

	(void)timeout_ns;
	if (!weir_snapshot_find(snapshot, "service_requests_total", NULL, 0, &series))
		return WEIR_ENOTFOUND;
	usleep((useconds_t)(uintptr_t)arg * 1000);
	add(&at.taken, 1);
	return WEIR_OK;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static int start(char *words)
{
	struct weir_options w = {.size = sizeof w, .tick_ns = WEIR_MS(50), .no_process = true};
	struct weir_otlp_options o = {.size = sizeof o};
	struct weir_prometheus_options p = {.size = sizeof p, .host = "127.0.0.1", .any_port = true, .max_age_ns = 1};
	struct weir_sampling keep = {.size = sizeof keep, .sampler = WEIR_SAMPLER_NEVER, .keep_failed = true, .keep_slow = true};
	bool prometheus = false, otlp = true;
	int error;

	for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
		char *value = strchr(word, '=');
		uint64_t n;

		if (value == NULL)
			return WEIR_EINVAL;
		*value++ = '\0';
		n = strtoull(value, NULL, 10);
		if (strcmp(word, "tick_ms") == 0)
			w.tick_ns = WEIR_MS(n);
		else if (strcmp(word, "queue") == 0)
			w.spans_queue = (uint32_t)n;
		else if (strcmp(word, "spans_mib") == 0)
			w.spans_bytes = WEIR_MIB(n);
		else if (strcmp(word, "keep") == 0) {
			keep.keep_bytes = n;
			w.sampling = &keep;
		} else if (strcmp(word, "child") == 0)
			w.export_in_child = n != 0;
		else if (strcmp(word, "prometheus") == 0)
			prometheus = n != 0;
		else if (strcmp(word, "otlp") == 0)
			otlp = n != 0;
		else if (strcmp(word, "endpoint") == 0)
			o.endpoint = value;
		else if (strcmp(word, "dir") == 0)
			o.spool_dir = value;
		else if (strcmp(word, "bytes") == 0)
			o.spool_bytes = n;
		else if (strcmp(word, "interval_ms") == 0)
			o.interval_ns = WEIR_MS(n);
		else if (strcmp(word, "timeout_ms") == 0)
			o.timeout_ns = WEIR_MS(n);
		else if (strcmp(word, "ca") == 0)
			o.ca_file = value;
		else
			return WEIR_EINVAL;
	}
	error = weir_init(&w);
	if (error == WEIR_OK && otlp)
		error = weir_otlp_start(&o);
	if (error == WEIR_OK && prometheus)
		error = weir_prometheus_start(&p);
	return error;
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

static void say_counts(void)
{
	printf("spans=%llu requests=%llu read=%llu recorded=%llu taken=%llu sigpipes=%d", (unsigned long long)read_relaxed(&at.spans),
	       (unsigned long long)read_relaxed(&at.answered), (unsigned long long)weir_counter_read(&requests),
	       (unsigned long long)weir_histogram_read(&times).count, (unsigned long long)read_relaxed(&at.taken), (int)pipes);
	for (int i = 0; i < at.callbacks; i++)
		printf(" c%d=%llu", i, (unsigned long long)read_relaxed(&at.ran[i]));
	puts("");
}

static void say_status(void)
{
	struct weir_status s = {.size = sizeof s};

	weir_status_read(&s);
#define SAY(field) printf(#field "=%llu ", (unsigned long long)s.field)
	SAY(spans_ended);
	SAY(spans_exported);
	SAY(spans_waiting);
	SAY(dropped_spans);
	SAY(dropped_spans_pool);
	SAY(dropped_spans_queue);
	SAY(dropped_spans_export);
	SAY(dropped_spans_malformed);
	SAY(kept_spans);
	SAY(evicted_spans);
	SAY(exports_failed);
	SAY(dropped_records);
	SAY(callbacks_late);
#undef SAY
	puts("");
}

static int take_text(void *arg, const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, arg) == len ? 0 : -1;
}

static void say_lines(const char *begin)
{
	struct weir_snapshot *snapshot = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (file != NULL && weir_snapshot_new(&snapshot) == WEIR_OK)
		weir_snapshot_write(snapshot, take_text, file);
	weir_snapshot_destroy(snapshot);
	if (file != NULL)
		fclose(file);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (strncmp(line, begin, strlen(begin)) == 0)
			puts(line);
	puts(".");
	free(text);
}

static void flush_or_shutdown(bool shutdown, uint64_t ms)
{
	uint64_t began = now_ns();
	int error = shutdown ? weir_shutdown(WEIR_MS(ms)) : weir_flush(WEIR_MS(ms));

	printf("%s %llu\n", weir_error_name(error), (unsigned long long)(now_ns() - began) / 1000);
}

/* ---- children ---------------------------------------------------------------------------------------------------- */

static _Noreturn void be_child(bool explicit, unsigned count)
{
	int error;

	alarm(CHILD_SECONDS);
	if (explicit && weir_after_fork() != WEIR_OK)
		_exit(100);
	for (unsigned n = 0; n < count; n++)
		answer_request(n);
	if (weir_counter_read(&requests) != count)
		_exit(101);
	error = weir_flush(WEIR_S(10));
	_exit(error != WEIR_OK ? -error : 0);
}

static void fork_children(unsigned count, bool explicit, unsigned n)
{
	pid_t child[MOST_CHILDREN];
	uint64_t began = now_ns();
	int status;

	fflush(stdout);
	if (count > MOST_CHILDREN)
		count = MOST_CHILDREN;
	for (unsigned i = 0; i < count; i++) {
		child[i] = fork();
		if (child[i] == 0)
			be_child(explicit, n);
	}
	for (unsigned i = 0; i < count; i++) {
		waitpid(child[i], &status, 0);
		printf("%d ", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
	}
	printf("%llu\n", (unsigned long long)(now_ns() - began) / 1000000);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static void new_callback(unsigned ms)
{
	struct weir_callback *callback;
	int i = at.callbacks, error;

	if (i == MOST_CALLBACKS) {
		puts("WEIR_ELIMIT");
		return;
	}
	at.callback_ms[i] = ms;
	error = weir_callback_new(&callback, observe, (void *)(uintptr_t)(unsigned)i);
	at.callbacks++;
	puts(weir_error_name(error));
}

static void new_exporter(uintptr_t ms)
{
	struct weir_exporter_options e = {.size = sizeof e, .name = "own", .interval_ns = WEIR_MS(20), .metrics = take_metrics,
	                                  .arg = (void *)ms};
	struct weir_exporter *exporter;

	puts(weir_error_name(weir_exporter_new(&exporter, &e)));
}

static bool obey(char *line)
{
	char word[32] = "", name[64] = "";
	unsigned long long a = 0, b = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%31s", word) != 1)
		return true;
	if (strcmp(word, "start") == 0) {
		const char *result = weir_error_name(start(line + 5));

		printf("%s %u\n", result, (unsigned)weir_prometheus_port());
	} else if (sscanf(line, "load %llu %llu", &a, &b) == 2) {
		puts(load((unsigned)a, b) ? "ok" : "no threads");
	} else if (strcmp(word, "unload") == 0) {
		unload();
		printf("%llu\n", (unsigned long long)read_relaxed(&at.spans));
	} else if (sscanf(line, "requests %llu", &a) == 1) {
		for (uint64_t n = 0; n < a; n++)
			answer_request(n);
		puts("ok");
	} else if (sscanf(line, "judged %llu", &a) == 1) {
		judge(a);
	} else if (sscanf(line, "pile %llu", &a) == 1) {
		pile(a);
	} else if (sscanf(line, "callback %llu", &a) == 1) {
		new_callback((unsigned)a);
	} else if (sscanf(line, "exporter %llu", &a) == 1 || strcmp(line, "exporter") == 0) {
		new_exporter((uintptr_t)a);
	} else if (strcmp(word, "counts") == 0) {
		say_counts();
	} else if (strcmp(word, "status") == 0) {
		say_status();
	} else if (sscanf(line, "lines %63s", name) == 1) {
		say_lines(name);
	} else if (sscanf(line, "flush %llu", &a) == 1) {
		flush_or_shutdown(false, a);
	} else if (sscanf(line, "shutdown %llu", &a) == 1) {
		flush_or_shutdown(true, a);
	} else if (sscanf(line, "fork %llu %63s %llu", &a, name, &b) == 3) {
		fork_children((unsigned)a, strcmp(name, "explicit") == 0, (unsigned)b);
	} else if (strcmp(line, "exit thread") == 0) {
		__atomic_store_n(&at.leave, true, __ATOMIC_RELAXED);
	} else if (strcmp(word, "exit") == 0) {
		say_and_exit();
	} else {
		puts("?");
	}
	return true;
}

static bool read_line(char *line, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && read(STDIN_FILENO, line + len, 1) == 1) /* children inherit no part of it */
		if (line[len++] == '\n')
			break;
	line[len] = '\0';
	return len != 0;
}

int main(void)
{
	char line[4096];

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, on_pipe);
	while (read_line(line, sizeof line) && obey(line))
		;
	_exit(0);
}

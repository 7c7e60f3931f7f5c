/* A service that passes each of weir's probes a known number of times, driven by lines of text; probes.py builds it against the
 * shared library, against the archive, fully static and as a plugin (-DPLUGIN), and watches it.
 *
 * run N: N requests, with two spans each, on this thread; threads N M: the same on N threads, M each; fork N: N requests in a child
 * that has just been forked; forkall N: what others does there, too; load N PATH: opens a plugin, runs N requests in it, and closes it; end. It answers "ok" and the number of
 * spans that were exported in all. */
#define _GNU_SOURCE
#include <weir/usdt.h>
#include <weir/weir.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

WEIR_COUNTER(sold, "probes_sold_total", "Sold.", "what");
WEIR_COUNTER(plain, "probes_plain_total", "Counted.");
WEIR_HISTOGRAM(took, WEIR_BUCKETS(WEIR_SECONDS, WEIR_SLO(999000, 1), WEIR_BOUNDS(1, WEIR_S(100))), "probes_seconds", "Times.");

/* Literals of which each lies in a file's page of its own, so that no other read brings it in: a process that has only just been
 * forked, as one that has never used them, does not have them in memory. */
static const char *server_name, *inner_name, *tea;

static const char *literal(const char *text)
{
	int fd = memfd_create("literal", MFD_CLOEXEC);
	void *page = write(fd, text, strlen(text) + 1) > 0 ? mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

	if (page == MAP_FAILED)
		_exit(6);
	close(fd);
	return page;
}

static uint64_t exported;

static int take_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	(void)arg;
	(void)timeout_ns;
	__atomic_fetch_add(&exported, weir_batch_count(batch), __ATOMIC_RELAXED);
	return WEIR_OK;
}

static void start(void)
{
	const struct weir_options options = {.size = sizeof options, .no_thread = true, .no_process = true, .log_level = WEIR_LOG_NONE,
	                                     .spans_queue = 65536};
	const struct weir_exporter_options sink = {.size = sizeof sink, .name = "sink", .interval_ns = WEIR_S(3600), .spans = take_spans};
	struct weir_exporter *exporter;

	server_name = literal("GET /probes/{id}");
	inner_name = literal("probes.look");
	tea = literal("tea");
	if (weir_init(&options) != WEIR_OK || weir_exporter_new(&exporter, &sink) != WEIR_OK)
		_exit(3);
}

static void requests(unsigned long count)
{
	static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	const struct weir_header header = {weir_str_of("traceparent"), weir_str_of(parent)};

	for (unsigned long n = 0; n < count; n++) {
		struct weir_span server, inner;
		struct weir_scope scope;
		struct weir_ctx ctx;

		weir_ctx_begin(&ctx, &header, 1);
		weir_ctx_set_route(&ctx, weir_str_of("/probes/{id}"));
		scope = weir_ctx_attach(&ctx);
		weir_span_begin_v1_(&server, NULL, WEIR_SERVER, weir_str_n(server_name, 16)); /* as of a literal: its length is known */
		weir_span_begin_v1_(&inner, NULL, WEIR_INTERNAL, weir_str_n(inner_name, 11));
		WEIR_PROBE(shop, sold, n, tea);
		WEIR_PROBE(shop, bare);
		weir_span_end(&inner);
		if (n % 2 == 1)
			weir_span_fail(&server, "odd");
		weir_span_end(&server);
		weir_ctx_set_status(&ctx, 200);
		weir_ctx_set_slo(&ctx, &took);
		weir_ctx_detach(scope);
		weir_ctx_end(&ctx);
	}
}

static void others(void)
{
	static const struct weir_instrument_options capped = {.size = sizeof capped, .max_series = 1};
	const struct weir_sampling always = {.size = sizeof always, .sampler = WEIR_SAMPLER_ALWAYS};

	weir_instrument_configure("probes_sold_total", &capped);
	weir_sampling_set(&always);
	weir_counter_add_with(&sold, 1, "tea");
	for (int n = 0; n < 3; n++)
		weir_counter_add_with(&sold, 1, n % 2 == 0 ? "coffee" : "cocoa"); /* three overflows */
	for (int n = 0; n < 2; n++) {
		struct weir_str value = weir_str_of("x");

		weir_counter_values(&plain, &value, 1); /* two drops: wrong labels */
	}
}

static void pump(void)
{
	weir_flush(WEIR_S(10));
}

#ifdef PLUGIN
void probes_run(unsigned long count);
__attribute__((visibility("default"))) void probes_run(unsigned long count)
{
	start();
	requests(count);
	others();
	pump();
	weir_shutdown(WEIR_S(5));
}
#else
static void *on_thread(void *count)
{
	requests((unsigned long)(uintptr_t)count);
	return NULL;
}

static void on_threads(unsigned long threads, unsigned long count)
{
	pthread_t thread[64];

	for (unsigned long n = 0; n < threads && n < 64; n++)
		pthread_create(&thread[n], NULL, on_thread, (void *)(uintptr_t)count);
	for (unsigned long n = 0; n < threads && n < 64; n++)
		pthread_join(thread[n], NULL);
}

static void in_child(unsigned long count, bool all)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		weir_after_fork();
		requests(count);
		if (all)
			others();
		pump();
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (status != 0)
		_exit(4);
}

static void in_plugin(unsigned long count, const char *path)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void (*run)(unsigned long) = NULL;
	void *found = plugin != NULL ? dlsym(plugin, "probes_run") : NULL;

	memcpy(&run, &found, sizeof run);
	if (run == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		_exit(5);
	}
	run(count);
	dlclose(plugin);
}

int main(void)
{
	char line[4096], path[4000];
	unsigned long a, b;

	start();
	printf("ok 0\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "run %lu", &a) == 1) {
			requests(a);
			pump();
		} else if (sscanf(line, "threads %lu %lu", &a, &b) == 2) {
			on_threads(a, b);
			pump();
		} else if (sscanf(line, "fork %lu", &a) == 1) {
			in_child(a, false);
		} else if (sscanf(line, "forkall %lu", &a) == 1) {
			in_child(a, true);
		} else if (sscanf(line, "load %lu %3999s", &a, path) == 2) {
			in_plugin(a, path);
		} else if (strncmp(line, "others", 6) == 0) {
			others();
		} else {
			break;
		}
		printf("ok %llu\n", (unsigned long long)exported);
		fflush(stdout);
	}
	weir_shutdown(WEIR_S(5));
	return 0;
}
#endif

/* A host that knows nothing of the exporter but its entry: plugin_host PLUGIN OUTPUT. */
#include <weir/weir.h>

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

WEIR_COUNTER(jobs, "jobs_total", "Jobs done.", "queue");
WEIR_GAUGE(depth, "queue_depth", "Depth.");
WEIR_HISTOGRAM(wait, WEIR_LATENCY, "wait_seconds", "Time waited.");

typedef int start_fn(const char *path, uint64_t slowest_ns, struct weir_exporter **exporter);

static bool holds(const char *path, const char *line)
{
	char text[256];
	bool found = false;
	FILE *file = fopen(path, "r");

	assert(file != NULL);
	while (!found && fgets(text, sizeof text, file) != NULL)
		found = strcmp(text, line) == 0;
	fclose(file);
	return found;
}

/* A job that took so long, as it says. */
static void job(const char *name, uint64_t took_ns, const char *why)
{
	struct weir_header header = {weir_str_of("traceparent"),
	                             weir_str_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
	struct weir_span_options options = {.size = sizeof options, .start_ns = WEIR_S(1700000000)};
	struct weir_ctx ctx;
	struct weir_span span;

	weir_ctx_begin(&ctx, &header, 1);
	weir_span_begin_opts(&span, &ctx, WEIR_CONSUMER, name, &options);
	if (why != NULL)
		weir_span_fail(&span, why);
	assert(weir_span_end_at(&span, WEIR_S(1700000000) + took_ns) == took_ns);
	weir_ctx_end(&ctx);
}

int main(int argc, char **argv)
{
	struct weir_exporter *exporter = NULL;
	start_fn *start;
	void *plugin, *symbol;

	assert(argc == 3);
	plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	assert(plugin != NULL);
	symbol = dlsym(plugin, "lines_start");
	assert(symbol != NULL);
	memcpy(&start, &symbol, sizeof start);

	assert(weir_init(NULL) == WEIR_OK && start(argv[2], WEIR_MS(100), &exporter) == WEIR_OK);
	job("pack", WEIR_MS(99), NULL);
	job("send", WEIR_MS(100), NULL);
	job("bill", WEIR_MS(250), "no money");
	weir_counter_add_with(&jobs, 41, "mail");
	weir_counter_add_with(&jobs, 1, "mail");
	weir_gauge_set(&depth, -3);
	weir_histogram_record(&wait, WEIR_MS(5));
	weir_histogram_record(&wait, WEIR_MS(80));
	assert(weir_flush(WEIR_S(5)) == WEIR_OK);
	assert(holds(argv[2], "jobs_total,queue=mail 42|c\n"));
	assert(holds(argv[2], "queue_depth -3|g\n"));
	assert(holds(argv[2], "wait_seconds le0.005=1 le0.1=1 2|h\n"));
	assert(holds(argv[2], "slow 0af7651916cd43dd8448eb211c80319c send\n"));
	assert(holds(argv[2], "slow 0af7651916cd43dd8448eb211c80319c bill failed\n"));
	assert(!holds(argv[2], "slow 0af7651916cd43dd8448eb211c80319c pack\n"));
	assert(!holds(argv[2], "closed\n"));
	assert(weir_exporter_destroy(exporter, WEIR_S(5)) == WEIR_OK && holds(argv[2], "closed\n"));
	assert(weir_shutdown(WEIR_S(5)) == WEIR_OK);
	assert(dlclose(plugin) == 0);
	return 0;
}

/* A database: worker threads, instruments made at run time, statistics it already keeps, no thread of weir's, its own command
 * that shows the numbers, spans of its statements as a driver's, and a unit test of its own metrics and spans. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <weir/weir.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ROW_BUCKETS                                                                                                    \
	WEIR_BUCKETS(WEIR_BYTES, WEIR_SLO(990000, WEIR_KIB(64)), WEIR_BOUNDS(64, WEIR_KIB(1), WEIR_KIB(16), WEIR_MIB(1)))
WEIR_HISTOGRAM(row_bytes, ROW_BUCKETS, "db_row_bytes", "Size of a row read.");
WEIR_HISTOGRAM(commit_time, WEIR_LATENCY, "db_commit_duration_seconds", "Time to commit.");
WEIR_OBSERVED_COUNTER(evictions, "db_cache_evictions_total", "Pages put out of the cache.");
WEIR_OBSERVED_GAUGE_IN(cached, WEIR_BYTES, "db_cache_bytes", "Size of the cache.", "pool");

/* ---- a table is opened: its instruments get their names then ---- */
struct table {
	const struct weir_counter *reads;
	struct weir_counter_series by_key, by_scan;
};

static int table_open(struct table *t, const char *engine)
{
	static const char *const labels[] = {"path", NULL};
	const char *const constant[] = {"engine", engine, NULL};
	struct weir_instrument_options options = {.size = sizeof options, .max_series = 10, .constant = constant};
	int error = weir_counter_create(&t->reads, "db_reads_total", "Rows read.", labels, &options);

	if (error != WEIR_OK) /* the reason is in the log; t->reads is set and safe to use */
		fprintf(stderr, "db_reads_total: %s\n", weir_error_text(error));
	t->by_key = weir_counter_with(t->reads, "key");
	t->by_scan = weir_counter_with(t->reads, "scan");
	return error;
}

/* ---- workers ---- */
static void *work(void *arg)
{
	const struct table *t = arg;

	for (uint64_t row = 0; row < 1000; row++) {
		weir_counter_series_add(t->by_key, 1);
		weir_histogram_record(&row_bytes, 100 * row);
	}
	struct weir_stopwatch commit = weir_stopwatch_begin();
	weir_counter_add_with(t->reads, 1, "index");
	weir_stopwatch_record(&commit, &commit_time);
	return NULL;
}

/* ---- a statement, as a driver sends it: the trace stands in a comment. One that failed is kept, sampled or not ---- */
static int64_t statement(const char *traceparent, const char *sql, int64_t rows)
{
	struct weir_ctx ctx;
	struct weir_span span;

	weir_ctx_begin(&ctx, NULL, 0);
	if (traceparent != NULL)
		weir_ctx_add_header(&ctx, weir_str_of("traceparent"), weir_str_of(traceparent));
	weir_span_begin(&span, &ctx, WEIR_SERVER, "SELECT");
	weir_span_set_with(&span, weir_attr_str("db.query.text", sql), weir_attr_int("db.response.returned_rows", rows));
	if (rows < 0)
		weir_span_fail(&span, "deadlock");
	weir_span_end_record(&span, &commit_time);
	weir_ctx_end(&ctx);
	return rows;
}

static struct {
	size_t spans, kept;
	int64_t rows;
} shipped;

static int ship(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct weir_ended e;

	(void)arg;
	(void)timeout_ns;
	weir_ended_begin(&e, batch);
	while (weir_ended_next(&e)) {
		shipped.spans++;
		shipped.kept += e.kept;
		for (size_t i = 0; i < e.attrs.count; i++)
			if (e.attrs.ptr[i].type == WEIR_ATTR_INT)
				shipped.rows += e.attrs.ptr[i].as.integer;
	}
	return WEIR_OK;
}

/* ---- what the cache counts by itself is read when it is looked at: all of it under one lock, at one moment ---- */
struct cache {
	pthread_mutex_t lock;
	int64_t evictions, hot, cold;
};

static void cache_observe(struct weir_observer *observer, void *arg)
{
	struct cache *c = arg;

	pthread_mutex_lock(&c->lock);
	weir_observer_report(observer, &evictions, c->evictions);
	weir_observer_report_with(observer, &cached, c->hot, "hot");
	weir_observer_report_with(observer, &cached, c->cold, "cold");
	pthread_mutex_unlock(&c->lock);
}

/* ---- SHOW STATUS ---- */
static int to_client(void *client, const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, client) == len ? 0 : -1;
}

static int show_status(FILE *client)
{
	struct weir_snapshot *snapshot;
	int error = weir_snapshot_new(&snapshot);

	if (error != WEIR_OK)
		return error;
	error = weir_snapshot_write(snapshot, to_client, client);
	weir_snapshot_destroy(snapshot);
	return error;
}

/* ---- tests of one's own metrics ---- */
static void test_reads(struct table *t)
{
	struct weir_distribution before = weir_histogram_read(&row_bytes), after;
	uint64_t reads = weir_counter_series_read(t->by_key);
	pthread_t worker;

	assert(pthread_create(&worker, NULL, work, t) == 0);
	assert(pthread_join(worker, NULL) == 0);
	after = weir_histogram_read(&row_bytes);
	assert(weir_counter_series_read(t->by_key) == reads + 1000);
	assert(weir_counter_series_read(t->by_scan) == 0);
	assert(after.count == before.count + 1000 && after.sum_low == before.sum_low + 49950000);
	assert(after.good == before.good + 656); /* rows of at most 64 KiB: 0, 100, ..., 65500 */
	assert(weir_histogram_read(&commit_time).count == 1);
	assert(weir_counter_series_read(weir_counter_with(t->reads, "index")) == 1);
}

static void test_status(void)
{
	char text[65536];
	FILE *client = fmemopen(text, sizeof text, "w");

	assert(client != NULL && show_status(client) == WEIR_OK && fclose(client) == 0);
	assert(strstr(text, "db_reads_total") != NULL && strstr(text, "engine=\"lsm\"") != NULL);
	assert(strstr(text, "db_cache_evictions_total 7\n") != NULL);
	assert(strstr(text, "db_cache_bytes{pool=\"cold\"} 8192\n") != NULL);
}

static void test_statements(void)
{
	struct weir_exporter_options ships = {.size = sizeof ships, .name = "ship", .spans = ship};
	struct weir_exporter *exporter;

	assert(weir_exporter_new(&exporter, &ships) == WEIR_OK);
	statement("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "SELECT 1", 5);
	statement("00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "SELECT 2", 70); /* its caller does not sample */
	statement("00-2af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "SELECT 3", -1); /* but this one failed */
	statement(NULL, "SELECT 4", 700);                                                    /* of nobody's trace: sampled here */
	assert(weir_flush(WEIR_S(5)) == WEIR_OK);
	assert(shipped.spans == 3 && shipped.kept == 1 && shipped.rows == 704);
	assert(weir_histogram_read(&commit_time).count == 5); /* all are measured */
	assert(weir_exporter_destroy(exporter, WEIR_S(5)) == WEIR_OK);
}

int main(void)
{
	struct weir_sampling sampling = {.size = sizeof sampling, .keep_failed = true};
	struct weir_options options = {.size = sizeof options, .service_name = "database", .no_thread = true, .sampling = &sampling};
	struct cache cache = {PTHREAD_MUTEX_INITIALIZER, 7, 4096, 8192};
	struct weir_callback *callback;
	struct table table;
	uint64_t next_ns;

	if (weir_init(&options) || table_open(&table, "lsm") || weir_callback_new(&callback, cache_observe, &cache))
		return 1;
	test_reads(&table);
	test_statements();
	assert(weir_pump(WEIR_MS(2), &next_ns) == WEIR_OK); /* the checkpoint's loop: 2 ms at most, again in next_ns */
	test_status();
	weir_callback_destroy(callback); /* its last run is over: the cache may go */
	return weir_shutdown(WEIR_S(1)) ? 1 : 0;
}

/* A user of weir alone: what is declared is there before its first use, what is recorded is exact. */
#include <weir/weir.h>

#include <stdio.h>
#include <string.h>

WEIR_COUNTER(hits, "alone_hits_total", "Hits.");
WEIR_COUNTER(untouched, "alone_untouched_total", "Declared, never touched.");
WEIR_HISTOGRAM(wait, WEIR_LATENCY, "alone_wait_seconds", "Time waited.", "queue");

static int fails(const char *what)
{
	fprintf(stderr, "alone: %s\n", what);
	return 1;
}

int main(void)
{
	struct weir_snapshot *snapshot;
	struct weir_series series;
	struct weir_str queue = weir_str_of("mail");

	if (strcmp(weir_version(), WEIR_VERSION_TEXT) != 0)
		return fails("the header's version is not the library's");
	if (weir_init(NULL) != WEIR_OK)
		return fails("init");
	for (int i = 0; i < 1000; i++)
		weir_counter_add(&hits, 2);
	weir_histogram_record_with(&wait, WEIR_MS(5), "mail");
	if (weir_counter_read(&hits) != 2000)
		return fails("the counter");
	if (weir_snapshot_new(&snapshot) != WEIR_OK)
		return fails("snapshot");
	if (!weir_snapshot_find(snapshot, "alone_untouched_total", NULL, 0, &series) || series.count != 0)
		return fails("an instrument that is not used yet");
	if (!weir_snapshot_find(snapshot, "alone_wait_seconds", &queue, 1, &series) || series.count != 1)
		return fails("the histogram");
	weir_snapshot_destroy(snapshot);
	return weir_shutdown(WEIR_S(5)) == WEIR_OK ? 0 : fails("shutdown");
}

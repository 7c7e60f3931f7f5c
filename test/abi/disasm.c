/* The loops of a benchmark, to be taken apart by disasm.sh: each function holds one kind of record. */
#include <weir/weir.h>

WEIR_COUNTER(plain, "plain_total", "Without labels.");
WEIR_HISTOGRAM(wait, WEIR_LATENCY, "wait_seconds", "Time waited.");

void once_counter_add(void);
void loop_counter_add(uint64_t n);
void once_counter_series_add(struct weir_counter_series s);
void loop_counter_series_add(uint64_t n, struct weir_counter_series s);
void once_histogram_record(uint64_t v);

void once_counter_add(void) { weir_counter_add(&plain, 1); }
void loop_counter_add(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		weir_counter_add(&plain, 1);
}
void once_counter_series_add(struct weir_counter_series s) { weir_counter_series_add(s, 1); }
void loop_counter_series_add(uint64_t n, struct weir_counter_series s)
{
	for (uint64_t i = 0; i < n; i++)
		weir_counter_series_add(s, 1);
}
void once_histogram_record(uint64_t v) { weir_histogram_record(&wait, v); }

/* L5: weir's own metrics: what there is, what was lost, what a snapshot takes. Reported like a callback's values, before each
 * snapshot. Writer: the snapshot's maker; each value is one relaxed store. */
#include "snapshot.h"

#include "atomic.h"
#include "observe.h"
#include "own.h"
#include "pages.h"
#include "segment.h"
#include "shard.h"
#include "spans.h"

#define LIST(X)                                                                                                        \
	X(INSTRUMENTS, GAUGE, WEIR_ONE, "weir_instruments", "Instruments that are registered.", "")                    \
	X(REFUSED, COUNTER, WEIR_ONE, "weir_instruments_refused_total",                                                \
	  "Definitions that were refused: see the log.", "")                                                           \
	X(SERIES, GAUGE, WEIR_ONE, "weir_series", "Series that exist, overflow series included.", "")                  \
	X(OVERFLOWED, COUNTER, WEIR_ONE, "weir_overflowed_lookups_total",                                              \
	  "Look-ups that met the instrument's cap: each record with labels in the call, and each handle.", "instrument") \
	X(DROPPED, COUNTER, WEIR_ONE, "weir_dropped_records_total", "Records that were dropped.", "reason")            \
	X(MENDED, COUNTER, WEIR_ONE, "weir_label_values_mended_total",                                                 \
	  "Label values that were no UTF-8 text (cleaned), or over 1024 bytes (cut), when their series was looked up.", "how") \
	X(SEGMENT, GAUGE, WEIR_BYTES, "weir_segment_bytes",                                                            \
	  "Pages in use of the segment that holds the cells.", "")                                                     \
	X(HEAP, GAUGE, WEIR_BYTES, "weir_heap_bytes",                                                                  \
	  "Memory of the registry, the threads' tables and ended spans.", "")                                          \
	X(SHARDS, GAUGE, WEIR_ONE, "weir_shards", "Shards: threads that recorded at once, at most.", "")               \
	X(SNAPSHOTS, COUNTER, WEIR_ONE, "weir_snapshots_total", "Snapshots made.", "")                                 \
	X(SNAPSHOT_TIME, GAUGE, WEIR_SECONDS, "weir_snapshot_duration_seconds",                                        \
	  "Time that the last snapshot took.", "")                                                                     \
	X(FAILED, COUNTER, WEIR_ONE, "weir_exports_failed_total",                                                      \
	  "Exports that an exporter reported as failed.", "")                                                         \
	X(LATE, COUNTER, WEIR_ONE, "weir_callbacks_late_total",                                                        \
	  "Ticks that met a round of callbacks that the tick before had met: what they report is old.", "")        \
	X(RETIRED, COUNTER, WEIR_ONE, "weir_series_retired_total",                                                     \
	  "What the series held whose labels' values were given up.", "metric")
WEIR__OWN(LIST, own, declare)

static uint32_t started; /* 1 after the instruments are registered: release; acquire */
static uint64_t exports_failed; /* writers: exporters' thread; relaxed */

void weir__health_start(void)
{
	declare();
	for (size_t i = 0; i < OWN_COUNT; i++)
		weir__instrument_of(&own[i].observed.i_);
	weir__store_release(&started, 1u);
}

void weir__health_exports_failed(uint64_t n)
{
	weir__add_relaxed(&exports_failed, n);
}

uint64_t weir__exports_failed(void)
{
	return weir__load_relaxed(&exports_failed);
}

uint64_t weir__heap_bytes(void)
{
	return weir__pages_bytes() + weir__shards_bytes() + weir__segment_heap_bytes() + weir__spans_bytes();
}

uint64_t weir__overflowed_total(void)
{
	uint64_t sum = 0;

	for (const struct weir__instrument *i = weir__instruments_first(); i != NULL; i = weir__load_acquire(&i->next))
		if (weir__load_acquire(&i->overflow) != NULL)
			sum += weir__cell_sum(i->folded_cell);
	return sum;
}

void weir__health_refresh(void)
{
	struct weir_observer *o = weir__observer_internal();

	if (weir__load_acquire(&started) == 0)
		return;
	weir_observer_report(o, &own[INSTRUMENTS].observed, weir__instruments_count());
	weir_observer_report(o, &own[REFUSED].observed, (int64_t)weir__refused_total());
	weir_observer_report(o, &own[SERIES].observed, (int64_t)weir__series_total());
	for (const struct weir__instrument *i = weir__instruments_first(); i != NULL; i = weir__load_acquire(&i->next)) {
		if (i->retires)
			weir_observer_report_with(o, &own[RETIRED].observed, (int64_t)i->retired, i->name);
		if (weir__load_acquire(&i->overflow) != NULL)
			weir_observer_report_with(o, &own[OVERFLOWED].observed, (int64_t)weir__cell_sum(i->folded_cell), i->name);
	}
	for (int why = 0; why < WEIR__LOSSES; why++)
		weir_observer_report_with(o, &own[DROPPED].observed, (int64_t)weir__lost((enum weir__loss)why),
		                          weir__loss_text((enum weir__loss)why));
	weir_observer_report_with(o, &own[MENDED].observed, (int64_t)weir__mended_total(false), "cleaned");
	weir_observer_report_with(o, &own[MENDED].observed, (int64_t)weir__mended_total(true), "cut");
	weir_observer_report(o, &own[SEGMENT].observed, (int64_t)weir__segment_bytes());
	weir_observer_report(o, &own[HEAP].observed, (int64_t)weir__heap_bytes());
	weir_observer_report(o, &own[SHARDS].observed, weir__shards_count());
	weir_observer_report(o, &own[SNAPSHOTS].observed, (int64_t)weir__snapshots_total());
	weir_observer_report(o, &own[SNAPSHOT_TIME].observed, (int64_t)weir__snapshot_last_ns());
	weir_observer_report(o, &own[FAILED].observed, (int64_t)weir__exports_failed());
	weir_observer_report(o, &own[LATE].observed, (int64_t)weir__callbacks_late());
	weir__health_spans_refresh();
}

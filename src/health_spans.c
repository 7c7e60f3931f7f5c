/* L5: weir's own metrics of spans and contexts, by the semantic conventions' names where there is one (otel.sdk.processor.span.*,
 * in development there). Reported before each snapshot, from the moment on that somebody takes spans: who has metrics only has
 * none of them. What is there costs nothing where spans begin and end: how many were started, or are open, is not counted.
 * Writer: the snapshot's maker. */
#include "snapshot.h"

#include "exemplar.h"
#include "observe.h"
#include "own.h"
#include "spans.h"
#include "tally.h"

#define LIST(X)                                                                                                        \
	X(PROCESSED, COUNTER, WEIR_ONE, "otel.sdk.processor.span.processed",                                           \
	  "Spans that the exporters took (error.type is empty), or that were dropped before.", "error.type")           \
	X(QUEUE_SIZE, GAUGE, WEIR_ONE, "otel.sdk.processor.span.queue.size",                                           \
	  "Ended spans that wait for an exporter.", "")                                                                \
	X(QUEUE_CAPACITY, GAUGE, WEIR_ONE, "otel.sdk.processor.span.queue.capacity",                                   \
	  "Ended spans that may wait.", "")                                                                            \
	X(ENDED, COUNTER, WEIR_ONE, "weir_spans_ended_total",                                                          \
	  "Spans that ended, sampled or kept, and came to the queue.", "")                                             \
	X(FAILED, COUNTER, WEIR_ONE, "weir_spans_export_failed_total",                                                 \
	  "Spans that an exporter did not take, or lost.", "")                                                         \
	X(HELD, COUNTER, WEIR_ONE, "weir_spans_held_total",                                                            \
	  "Spans that were held though not sampled, by what became of them: kept, evicted.", "result")                 \
	X(FAULTS, COUNTER, WEIR_ONE, "weir_trace_faults_total",                                                        \
	  "What went wrong with requests and spans, by kind.", "kind")
WEIR__OWN(LIST, own, declare)

/* In which metric a tally is told, by its text. */
static const uint8_t told[][2] = {
    {PROCESSED, WEIR__SPANS_QUEUE},  {PROCESSED, WEIR__SPANS_POOL},    {PROCESSED, WEIR__SPANS_MALFORMED},
    {PROCESSED, WEIR__SPANS_REENTRY}, {HELD, WEIR__SPANS_KEPT},         {HELD, WEIR__SPANS_EVICTED},
    {FAULTS, WEIR__HEADERS_MALFORMED}, {FAULTS, WEIR__BAGGAGE_DROPPED}, {FAULTS, WEIR__DETACHED_OUT_OF_ORDER},
    {FAULTS, WEIR__ENDED_TWICE},      {FAULTS, WEIR__UNTIMED},          {FAULTS, WEIR__ROUTES_DROPPED},
    {FAULTS, WEIR__TAGS_DROPPED},
};

void weir__health_spans_refresh(void)
{
	struct weir_observer *o = weir__observer_internal();

	if (!weir__spans_were_wanted())
		return;
	declare();
	weir_observer_report_with(o, &own[PROCESSED].observed, (int64_t)weir__spans_exported(), "");
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		weir_observer_report_with(o, &own[told[i][0]].observed, (int64_t)weir__tallied((enum weir__tally)told[i][1]),
		                          weir__tally_text((enum weir__tally)told[i][1]));
	weir_observer_report(o, &own[QUEUE_SIZE].observed, (int64_t)weir__spans_waiting());
	weir_observer_report(o, &own[QUEUE_CAPACITY].observed, weir__spans_capacity());
	weir_observer_report(o, &own[ENDED].observed, (int64_t)weir__tallied(WEIR__SPANS_ENDED));
	weir_observer_report(o, &own[FAILED].observed, (int64_t)(weir__tallied(WEIR__SPANS_EXPORT) + weir__tallied(WEIR__SPANS_LATE)));
	weir_observer_report_with(o, &own[FAULTS].observed, (int64_t)weir__exemplars_lost(), weir__tally_text(WEIR__EXEMPLARS_DROPPED));
}

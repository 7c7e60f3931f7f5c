/* L0: tallies. See tally.h. */
#include "tally.h"

#include "atomic.h"
#include "probe.h"

static uint64_t tallies[WEIR__TALLIES];

void weir__tally(enum weir__tally what, uint64_t n)
{
	/* what was lost; the others went well, or were mended */
	static const uint32_t drops = 1u << WEIR__SPANS_POOL | 1u << WEIR__SPANS_QUEUE | 1u << WEIR__SPANS_EXPORT | 1u << WEIR__SPANS_LATE |
	                              1u << WEIR__SPANS_MALFORMED | 1u << WEIR__SPANS_REENTRY | 1u << WEIR__SPANS_EVICTED |
	                              1u << WEIR__HEADERS_MALFORMED | 1u << WEIR__BAGGAGE_DROPPED | 1u << WEIR__EXEMPLARS_DROPPED |
	                              1u << WEIR__ROUTES_DROPPED | 1u << WEIR__TAGS_DROPPED;

	weir__add_relaxed(&tallies[what], n);
	if (WEIR__WATCHED(drop) && (drops >> what & 1) != 0)
		weir__probe_drop(weir__tally_text(what), n);
}

const char *weir__tally_text(enum weir__tally what)
{
	return weir__nth_text("ended\0exported\0pool_dry\0queue_full\0export_failed\0not_written\0malformed\0reentry\0kept\0evicted\0"
	                      "header_malformed\0baggage_dropped\0detached_out_of_order\0ended_twice\0untimed\0exemplar_dropped\0"
	                      "route_dropped\0tags_dropped", what);
}

uint64_t weir__tallied(enum weir__tally what)
{
	return weir__load_relaxed(&tallies[what]);
}

void weir__tally_restart(void)
{
	for (int i = 0; i < WEIR__TALLIES; i++)
		weir__store_relaxed(&tallies[i], UINT64_C(0));
}

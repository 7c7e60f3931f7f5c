/* weir-jwt: health. See health.h. Layer: jwt. */
#include "health.h"

#include <weir/metric.h>

enum { RESULTS = WEIR_JWT_NO_MEMORY + 1, OUTCOMES = WEIR__JWT_FAILED + 1 };

static struct {
	uint32_t started; /* 1 when the rest is there, which never changes after: release; acquire */
	struct weir_counter_series result[RESULTS], lookup[2], refresh[OUTCOMES];
	const struct weir_gauge *age;
} health;

static bool is_started(void)
{
	return __atomic_load_n(&health.started, __ATOMIC_ACQUIRE) != 0;
}

void weir__jwt_health_start(void)
{
	static const char *const result[] = {"result", NULL}, *const outcome[] = {"outcome", NULL}, *const verifier[] = {"verifier", NULL};
	static const char *const outcomes[OUTCOMES] = {"changed", "unchanged", "failed"};
	const struct weir_instrument_options seconds = {.size = sizeof seconds, .unit = WEIR_SECONDS};
	const struct weir_counter *results, *lookups, *refreshes;

	if (is_started()) /* with the lock of life.h */
		return;
	weir_counter_create(&results, "weir_jwt_verifications_total", "Requests by what came of their tokens.", result, NULL);
	weir_counter_create(&lookups, "weir_jwt_cache_lookups_total", "Tokens that were looked for among those verified before.", outcome,
	                    NULL);
	weir_counter_create(&refreshes, "weir_jwt_key_refreshes_total", "Times that a key set was read or fetched.", outcome, NULL);
	weir_gauge_create(&health.age, "weir_jwt_key_set_age_seconds", "Time since the source confirmed the verifier's key set.", verifier,
	                  &seconds);
	for (int i = 0; i < RESULTS; i++)
		health.result[i] = weir_counter_with(results, weir_jwt_result_text((enum weir_jwt_result)i));
	for (int i = 0; i < OUTCOMES; i++)
		health.refresh[i] = weir_counter_with(refreshes, outcomes[i]);
	health.lookup[false] = weir_counter_with(lookups, "miss");
	health.lookup[true] = weir_counter_with(lookups, "hit");
	__atomic_store_n(&health.started, 1, __ATOMIC_RELEASE);
}

void weir__jwt_health_result(enum weir_jwt_result result)
{
	if (is_started() && (unsigned)result < RESULTS)
		weir_counter_series_add(health.result[result], 1);
}

void weir__jwt_health_lookup(bool hit)
{
	if (is_started())
		weir_counter_series_add(health.lookup[hit], 1);
}

void weir__jwt_health_refresh(enum weir__jwt_published outcome)
{
	if (is_started())
		weir_counter_series_add(health.refresh[outcome], 1);
}

void weir__jwt_health_age(unsigned verifier, uint64_t ns)
{
	char number[3] = {(char)(verifier < 10 ? '0' + verifier : '1'), '\0', '\0'};

	if (verifier >= 10)
		number[1] = (char)('0' + verifier - 10);
	if (is_started())
		weir_gauge_set_with(health.age, (int64_t)ns, number);
}

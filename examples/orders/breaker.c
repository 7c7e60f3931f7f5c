/* orders: the circuit breaker. See breaker.h. */
#include "breaker.h"

static struct breaker_news turn(struct breaker *breaker, enum breaker_state state)
{
	breaker->state = state;
	breaker->failures = 0;
	return (struct breaker_news){state == BREAKER_HALF_OPEN, true, state};
}

void breaker_begin(struct breaker *breaker)
{
	*breaker = (struct breaker){.state = BREAKER_CLOSED};
	pthread_mutex_init(&breaker->lock, NULL);
}

void breaker_end(struct breaker *breaker)
{
	pthread_mutex_destroy(&breaker->lock);
}

/* Half open, the one that may pass is under way. */
struct breaker_news breaker_ask(struct breaker *breaker, uint64_t now_ns)
{
	struct breaker_news news;

	pthread_mutex_lock(&breaker->lock);
	news = (struct breaker_news){breaker->state == BREAKER_CLOSED, false, breaker->state};
	if (breaker->state == BREAKER_OPEN && now_ns >= breaker->until_ns)
		news = turn(breaker, BREAKER_HALF_OPEN);
	pthread_mutex_unlock(&breaker->lock);
	return news;
}

/* What passed while it was closed and ends while it is open says nothing new. */
struct breaker_news breaker_tell(struct breaker *breaker, bool well, uint64_t now_ns)
{
	struct breaker_news news;

	pthread_mutex_lock(&breaker->lock);
	news = (struct breaker_news){false, false, breaker->state};
	if (breaker->state != BREAKER_OPEN) {
		breaker->failures = well ? 0 : breaker->failures + 1;
		if (breaker->state == BREAKER_HALF_OPEN && well) {
			news = turn(breaker, BREAKER_CLOSED);
		} else if (breaker->state == BREAKER_HALF_OPEN || breaker->failures == BREAKER_FAILURES) {
			news = turn(breaker, BREAKER_OPEN);
			breaker->until_ns = now_ns + BREAKER_REST_NS;
		}
	}
	pthread_mutex_unlock(&breaker->lock);
	return news;
}

const char *breaker_text(enum breaker_state state)
{
	static const char *const texts[] = {"closed", "open", "half-open"};

	return texts[state];
}

/* L3: callbacks. See observe.h. Writers: the list under the life lock; running by the thread that runs. */
#define _GNU_SOURCE
#include "observe.h"

#include "atomic.h"
#include "gate.h"
#include "registry.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

enum { CALLBACKS_MAX = 1024 };

struct weir_observer {
	uint32_t round;
};
struct weir_callback {
	weir_observe_fn *observe;
	void *arg;
	const void *module; /* where observe lies; NULL: not known */
	bool gone;          /* destroyed from within its run, which frees it. Under the life lock */
};

struct place {
	uintptr_t address;
	const void *module;
};

static int is_here(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *place = arg;

	(void)size;
	for (int n = 0; n < info->dlpi_phnum; n++)
		if (info->dlpi_phdr[n].p_type == PT_LOAD &&
		    place->address - (info->dlpi_addr + info->dlpi_phdr[n].p_vaddr) < info->dlpi_phdr[n].p_memsz) {
			place->module = info->dlpi_phdr;
			return 1;
		}
	return 0;
}

/* What stands for the module of this address. Not by dladdr: dlclose holds the lock of that while it waits for a callback,
 * which may register another. */
static const void *module_of(const void *address)
{
	struct place place = {(uintptr_t)address, NULL};

	dl_iterate_phdr(is_here, &place);
	return place.module;
}

static struct {
	struct weir_callback *list[CALLBACKS_MAX]; /* under the life lock; NULL: free */
	uint32_t count;                            /* callbacks that are there; readers: any, relaxed */
	uint32_t high;                             /* places used so far */
	struct weir_callback *running;             /* under the life lock */
	int runner;                                /* the thread that runs it; 0: none. Under the life lock */
	uint32_t finished;                         /* counts runs; a futex for who waits */
	uint32_t round;                            /* of the runner; readers: snapshots, by the instruments' rounds */
	uint32_t amid;                             /* the round that runs, 0: none. Writer: the runner; reader: the tick; relaxed */
	uint32_t generation;                       /* of the process that running and runner speak of. Under the life lock */
	void (*start)(void);
	uint64_t late;                             /* writer: the tick; readers: any, relaxed */
	uint32_t seen;                             /* the round that the tick before met. The tick's own */
} callbacks; /* what is written lies behind the list: see sparse in CMakeLists.txt */

/* In a forked child nobody runs, whatever the parent's thread was at. With the life lock held. */
static void see_fork(void)
{
	uint32_t now = weir__generation();

	if (callbacks.generation == now)
		return;
	callbacks.generation = now;
	callbacks.running = NULL;
	callbacks.runner = 0;
	weir__store_relaxed(&callbacks.amid, 0u);
}

void weir__callbacks_on_new(void (*start)(void))
{
	weir__store_release(&callbacks.start, start);
}

uint32_t weir__callbacks_count(void)
{
	return weir__load_relaxed(&callbacks.count);
}

int weir_callback_new(struct weir_callback **callback, weir_observe_fn *observe, void *arg)
{
	struct weir__wiped *wiped = weir__wiped();
	struct weir_callback *c;
	void (*start)(void);
	uint32_t at = 0;
	void *address;

	if (callback == NULL || observe == NULL)
		return WEIR_EINVAL;
	*callback = NULL;
	c = wiped != NULL ? calloc(1, sizeof *c) : NULL;
	if (c == NULL)
		return WEIR_ENOMEM;
	c->observe = observe;
	c->arg = arg;
	memcpy(&address, &observe, sizeof address);
	c->module = module_of(address); /* here, since the dynamic linker has a lock of its own */
	weir__lock(&wiped->life);
	while (at < CALLBACKS_MAX && callbacks.list[at] != NULL)
		at++;
	if (at == CALLBACKS_MAX) {
		weir__unlock(&wiped->life);
		free(c);
		return WEIR_ELIMIT;
	}
	if (at >= callbacks.high) /* first: a child forked in between has a place too many, not one that is never looked at */
		weir__store_release(&callbacks.high, at + 1);
	weir__store_release(&callbacks.list[at], c);
	weir__store_relaxed(&callbacks.count, callbacks.count + 1);
	weir__unlock(&wiped->life);
	*callback = c;
	start = weir__load_acquire(&callbacks.start);
	if (start != NULL)
		start();
	return WEIR_OK;
}

/* Takes it from the list; waits while another thread runs it. With the life lock held; it is given up meanwhile. */
static void take_away(struct weir__wiped *wiped, uint32_t at)
{
	struct weir_callback *c = callbacks.list[at];
	bool within = callbacks.running == c && callbacks.runner == weir__tid();

	callbacks.list[at] = NULL;
	weir__store_relaxed(&callbacks.count, callbacks.count - 1);
	if (within) {
		c->gone = true;
		return;
	}
	while (callbacks.running == c) {
		uint32_t finished = weir__load_acquire(&callbacks.finished);

		weir__unlock(&wiped->life);
		weir__futex_wait(&callbacks.finished, finished, UINT64_MAX);
		weir__lock(&wiped->life);
	}
	free(c);
}

void weir_callback_destroy(struct weir_callback *c)
{
	struct weir__wiped *wiped = weir__wiped();

	if (c == NULL || wiped == NULL)
		return;
	weir__lock(&wiped->life);
	see_fork();
	for (uint32_t at = 0; at < callbacks.high; at++)
		if (callbacks.list[at] == c) {
			take_away(wiped, at);
			break;
		}
	weir__unlock(&wiped->life);
}

void weir__callbacks_unload(const void *in_module)
{
	struct weir__wiped *wiped = weir__callbacks_count() != 0 ? weir__wiped() : NULL;
	const void *module = wiped != NULL ? module_of(in_module) : NULL;

	/* At exit nothing is unloaded in truth, and a callback that is stuck must not hold it up. */
	if (module == NULL || weir__load_seq(&wiped->gate_closed) != 0)
		return;
	weir__lock(&wiped->life);
	see_fork();
	for (uint32_t at = 0; at < callbacks.high; at++)
		if (callbacks.list[at] != NULL && callbacks.list[at]->module == module)
			take_away(wiped, at);
	weir__unlock(&wiped->life);
}

/* The round is whole: what it did not report of the instruments that it reported is gone. Until here the former one counts,
 * so that who looks amid a round misses nothing. */
static void end_round(uint32_t round)
{
	for (struct weir__instrument *i = weir__instruments_first(); i != NULL; i = weir__load_acquire(&i->next))
		if (weir__load_relaxed(&i->reporting) == round)
			weir__store_release(&i->round, round);
}

bool weir__callbacks_run(void)
{
	struct weir__wiped *wiped = weir__wiped();
	struct weir_observer observer;

	if (wiped == NULL)
		return false;
	weir__lock(&wiped->life);
	see_fork();
	if (callbacks.runner != 0) {
		weir__unlock(&wiped->life);
		return false;
	}
	callbacks.runner = weir__tid();
	if (++callbacks.round == UINT32_MAX) /* weir's own; and 0 is never */
		callbacks.round = 1;
	observer.round = callbacks.round;
	weir__store_relaxed(&callbacks.amid, observer.round);
	for (uint32_t at = 0; at < callbacks.high; at++) {
		struct weir_callback *c;

		if (callbacks.list[at] == NULL)
			continue;
		weir__unlock(&wiped->life);
		weir__gate_pass();
		weir__lock(&wiped->life);
		c = callbacks.list[at];
		if (c == NULL)
			continue;
		callbacks.running = c;
		weir__unlock(&wiped->life);
		c->observe(&observer, c->arg);
		weir__lock(&wiped->life);
		callbacks.running = NULL;
		if (c->gone)
			free(c);
		weir__store_release(&callbacks.finished, callbacks.finished + 1);
		weir__futex_wake(&callbacks.finished, INT32_MAX);
	}
	weir__unlock(&wiped->life);
	end_round(observer.round);
	weir__lock(&wiped->life);
	callbacks.runner = 0;
	weir__store_relaxed(&callbacks.amid, 0u);
	weir__unlock(&wiped->life);
	return true;
}


void weir__callbacks_watch(void)
{
	uint32_t amid = weir__load_relaxed(&callbacks.amid);

	if (amid != 0 && amid == callbacks.seen)
		weir__store_relaxed(&callbacks.late, callbacks.late + 1);
	callbacks.seen = amid;
}

uint64_t weir__callbacks_late(void)
{
	return weir__load_relaxed(&callbacks.late);
}

/* ---- reporting ---- */

struct weir_observer *weir__observer_internal(void)
{
	static struct weir_observer internal = {UINT32_MAX};

	return &internal;
}

/* At its first report a series becomes known outside. Twice, where the segment is opened meanwhile, is harmless: the records
 * are equal. */
static void publish(const struct weir__instrument *i, struct weir__series *s)
{
	struct weir__guard guard;

	if (!weir__enter(&guard))
		return;
	weir__segment_ready();
	weir__publish_series(i, s);
	weir__leave(&guard);
}

static void report(struct weir_observer *observer, const struct weir_instrument *d, struct weir__series *s, bool floating, int64_t value,
                   double real)
{
	struct weir__instrument *i = d->state_->series_;
	uint64_t *block, bits = (uint64_t)value;

	if (s == NULL || observer == NULL)
		return;
	if (i->kind != WEIR_OBSERVED_COUNTER_KIND && i->kind != WEIR_OBSERVED_GAUGE_KIND) {
		weir__lose(WEIR__LOST_REFUSED);
		return;
	}
	if (i->kind == WEIR_OBSERVED_COUNTER_KIND && (floating ? !(real >= 0) : value < 0)) {
		weir__lose(WEIR__LOST_VALUE);
		return;
	}
	block = s->cell != 0 ? weir__load_relaxed(&weir_tls_v1[s->cell / 512]) : NULL;
	if (block == NULL)
		block = weir__block_of(s->cell);
	if (block == NULL)
		return;
	/* The first report decides whether a series is a double: before it the bits are 0, which is both. */
	if (weir__load_relaxed(&s->round) == 0 && floating)
		weir__store_release(&s->floating, true);
	if (weir__load_relaxed(&s->floating)) {
		static const double divisor[] = {1, 1e9, 1, 1e6};

		bits = weir_double_bits_(floating ? real : (double)value / divisor[i->unit]);
	} else if (floating) {
		static const double factor[] = {1, 1e9, 1, 1e6};
		double scaled = real * factor[i->unit];

		bits = (uint64_t)(int64_t)(scaled >= 9.2e18 ? 9.2e18 : scaled <= -9.2e18 ? -9.2e18 : scaled == scaled ? scaled : 0);
	}
	weir__store_relaxed(&block[s->cell % 512], bits);
	if (weir__swap_acq_rel(&s->round, observer->round) == 0)
		publish(i, s);
	weir__store_relaxed(&i->reporting, observer->round);
}

void weir_observer_report(struct weir_observer *observer, const struct weir_observed *i, int64_t value)
{
	report(observer, &i->i_, weir__resolve(&i->i_, NULL, 0), false, value, 0);
}

void weir_observer_report_float(struct weir_observer *observer, const struct weir_observed *i, double real)
{
	report(observer, &i->i_, weir__resolve(&i->i_, NULL, 0), true, 0, real);
}

void weir_observer_report_values(struct weir_observer *observer, const struct weir_observed *i, int64_t value, WEIR_VALUES_)
{
	report(observer, &i->i_, weir__resolve(&i->i_, values, count), false, value, 0);
}

void weir_observer_report_float_values(struct weir_observer *observer, const struct weir_observed *i, double real, WEIR_VALUES_)
{
	report(observer, &i->i_, weir__resolve(&i->i_, values, count), true, 0, real);
}

void weir_report_with_v1_(struct weir_observer *observer, const struct weir_instrument *i, int64_t value, struct weir_labels_ l)
{
	report(observer, i, weir__resolve_text(i, l), false, value, 0);
}

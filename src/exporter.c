/* L5: exporters of others: their list, their turns, their ends. See pipeline.h. Writers: under the life lock; an exporter's
 * functions run under none. */
#include "atomic.h"
#include "environment.h"
#include "gate.h"
#include "options.h"
#include "pipeline.h"
#include "snapshot.h"

#include <weir/abi/private.h>
#include <weir/exporter.h>

#include <stdlib.h>
#include <string.h>

enum { EXPORTERS_MAX = 64 };

struct weir_exporter {
	char name[64];
	void *arg;
	int (*metrics)(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns);
	void (*closed)(void *arg);
	uint64_t interval_ns, due_ns;
	bool running, closing, abandoned; /* abandoned: who destroys it has stopped waiting: the run frees it */
	bool leaving;                     /* weir was shut down: the thread of that time closes it, and a new one leaves it alone */
	uint32_t ended;                   /* futex: 1 after closed has returned */
	int last_error;
};

static struct {
	struct weir_exporter *list[EXPORTERS_MAX];
	uint32_t count; /* readers: any, relaxed */
	uint32_t finished; /* counts exports that have ended; a futex for who flushes meanwhile. Writer: under the life lock */
	uint32_t generation; /* of the process that running speaks of. Under the life lock */
	void (*changed)(void);
} exporters;

/* In a forked child none runs, whatever the parent's thread was at. With the life lock held. */
static void see_fork(void)
{
	uint32_t now = weir__generation();

	if (exporters.generation == now)
		return;
	exporters.generation = now;
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++)
		if (exporters.list[at] != NULL)
			exporters.list[at]->running = false;
}

void weir__exporters_on_change(void (*changed)(void))
{
	weir__store_release(&exporters.changed, changed);
}

uint32_t weir__exporters_count(void)
{
	return weir__load_relaxed(&exporters.count);
}

/* An interval without end is never over. */
static uint64_t due_after(uint64_t now, uint64_t interval_ns)
{
	return interval_ns > UINT64_MAX - now ? UINT64_MAX : now + interval_ns;
}

static void changed(void)
{
	void (*tell)(void) = weir__load_acquire(&exporters.changed);

	if (tell != NULL)
		tell();
}

static int add(struct weir_exporter *e)
{
	struct weir__wiped *wiped = weir__wiped();
	uint32_t at = 0;

	if (wiped == NULL)
		return WEIR_ENOMEM;
	weir__lock(&wiped->life);
	while (at < EXPORTERS_MAX && exporters.list[at] != NULL)
		at++;
	if (at < EXPORTERS_MAX) {
		exporters.list[at] = e;
		weir__store_relaxed(&exporters.count, exporters.count + 1);
	}
	weir__unlock(&wiped->life);
	return at < EXPORTERS_MAX ? WEIR_OK : WEIR_ELIMIT;
}

int weir_exporter_new(struct weir_exporter **exporter, const struct weir_exporter_options *given)
{
	struct weir_exporter_options o;
	struct weir_exporter *e;
	int error = WEIR_OK;

	if (exporter != NULL)
		*exporter = NULL;
	if (given == NULL)
		return WEIR_EINVAL;
	if (!weir__take_options(&o, sizeof o, given, given->size)) {
		if (given->size >= sizeof o && given->closed != NULL) /* a newer caller's tail */
			given->closed(given->arg);
		return WEIR_EINVAL;
	}
	e = calloc(1, sizeof *e);
	if (exporter == NULL || o.metrics == NULL)
		error = WEIR_EINVAL;
	else if (e == NULL)
		error = WEIR_ENOMEM;
	if (error == WEIR_OK) {
		strncpy(e->name, o.name != NULL ? o.name : "exporter", sizeof e->name - 1);
		e->arg = o.arg;
		e->metrics = o.metrics;
		e->closed = o.closed;
		e->interval_ns = o.interval_ns != 0 ? o.interval_ns : weir__environment_interval_ns();
		e->due_ns = due_after(weir__clock_ns(), e->interval_ns);
		error = add(e);
	}
	if (error != WEIR_OK) {
		free(e);
		if (o.closed != NULL)
			o.closed(o.arg);
		return error;
	}
	*exporter = e;
	changed();
	return WEIR_OK;
}

/* Its last words, outside the lock: from here on nobody but a waiting destroy knows it. */
static void close_one(struct weir__wiped *wiped, struct weir_exporter *e)
{
	bool abandoned;

	weir__gate_pass();
	if (e->closed != NULL)
		e->closed(e->arg);
	weir__lock(&wiped->life);
	abandoned = e->abandoned;
	weir__store_release(&e->ended, 1u);
	weir__futex_wake(&e->ended, INT32_MAX);
	weir__unlock(&wiped->life);
	if (abandoned)
		free(e);
}

static void take_away(uint32_t at)
{
	exporters.list[at] = NULL;
	weir__store_relaxed(&exporters.count, exporters.count - 1);
}

/* While another thread is at it (weir is pumped), what it has in its hands is older than what is to be sent. With the life lock
 * held, which is given up meanwhile; false: the time ran out. */
static bool wait_for(struct weir__wiped *wiped, uint32_t at, uint64_t deadline_ns)
{
	const struct weir_exporter *e = exporters.list[at];
	bool in_time = true;

	while (exporters.list[at] == e && e != NULL && e->running && !e->leaving && in_time) {
		uint32_t finished = exporters.finished;

		weir__unlock(&wiped->life);
		in_time = weir__futex_wait(&exporters.finished, finished, deadline_ns);
		weir__lock(&wiped->life);
	}
	return exporters.list[at] != e || e == NULL || !e->running || e->leaving;
}

int weir__exporters_run(bool all, uint64_t deadline_ns, uint64_t *next_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	struct weir_snapshot *snapshot = NULL;
	int result = WEIR_OK;

	if (wiped == NULL)
		return WEIR_ENOMEM;
	weir__lock(&wiped->life);
	see_fork();
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++) {
		struct weir_exporter *e;
		uint64_t now, left;
		bool last;
		int error;

		if (exporters.list[at] == NULL)
			continue;
		weir__unlock(&wiped->life);
		weir__gate_pass();
		weir__lock(&wiped->life);
		if (all && !wait_for(wiped, at, deadline_ns))
			result = result == WEIR_OK ? WEIR_ETIMEOUT : result;
		e = exporters.list[at];
		now = weir__clock_ns();
		if (e == NULL || e->running || (e->leaving && !e->closing))
			continue;
		if (!all && !e->closing && now < e->due_ns) {
			if (e->due_ns < *next_ns)
				*next_ns = e->due_ns;
			continue;
		}
		e->running = true;
		last = e->closing;
		e->due_ns = due_after(now, e->interval_ns);
		if (e->due_ns < *next_ns)
			*next_ns = e->due_ns;
		weir__unlock(&wiped->life);
		left = deadline_ns > now ? deadline_ns - now : 0;
		if (last) { /* its last words are of now */
			weir_snapshot_destroy(snapshot);
			snapshot = NULL;
		}
		error = snapshot == NULL ? weir_snapshot_new(&snapshot) : WEIR_OK;
		if (error == WEIR_OK)
			error = e->metrics(e->arg, snapshot, left < e->interval_ns || all ? left : e->interval_ns);
		if (error != WEIR_OK) {
			weir__health_exports_failed(1);
			weir_private_log(WEIR_LOG_WARN, "the exporter %s failed: %s", e->name, weir_error_text(error));
			result = result == WEIR_OK ? WEIR_EIO : result;
		}
		weir__lock(&wiped->life);
		e->running = false;
		e->last_error = error;
		weir__store_release(&exporters.finished, exporters.finished + 1);
		weir__futex_wake(&exporters.finished, INT32_MAX);
		if (e->closing && !last) { /* told meanwhile: what was recorded by then is yet to be sent */
			weir__unlock(&wiped->life);
			weir_snapshot_destroy(snapshot);
			snapshot = NULL;
			at--;
			weir__lock(&wiped->life);
		} else if (e->closing || e->leaving) { /* leaving: weir was shut down meanwhile */
			take_away(at);
			if (!e->closing)
				e->abandoned = true;
			weir__unlock(&wiped->life);
			close_one(wiped, e);
			weir__lock(&wiped->life);
		}
	}
	weir__unlock(&wiped->life);
	weir_snapshot_destroy(snapshot);
	return result;
}

int weir_exporter_destroy(struct weir_exporter *e, uint64_t timeout_ns)
{
	struct weir__wiped *wiped = weir__wiped();
	uint64_t now = weir__clock_ns(), deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
	uint32_t at = 0;
	int result;

	if (e == NULL || wiped == NULL || weir__gate_is_mine()) /* from within a callback or an exporter it would wait for itself */
		return WEIR_EINVAL;
	weir__lock(&wiped->life);
	while (at < EXPORTERS_MAX && exporters.list[at] != e)
		at++;
	if (at == EXPORTERS_MAX) {
		weir__unlock(&wiped->life);
		return WEIR_EINVAL;
	}
	e->closing = true;
	if (weir__exiting() && !weir__pipeline_is_pumped()) { /* its thread has stopped for good */
		e->abandoned = true;
		weir__unlock(&wiped->life);
		return WEIR_ETIMEOUT;
	}
	weir__unlock(&wiped->life);
	if (!weir__pipeline_runs() || weir__pipeline_is_pumped()) { /* nobody else's thread will */
		uint64_t next = UINT64_MAX;

		weir__exporters_run(false, deadline, &next);
	} else {
		changed();
	}
	weir__lock(&wiped->life);
	while (weir__load_acquire(&e->ended) == 0) {
		bool in_time;

		weir__unlock(&wiped->life);
		in_time = weir__futex_wait(&e->ended, 0, deadline);
		weir__lock(&wiped->life);
		if (!in_time && weir__load_acquire(&e->ended) == 0) {
			e->abandoned = true;
			weir__unlock(&wiped->life);
			return WEIR_ETIMEOUT;
		}
	}
	weir__unlock(&wiped->life);
	result = e->last_error == WEIR_OK ? WEIR_OK : WEIR_EIO;
	free(e);
	return result;
}

/* At shutdown, by the thread that would have run them next. The handles are void from here on. */
void weir__exporters_close(void)
{
	struct weir__wiped *wiped = weir__wiped();

	if (wiped == NULL)
		return;
	weir__lock(&wiped->life);
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++) {
		struct weir_exporter *e = exporters.list[at];

		if (e == NULL || e->running || !e->leaving)
			continue;
		take_away(at);
		if (!e->closing)
			e->abandoned = true;
		weir__unlock(&wiped->life);
		close_one(wiped, e);
		weir__lock(&wiped->life);
	}
	weir__unlock(&wiped->life);
}

void weir__exporters_leave(void)
{
	for (uint32_t at = 0; at < EXPORTERS_MAX; at++)
		if (exporters.list[at] != NULL)
			exporters.list[at]->leaving = true;
}

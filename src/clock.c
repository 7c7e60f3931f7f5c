/* L0: ticks. See clock.h. The counter is tied to the clocks by anchors, each written once, then published by the count; a
 * reader that was held up until its anchor's place was used again asks the clocks. */
#define _GNU_SOURCE
#include "clock.h"

#include "atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { ANCHORS = 16, SPREAD = ANCHORS / 2 };
#define ANCHOR_EVERY_NS UINT64_C(100000000)
#define STALE_NS UINT64_C(5000000000) /* nobody has ticked: the anchor is not trusted */

struct anchor { /* relaxed; whole for who finds count unchanged by less than SPREAD after reading */
	uint64_t ticks, wall_ns, clock_ns;
};
static struct {
	struct anchor list[ANCHORS];
	uint32_t count;  /* release by who anchors; acquire */
	uint32_t usable; /* relaxed: the system's clock is the counter */
	uint64_t stale_ticks;
	struct anchor base; /* what the scale is measured from. Writer and reader: who anchors */
} clocks;
uint64_t weir__clock_scale;

struct weir__moment weir__clock_moment(void)
{
	struct weir__moment now;
	uint64_t pace = weir__load_relaxed(&weir__clock_scale);

	if (pace != 0) {
		uint32_t count = weir__load_acquire(&clocks.count);
		const struct anchor *a = &clocks.list[count % ANCHORS];
		uint64_t at = weir__load_relaxed(&a->ticks), wall = weir__load_relaxed(&a->wall_ns), passed;

		now.ticks = weir__ticks(true);
		__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the reads above come before the count's second one */
		passed = now.ticks > at ? now.ticks - at : 0;
		if (__builtin_expect(weir__load_relaxed(&clocks.count) - count < SPREAD &&
		                     passed < weir__load_relaxed(&clocks.stale_ticks), 1)) {
			now.wall_ns = wall + weir__ticks_to_ns(passed, pace);
			now.counter = true;
			return now;
		}
	}
	now.ticks = weir__clock_ns();
	now.wall_ns = weir__wall_ns();
	now.counter = false;
	return now;
}

static bool may_use_counter(void)
{
#if defined(__x86_64__)
	char name[16] = "";
	int mode = 0, fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, name, sizeof name - 1) < 0)
		name[0] = '\0';
	close(fd);
	return strncmp(name, "tsc", 3) == 0 && prctl(PR_GET_TSC, &mode) == 0 && mode == PR_TSC_ENABLE;
#else
	return false;
#endif
}

/* The counter between two readings of the clock, as close together as can be had in a few tries. */
static struct anchor measure(void)
{
	struct anchor best = {0, 0, 0};
	uint64_t least = UINT64_MAX;

	for (int tries = 0; tries < 5; tries++) {
		uint64_t before = weir__ticks(true), clock = weir__clock_ns(), wall = weir__wall_ns(), after = weir__ticks(true);

		if (after - before < least) {
			least = after - before;
			best = (struct anchor){before + (after - before) / 2, wall, clock};
		}
	}
	return best;
}

static void publish(const struct anchor *now)
{
	uint32_t next = weir__load_relaxed(&clocks.count) + 1;
	struct anchor *a = &clocks.list[next % ANCHORS];

	weir__store_relaxed(&a->ticks, now->ticks);
	weir__store_relaxed(&a->wall_ns, now->wall_ns);
	weir__store_relaxed(&a->clock_ns, now->clock_ns);
	weir__store_release(&clocks.count, next);
}

void weir__clock_start(void)
{
	int saved = errno;

	if (weir__load_relaxed(&clocks.usable) == 0 && may_use_counter()) {
		clocks.base = measure();
		weir__store_relaxed(&clocks.usable, 1u);
	}
	errno = saved;
}

void weir__clock_anchor(void)
{
	struct anchor now;
	const struct anchor *last = &clocks.list[weir__load_relaxed(&clocks.count) % ANCHORS];
	uint64_t clock, ticks, ns;

	if (weir__load_relaxed(&clocks.usable) == 0)
		return;
	clock = weir__clock_ns();
	if (clock - clocks.base.clock_ns < ANCHOR_EVERY_NS || clock - last->clock_ns < ANCHOR_EVERY_NS)
		return;
	now = measure();
	ticks = now.ticks - clocks.base.ticks;
	ns = now.clock_ns - clocks.base.clock_ns;
	if (now.ticks <= clocks.base.ticks || ticks > UINT64_C(1) << 50 || ns > UINT64_C(1) << 40) { /* too long ago, or no counter */
		clocks.base = now;
		return;
	}
#if defined(__SIZEOF_INT128__)
	{
		__extension__ typedef unsigned __int128 u128;
		uint64_t scale = (uint64_t)(((u128)ns << 32) / ticks);

		if (scale == 0)
			return;
		weir__store_relaxed(&clocks.stale_ticks, (uint64_t)(((u128)STALE_NS << 32) / scale));
		weir__store_relaxed(&weir__clock_scale, scale);
	}
#endif
	publish(&now);
	if (ns > UINT64_C(10000000000)) /* ten seconds are enough to measure by; the clock's pace is adjusted now and then */
		clocks.base = now;
}

void weir__clock_forget(void)
{
	if (weir__load_relaxed(&clocks.usable) != 0)
		clocks.base = measure(); /* the parent may have been writing it; pace and anchors are the machine's, and stay good */
}

/* L0: ticks. See clock.h. The counter is tied to the clocks by an anchor, written anew while spans flow. Writer: who holds the
 * drain lock; a forked child may find it half written, and asks the clocks until its own next one. */
#define _GNU_SOURCE
#include "clock.h"

#include "atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ANCHOR_EVERY_NS UINT64_C(100000000)
#define STALE_NS UINT64_C(5000000000) /* nobody has ticked: the anchor is not trusted */

struct weir__anchor weir__anchor = {.number = 1};
uint64_t weir__clock_scale;
static uint32_t usable; /* relaxed: the system's clock is the counter */
struct measured {
	uint64_t ticks, wall_ns, clock_ns;
};
static struct measured base; /* what the scale is measured from. Writer and reader: who anchors, as the next */
static uint64_t last_ns;

struct weir__moment weir__clock_moment(void)
{
	struct weir__moment now;

	if (!weir__clock_counter(&now)) {
		now.ticks = weir__clock_ns();
		now.wall_ns = weir__wall_ns();
		now.counter = false;
	}
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
static struct measured measure(void)
{
	struct measured best = {0, 0, 0};
	uint64_t least = UINT64_MAX;

	for (int tries = 0; tries < 5; tries++) {
		uint64_t before = weir__ticks(true), clock = weir__clock_ns(), wall = weir__wall_ns(), after = weir__ticks(true);

		if (after - before < least) {
			least = after - before;
			best = (struct measured){before + (after - before) / 2, wall, clock};
		}
	}
	return best;
}

static void publish(const struct measured *now)
{
	uint32_t number = weir__load_relaxed(&weir__anchor.number) | 1;

	weir__store_relaxed(&weir__anchor.number, number);
	weir__store_release(&weir__anchor.ticks, now->ticks);
	weir__store_release(&weir__anchor.wall_ns, now->wall_ns);
	weir__store_release(&weir__anchor.number, number + 1);
	last_ns = now->clock_ns;
}

void weir__clock_start(void)
{
	int saved = errno;

	if (weir__load_relaxed(&usable) == 0 && may_use_counter()) {
		base = measure();
		weir__store_relaxed(&usable, 1u);
	}
	errno = saved;
}

void weir__clock_anchor(void)
{
	struct measured now;
	uint64_t clock, ticks, ns;

	if (weir__load_relaxed(&usable) == 0)
		return;
	clock = weir__clock_ns();
	if (clock - base.clock_ns < ANCHOR_EVERY_NS || clock - last_ns < ANCHOR_EVERY_NS)
		return;
	now = measure();
	ticks = now.ticks - base.ticks;
	ns = now.clock_ns - base.clock_ns;
	if (now.ticks <= base.ticks || ticks > UINT64_C(1) << 50 || ns > UINT64_C(1) << 40) { /* too long ago, or no counter */
		base = now;
		return;
	}
#if defined(__SIZEOF_INT128__)
	{
		__extension__ typedef unsigned __int128 u128;
		uint64_t scale = (uint64_t)(((u128)ns << 32) / ticks);

		if (scale == 0)
			return;
		weir__store_relaxed(&weir__anchor.stale_ticks, (uint64_t)(((u128)STALE_NS << 32) / scale));
		weir__store_relaxed(&weir__clock_scale, scale);
	}
#endif
	publish(&now);
	if (ns > UINT64_C(10000000000)) /* ten seconds are enough to measure by; the clock's pace is adjusted now and then */
		base = now;
}

void weir__clock_forget(void)
{
	if (weir__load_relaxed(&usable) != 0)
		base = measure(); /* the parent may have been writing it; pace and anchors are the machine's, and stay good */
}

/* L3: readiness for traces. See ids.h. Writer: each thread its own, under the core lock. */
#define _GNU_SOURCE
#include "ids.h"

#include "registry.h"
#include "segment.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 16 };

/* Under the core lock, signals blocked. */
static bool seed(struct weir__local *local)
{
	uint64_t fresh[4];
	int saved = errno;
	long got = -1;

	for (int tries = 0; tries < TRIES && got != (long)sizeof fresh; tries++)
		got = syscall(SYS_getrandom, fresh, sizeof fresh, 1 /* GRND_NONBLOCK */);
	errno = saved;
	if (got != (long)sizeof fresh) /* early at boot, or forbidden: ids that others could have are worse than none */
		return false;
	memcpy(local->streams, fresh, sizeof local->streams);
	local->gamma = fresh[3] | 1;
	return true;
}

struct weir__local *weir__local_make(void)
{
	struct weir__guard guard;
	struct weir__local *local = NULL;

	if (!weir__enter(&guard))
		return NULL;
	weir__segment_ready();
	if (weir__shard_attach()) {
		local = weir__local();
		if (local->gamma == 0 && !seed(local))
			local = NULL;
	}
	weir__leave(&guard);
	return local;
}

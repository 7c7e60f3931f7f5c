/* weir, the command: spans are not watched, for want of libbpf at build time. See spans_watch.h. No data of its own. */
#include "spans_watch.h"

#include "command.h"

#include <stddef.h>

int spans_watch_open(struct spans_watch **watch, const char *who, int pid, const struct spans_filter *filter, spans_fn *take, void *arg)
{
	(void)pid, (void)filter, (void)take, (void)arg;
	*watch = NULL;
	return complain(EXIT_USAGE, who, "this command was built without BPF, for want of %s", WEIR_SPANS_MISSING);
}

void spans_watch_poll(struct spans_watch *watch, int ms)
{
	(void)watch, (void)ms;
}

void spans_watch_stop(struct spans_watch *watch)
{
	(void)watch;
}

uint64_t spans_watch_lost(const struct spans_watch *watch)
{
	(void)watch;
	return 0;
}

void spans_watch_close(struct spans_watch *watch)
{
	(void)watch;
}

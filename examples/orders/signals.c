/* orders: its signals. See signals.h. */
#define _GNU_SOURCE
#include "signals.h"

#include <stdio.h>

/* They are waited for, also where whoever started us had them ignored. */
sigset_t signals_take(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	return set;
}

void signals_await(const sigset_t *set, const char *where)
{
	int caught;

	printf("ready %s\n", where);
	fflush(stdout);
	sigwait(set, &caught);
}

/* weir, the command. A command is a row here and a file of its own. */
#include "command.h"
#include "dump.h"
#include "gc.h"
#include "ls.h"
#include "offsets.h"
#include "probes.h"
#include "spans.h"
#include "top.h"
#include "watch.h"
#ifdef WEIR_CLI_JWT
#include "jwt.h"
#endif

#include <weir/base.h>

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{"ls", "tells which processes publish what they measure", ls_run},
	{"dump", "shows all series of a process, or of a file that was a segment", dump_run},
	{"offsets", "tells where a process' threads have their current trace", offsets_run},
	{"top", "shows a process' requests as they go, and what is left of its SLO", top_run},
	{"watch", "shows one series as it goes", watch_run},
	{"spans", "shows the spans and requests of a process as they end (BPF)", spans_run},
	{"gc", "removes files that were segments of processes that are dead", gc_run},
	{"probes", "lists the probes (USDT) of a process, a program or a library", probes_run},
#ifdef WEIR_CLI_JWT
	{"jwt", "makes keys and tokens, reads and verifies tokens, for development", jwt_run},
#endif
};

static const char head[] = "usage: weir COMMAND [FLAG...]\n"
                           "       weir --help | --version\n"
                           "Ends with 0 where all is well, 1 where something failed or was refused, 2 where the command line is\n"
                           "not understood or a privilege is missing.\n"
                           "commands:\n";

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("weir " WEIR_VERSION_TEXT);
		return command_end("weir");
	}
	return command_dispatch("weir", head, commands, sizeof commands / sizeof commands[0], argc, argv);
}

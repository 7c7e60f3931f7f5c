/* weir, the command: choosing a command, and complaints. See command.h. No data of its own. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int complain(int code, const char *who, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", who);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

int command_end(const char *who)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain(EXIT_REFUSED, who, "standard output: %s", strerror(errno));
	return EXIT_OK;
}

int command_dispatch(const char *who, const char *head, const struct command *table, size_t count, int argc, char **argv)
{
	if (argc < 2)
		return complain(EXIT_USAGE, who, "no command is given; see %s --help", who);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(head, stdout);
		for (size_t i = 0; i < count; i++)
			printf("  %-10s %s\n", table[i].name, table[i].summary);
		printf("%s COMMAND --help tells more.\n", who);
		return command_end(who);
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[1], table[i].name) == 0)
			return table[i].run(argc - 1, argv + 1);
	return complain(EXIT_USAGE, who, "there is no such command; see %s --help", who);
}

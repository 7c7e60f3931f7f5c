/* weir, the command: flags. See flags.h. No data of its own. */
#include "flags.h"

#include "command.h"

#include <stdio.h>
#include <string.h>

/* The flag of this word, whose value, where it stands behind an equals sign, goes into *value. */
static const struct flag *find(const struct flag *table, size_t count, const char *word, const char **value)
{
	const char *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);

	*value = equals != NULL ? equals + 1 : NULL;
	for (size_t i = 0; i < count; i++)
		if (strlen(table[i].name) == len && strncmp(table[i].name, word, len) == 0)
			return &table[i];
	return NULL;
}

static int take(const char *who, const struct flag *flag, const char *value)
{
	if (flag->list != NULL) {
		if (flag->list->count == FLAG_VALUES_MAX)
			return complain(EXIT_USAGE, who, "%s stands more than %d times", flag->name, FLAG_VALUES_MAX);
		flag->list->values[flag->list->count++] = value;
		return FLAGS_RUN;
	}
	if (*flag->value != NULL)
		return complain(EXIT_USAGE, who, "%s stands twice", flag->name);
	*flag->value = value;
	return FLAGS_RUN;
}

int flags_read(const char *who, const char *help, const char *stray, const struct flag *table, size_t count, int argc,
               char **argv)
{
	struct flag_words none = {NULL, 0, 0};

	return flags_read_words(who, help, stray, table, count, argc, argv, &none);
}

int flags_read_words(const char *who, const char *help, const char *stray, const struct flag *table, size_t count, int argc,
                     char **argv, struct flag_words *words)
{
	for (int i = 1; i < argc; i++) {
		const char *value;
		const struct flag *flag = find(table, count, argv[i], &value);
		int code = FLAGS_RUN;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return command_end(who);
		}
		if (flag == NULL && argv[i][0] != '-' && words->count < words->room) {
			words->values[words->count++] = argv[i];
			continue;
		}
		if (flag == NULL && argv[i][0] != '-')
			return complain(EXIT_USAGE, who, "%s; see %s --help", stray != NULL ? stray : "flags begin with --", who);
		if (flag == NULL)
			return complain(EXIT_USAGE, who, "there is no such flag; see %s --help", who);
		if (flag->there != NULL) {
			if (value != NULL)
				return complain(EXIT_USAGE, who, "%s takes no value", flag->name);
			*flag->there = true;
			continue;
		}
		if (value == NULL && i + 1 == argc)
			return complain(EXIT_USAGE, who, "%s needs a value; see %s --help", flag->name, who);
		code = take(who, flag, value != NULL ? value : argv[++i]);
		if (code != FLAGS_RUN)
			return code;
	}
	return FLAGS_RUN;
}
